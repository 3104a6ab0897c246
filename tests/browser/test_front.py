"""A study of a score and a cost in a browser: its front, its trials, Optuna's own plots."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import Watched, dashboard
from workers import ledger_at, run_workers, toy_spec

FRONT = "Accuracy against energy"
CONFIRMED = "Confirmed on fresh seeds and the test part"


def n_confirmed(card: dict[str, Any]) -> int:
    named = (t for t in card["traces"] if t["name"] == "confirmed on fresh seeds, mean ± std")
    return sum(len(trace["x"]) for trace in named)


@pytest.mark.slow  # the figure is tested in unit/views, what the page asks for in test_cost.py
def test_the_page_shows_the_front(database_url: str, watched: Watched) -> None:
    reported = {"score": 0.6, "std": 0.05, "cost": 4.0, "source": "arXiv:2408.02835"}
    spec = toy_spec(
        "two",
        cost={"name": "energy_pj"},
        pruner={"name": "none"},
        reported=reported,
        confirm={"top": 3, "members": 2},
    )
    with ledger_at(database_url) as ledger, dashboard(database_url) as address:
        ledger.register(spec)
        run_workers(database_url, "two", 2)
        snapshot = ledger.snapshot("two")
        page = watched.page
        page.goto(f"{address}/dashboard/studies/1")
        watched.wait_until(lambda: CONFIRMED in watched.cards())
        watched.wait_until(lambda: n_confirmed(watched.cards()[FRONT]) == 3)
        card = watched.cards()[FRONT]
        traces = {trace["name"]: trace for trace in card["traces"]}
        reported_at = traces["reported 60.00 ± 5.00 % at 4 pJ (arXiv:2408.02835)"]
        assert reported_at["x"] == [4]
        steps = next(trace for trace in card["traces"] if trace.get("mode") == "lines")
        assert len(steps["x"]) == len(snapshot.front) + 1
        assert "Convergence against trial number" not in watched.cards()
        page.get_by_text("Pareto Front").first.wait_for()  # optuna-dashboard's own
        page.get_by_text("energy_pj").first.wait_for()
        for path, text in (
            ("/analytics", "accuracy"),
            ("/trials", "Trial 0"),
            ("/note", "two objectives"),
        ):
            watched.follow(f"/dashboard/studies/1{path}")
            page.get_by_text(text).first.wait_for()
            page.wait_for_timeout(1000)  # for plots, which an error would stop

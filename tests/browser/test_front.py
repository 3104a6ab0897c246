"""A study of a score and costs in a browser: its front, its trials, Optuna's own plots."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import Watched, dashboard
from workers import ledger_at, run_workers, toy_spec

CONFIRMED = "Confirmed on fresh seeds and the test part"


def n_confirmed(card: dict[str, Any]) -> int:
    named = (t for t in card["traces"] if t["name"] == "confirmed on fresh seeds, mean ± std")
    return sum(len(trace["x"]) for trace in named)


@pytest.mark.slow  # the figure is tested in unit/views, what the page asks for in test_cost.py
@pytest.mark.parametrize(
    ("costs", "published", "title"),
    [
        ("energy_pj", 4.0, "Accuracy against energy"),
        (
            ["energy_pj", "n_synapses"],
            {"energy_pj": 4.0},
            "Accuracy against energy and synapses",
        ),
    ],
    ids=["one", "both"],
)
def test_the_page_shows_the_front(
    database_url: str, watched: Watched, costs: Any, published: Any, title: str
) -> None:
    reported = {"score": 0.6, "std": 0.05, "cost": published, "source": "arXiv:2408.02835"}
    spec = toy_spec(
        "two",
        cost={"name": costs},
        pruner={"name": "none"},
        reported=reported,
        confirm={"top": 3, "members": 2},
    )
    with ledger_at(database_url) as ledger, dashboard(database_url) as address:
        ledger.register(spec)
        run_workers(database_url, "two", 2)
        snapshot = ledger.result("two")
        page = watched.page
        page.goto(f"{address}/dashboard/studies/1")
        watched.wait_until(lambda: CONFIRMED in watched.cards())
        n_costs = len(spec.costs)
        watched.wait_until(lambda: n_confirmed(watched.cards()[title]) == 3 * n_costs)
        card = watched.cards()[title]
        traces = {trace["name"]: trace for trace in card["traces"]}
        reported_at = traces["reported 60.00 ± 5.00 % at 4 pJ (arXiv:2408.02835)"]
        assert reported_at["x"] == [4]
        steps = next(trace for trace in card["traces"] if trace.get("mode") == "lines")
        assert 1 < len(steps["x"]) <= len(snapshot.front) + 1
        rings = [t for t in card["traces"] if t["name"] == "front of the search" and t != steps]
        marked = [t for t in rings if t.get("mode") == "markers"]
        assert [len(trace["x"]) for trace in marked] == [len(snapshot.front)] * n_costs
        assert "Convergence against trial number" not in watched.cards()
        page.get_by_text("Pareto Front").first.wait_for()  # optuna-dashboard's own
        page.get_by_text("energy_pj").first.wait_for()
        for path, text in (
            ("/analytics", "accuracy"),
            ("/trials", "Trial 0"),
            ("/note", "two objectives" if n_costs == 1 else "three objectives"),
        ):
            watched.follow(f"/dashboard/studies/1{path}")
            page.get_by_text(text).first.wait_for()
            page.wait_for_timeout(1000)  # for plots, which an error would stop

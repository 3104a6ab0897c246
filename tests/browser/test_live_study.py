"""A study of real trainings, watched in a browser from its first trial to its trained network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from browsing import Watched, dashboard
from workers import kill, ledger_at, start_worker, wait_until

STUDY = """
description = "A small network reads digits."
objective = "spintronic"

[budget]
trials = 12
window = 2
members = 2
epochs = 4

[fixed]
layers = 2
width = 8

[space]
tau_ns = { low = 5.0, high = 50.0, log = true }
s = { low = 0.1, high = 2.0, log = true }

[sampler]
name = "random"

[confirm]
top = 1
members = 2

[reported]
score = 0.8983
std = 0.0291
source = "arXiv:2408.02835"
params = { tau_ns = 14.12, s = 0.5 }
"""
TRIALS = 12
CONVERGENCE = "Convergence against trial number"
CONFIRMED = "Confirmed on fresh seeds and the test part, on the solved equation"


def _points(watched: Watched) -> int:
    """Trials in the convergence figure as the browser has drawn it."""
    card = watched.cards().get(CONVERGENCE)
    traces = card["traces"] if card else []
    clouds = ("trial", "off scale", "curve cut short", "not replicated further")
    return sum(len(trace["x"]) for trace in traces if trace.get("name") in clouds)


def test_the_page_follows_a_live_study_to_its_trained_network(
    database_url: str, watched: Watched, tmp_path: Path
) -> None:
    study = tmp_path / "small.toml"
    study.write_text(STUDY)
    page = watched.page
    launch = subprocess.Popen(
        [sys.executable, "-m", "hpo.launch", "--study", study, "--workers", "0", "--no-report"],
        env={**os.environ, "HPO_STORAGE": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    workers = [start_worker(database_url, "--lease", "5")]
    try:
        with ledger_at(database_url) as ledger, dashboard(database_url) as address:
            wait_until(lambda: any(s.settled >= 3 for s in ledger.studies()), timeout_s=120)
            kill(workers.pop(), signal.SIGTERM)
            before = ledger.snapshot("small").settled
            assert before < TRIALS, "the study is still live"
            page.goto(address)
            page.get_by_role("link", name="small", exact=True).click()
            watched.wait_until(lambda: _points(watched) == before)
            _shows_the_reported_optimum(watched)
            page.evaluate("window.not_reloaded = true")
            workers = [start_worker(database_url) for _ in range(2)]
            watched.wait_until(lambda: _points(watched) > before)
            said, _ = launch.communicate(timeout=240)
            assert launch.returncode == 0, said
            watched.wait_until(lambda: _points(watched) == TRIALS)
            watched.wait_until(lambda: CONFIRMED in watched.cards())
            assert page.evaluate("window.not_reloaded") is True
            _shows_the_note(watched)
    finally:
        for process in (launch, *workers):
            process.terminate()
            process.communicate(timeout=60)


def _shows_the_reported_optimum(watched: Watched) -> None:
    """The reported line and its band: in what plotly has, and as elements that are visible."""
    card = watched.cards()[CONVERGENCE]
    assert any("reported 89.83 ± 2.91 % (arXiv:2408.02835)" in text for text in card["texts"])
    lines = [shape for shape in card["shapes"] if shape["type"] == "line"]
    bands = [shape for shape in card["shapes"] if shape["type"] == "rect"]
    assert [line["y0"] for line in lines] == [89.83]
    assert [(round(band["y0"], 2), round(band["y1"], 2)) for band in bands] == [(86.92, 92.74)]
    plot = watched.page.locator(".js-plotly-plot", has_text=CONVERGENCE)
    place = plot.bounding_box()
    assert place is not None
    assert place["y"] + place["height"] < 1000, "it is in view, without scrolling"
    assert plot.locator("text=reported 89.83 ± 2.91 %").first.is_visible()
    drawn = plot.locator(".shapelayer path")
    heights = [box["height"] for box in (path.bounding_box() for path in drawn.all()) if box]
    assert len(heights) == 2
    assert max(heights) > 5, "the band is seen"


def _shows_the_note(watched: Watched) -> None:
    page = watched.page
    page.locator("a[href$='/note']").click()
    page.get_by_text("A small network reads digits.", exact=True).wait_for()
    said = page.locator("body").inner_text()
    assert "State: finished, all 12 trials settled, 96 epochs of training." in said
    assert re.search(r"Result: confirmed, trial \d+: .* on n = 2 fresh seeds", said)
    assert "Reported: 89.83 ± 2.91 % (arXiv:2408.02835)" in said
    assert "hpo launch small.toml" in said
    assert page.locator("table td", has_text="tau_ns").is_visible()

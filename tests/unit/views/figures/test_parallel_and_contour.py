"""Parallel coordinates and contours hold the trials at their places."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go
import pytest
import snapshots

from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.figures import contour, parallel
from hpo.views.figures.plotted import Plotted


def heights(figure: go.Figure, name: str) -> list[float | None]:
    return [y for line in figure.data if line.name == name for y in line.y]


def searched(n: int = 12) -> Result:
    """Trials that are the better the nearer x is to 1, and one that was pruned."""
    search = []
    for number in range(n):
        params = {
            "x": number / (n - 1),
            "k": 8,
            "rate_per_ns": 0.1,
            "colour": "green",
        }
        score = 0.5 + 0.4 * number / (n - 1)
        search.append(
            snapshots.slot(number, SlotState.COMPLETE, score=score, params=params)
        )
    search.append(snapshots.slot(n, SlotState.PRUNED, score=0.99))
    return snapshots.snapshot(snapshots.spec(reported=None), tuple(search))


def test_a_line_passes_the_score_and_every_parameter() -> None:
    plotted = Plotted(searched())
    figure = parallel.coordinates(plotted)
    low, high = plotted.view
    best = [(90.0 - low) / (high - low), 1.0, 1.0, 0.5, 1.0, None]
    assert heights(figure, "best") == pytest.approx(best)
    assert len(heights(figure, "best 5")) == 4 * 6
    assert len(heights(figure, "other trials")) == 7 * 6, "without the pruned one"
    texts = [one.text for one in figure.layout.annotations]
    assert texts[5:11] == ["0", "0.5", "1", "1", "4.5", "8"]
    assert texts[11:] == ["0.001", "0.1", "10", "red", "green"]


def test_a_line_breaks_at_a_parameter_that_its_trial_lacks() -> None:
    study = searched()
    *others, last = study.search[:-1]
    lacking = {name: value for name, value in last.params.items() if name != "k"}
    changed = snapshots.changed(study, search=(*others, replace(last, params=lacking)))
    figure = parallel.coordinates(Plotted(changed), ["k", "x"])
    score, k, x, end = heights(figure, "best")
    assert (k, x, end) == (None, 1.0, None)
    assert score is not None


def test_a_contour_rises_towards_better_trials() -> None:
    surface, trials, best = contour.contour(Plotted(searched()), "x", "colour").data
    assert surface.y == ("red", "green")
    assert (surface.x[0], surface.x[-1]) == (0.0, 1.0)
    upper = surface.z[1]
    assert list(upper) == sorted(upper)
    assert 45 < upper[0] < 60
    assert 80 < upper[-1] < 95
    assert (len(trials.x), best.x, best.y) == (11, (1.0,), ("green",))

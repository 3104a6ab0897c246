"""A map of two parameters: what is in its cells, and how it is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
import snapshots
from workers import toy_spec

from hpo.study.result import Result
from hpo.study.trials import SlotState, Trial
from hpo.views.figures import main, pictures, score_map
from hpo.views.pages import report

NUMBERS = {
    "x": {"low": 0.0, "high": 1.0, "step": 0.5},
    "rate_per_ns": {"low": 0.01, "high": 1.0, "log": True},
}


def measured(protocol: str = "confirm", n_seeds: int = 3, **tables: Any) -> Result:
    """A grid of 3 x 3 points whose last one has no score; it rises with the number."""
    given = {
        "protocol": protocol,
        "pruner": {"name": "none"},
        "confirm": False,
        "budget": {"trials": 9, "seeds": 3},
        "space": NUMBERS,
        "sampler": {"name": "grid", "points": 3},
        **tables,
    }
    study = toy_spec("map", **given)

    def one(number: int) -> Trial:
        scores = [0.5 + 0.05 * number + spread for spread in (-0.04, 0.0, 0.04)]
        members = tuple(
            snapshots.member(i, (), score=score)
            for i, score in enumerate(scores[:n_seeds])
        )
        return snapshots.slot(
            number,
            SlotState.COMPLETE,
            params=study.point(number),
            members=members,
            score=sum(scores[:n_seeds]) / n_seeds,
        )

    trials = [one(number) for number in range(study.budget.trials - 1)]
    return snapshots.snapshot(study, tuple(trials))


def drawn(result: Result) -> go.Figure:
    figure = main.declared_figure(result)
    assert figure is not None
    return figure


def test_a_cell_has_the_mean_of_its_networks_and_half_the_interval() -> None:
    own = score_map.score_map(measured())
    assert own is not None
    assert own.names == ("rate_per_ns", "x")
    cell = own.cells[0.1, 0.5]
    assert (cell.trial.number, cell.estimate.mean) == (4, pytest.approx(0.7))
    assert cell.half == pytest.approx(4.302653 * 0.04 / 3**0.5), "t of 2 degrees"
    assert (1.0, 1.0) not in own.cells


def test_rings_are_points_that_a_test_does_not_tell_from_the_best() -> None:
    own = score_map.score_map(measured())
    assert own is not None
    level = [cell.trial.number for cell in own.cells.values() if cell.level]
    assert level == [6, 7], "0.85 is best; 0.75 has p = 0.04, 0.8 has 0.2"


def test_scores_have_contours_and_a_search_has_a_star() -> None:
    heat, lines, rings, halves = drawn(measured()).data
    assert heat.z[0] == pytest.approx([50.0, 65.0, 80.0])
    assert heat.z[2][:2] == pytest.approx([60.0, 75.0])
    assert heat.z[2][2] is None
    assert (lines.type, [*lines.z]) == ("contour", [*heat.z])
    assert (rings.name, len(rings.x)) == (score_map.LEVEL, 2)
    assert halves.colorbar.title.text == "half of the 95 % interval (points)"
    star = drawn(measured("validation")).data[3]
    assert (star.x, star.y, star.name) == ((1.0,), (0.5,), "best")


def test_one_network_has_no_interval_and_names_have_no_contours() -> None:
    names = {"x": NUMBERS["x"], "colour": {"choices": ["red", "green"]}}
    tables = {"space": names, "budget": {"trials": 6, "seeds": 1}}
    sampler = {"name": "grid"}
    figure = drawn(measured(n_seeds=1, sampler=sampler, **tables))
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter"]
    (axes, bar) = pictures.drawn(figure).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["red", "green"]
    assert bar.get_ylabel() == "accuracy (%)"


def test_a_picture_has_cells_between_the_middles_of_a_log_axis(tmp_path: Path) -> None:
    scores, halves, *_ = pictures.drawn(drawn(measured())).axes
    assert scores.get_xscale() == "log"
    corners = scores.collections[0].get_coordinates()
    at = 10**-2.5, 10**-1.5, 10**-0.5, 10**0.5
    assert [*corners[0, :, 0]] == pytest.approx(at)
    assert [*corners[:, 0, 1]] == pytest.approx([-0.25, 0.25, 0.75, 1.25])
    assert halves.get_xlabel() == "rate_per_ns (1/ns)"
    one, two = (
        pictures.write(drawn(measured()), tmp_path / f"{name}.svg") for name in "ab"
    )
    assert one.read_bytes() == two.read_bytes()


def test_a_declared_map_has_its_axes_and_labels() -> None:
    figure = {"kind": "map", "x": "x", "y_label": "rate", "title": "Two of them"}
    result = measured(figure=figure)
    assert drawn(result).layout.yaxis.title.text == "rate"
    page = report.html(result)
    assert "Two of them</h2>" in page
    assert "1 point without a score is blank." in page


def test_equal_scores_are_drawn_without_contours() -> None:
    result = measured()
    same = tuple(
        replace(trial, members=result.search[0].members, score=0.5)
        for trial in result.search
    )
    changed = snapshots.changed(result, search=same)
    assert pictures.drawn(drawn(changed)).axes[0].collections

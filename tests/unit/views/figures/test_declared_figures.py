from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import snapshots
from snapshots import member, slot, snapshot

from hpo.contract import Protocol
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, Trial
from hpo.views.figures import declared, pictures
from hpo.views.pages import report as report_page

SCORES = (0.5, 0.7, 0.8)


CURVES = (
    {"label": "k = 2", "x": "x", "values": [0.01, 0.1, 1.0], "fixed": {"k": 2}},
    {"label": "k = 5", "x": "x", "values": [0.01, 0.1, 1.0], "fixed": {"k": 5}},
)
NAMES = ({"label": "_names $", "x": "colour", "values": ["red", "green"]},)


def sweep_spec(curves: Sequence[dict[str, Any]] = CURVES, **figure: Any) -> StudySpec:
    raw: dict[str, Any] = {
        "name": "sweep",
        "objective": "toy_objective:ToyObjective",
        "budget": {"seeds": 3},
        "sweep": {"curves": list(curves)},
        "figure": {"kind": "curves", **figure},
    }
    return validate(raw, where="test")


def measured(study: StudySpec, count: int, shift: float = 0.0) -> StudySnapshot:
    """The first ``count`` trials; the networks of trial k score 0.5, 0.7, 0.8 plus k /
    100."""

    def one(number: int) -> Trial:
        members = tuple(
            replace(
                member(i, (), score=score + number / 100 + shift),
                info={"drive": 0.5 * 2**number},
            )
            for i, score in enumerate(SCORES)
        )
        params = (
            study.point(number) if study.sweep else {"x": 0.1 * (number + 1), "k": 4}
        )
        return slot(
            number, SlotState.COMPLETE, params=params, members=members, score=0.6
        )

    return snapshot(study, tuple(one(number) for number in range(count)))


def test_medians_and_quartiles_curve_by_curve() -> None:
    chart = declared.chart(measured(sweep_spec(log_x=True, marks=[0.3]), 5))
    assert [group.label for group in chart.groups] == ["k = 2", "k = 5"]
    assert [[p.x for p in group.points] for group in chart.groups] == [
        [0.01, 0.1, 1.0],
        [0.01, 0.1],
    ]
    point = chart.groups[1].points[1]
    assert (point.low, point.median, point.high) == pytest.approx((64.0, 74.0, 79.0))
    assert (len(point.trial.members), chart.log_x, chart.marks) == (3, True, (0.3,))
    assert (chart.x_label, chart.y_label) == ("x", "accuracy (%)")


def test_a_curve_runs_along_the_axis_whatever_the_order_of_its_values() -> None:
    study = sweep_spec([{"label": "a", "x": "x", "values": [0.5, 0.1, 1.0]}])
    chart = declared.chart(measured(study, 3))
    assert [(p.x, p.trial.number) for p in chart.groups[0].points] == [
        (0.1, 1),
        (0.5, 0),
        (1.0, 2),
    ]
    page = report_page.html(measured(study, 3))
    assert page.index("trial 0</th>") < page.index("trial 1</th>"), (
        "a table in order of the file"
    )


def test_names_have_no_logarithm_and_no_marks(tmp_path: Path) -> None:
    chart = declared.chart(measured(sweep_spec(NAMES, log_x=True, marks=[1]), 2))
    assert ([p.x for p in chart.groups[0].points], chart.log_x, chart.marks) == (
        ["red", "green"],
        False,
        (),
    )
    both = measured(sweep_spec([*CURVES[:1], {**CURVES[1], "label": "_hid $"}]), 6)
    drawn = declared.chart(both)
    picture = pictures.write(declared.figure(drawn), tmp_path / "a.svg")
    assert "_hid" in picture.read_text()


def test_curves_over_names_and_over_numbers_share_an_axis_of_names() -> None:
    curves = [
        {**NAMES[0], "fixed": {"k": 2}},
        {"label": "k", "x": "k", "values": [2, 5]},
    ]
    curves[1]["fixed"] = {"colour": "red"}
    chart = declared.chart(measured(sweep_spec(curves), 4))
    assert [[p.x for p in group.points] for group in chart.groups] == [
        ["red", "green"],
        ["2", "5"],
    ]


def test_an_overlay_that_does_not_fit_the_axes_is_left_out_and_named() -> None:
    study = measured(sweep_spec(overlay=["names", "empty", "same", "none"]), 6)
    spec = sweep_spec(NAMES).model_copy(update={"name": "names"})
    empty, same = (
        sweep_spec().model_copy(update={"name": n}) for n in ("empty", "same")
    )
    others = [measured(spec, 2), measured(empty, 0), measured(same, 6)]
    chart = declared.chart(study, others)
    assert [other.name for other in chart.others] == ["same"]
    assert [group.label for group in chart.groups] == ["k = 2", "k = 5"] * 2
    page = report_page.html(study, others)
    missing = "Missing studies, or without points on these axes: empty, names, none."
    assert f"Overlaid studies: same. {missing}" in page
    validated = same.model_copy(update={"protocol": Protocol.VALIDATION})
    page = report_page.html(study, [measured(validated, 6)])
    assert "Overlaid studies: same (validation)." in page


def scatter_spec(**figure: Any) -> StudySpec:
    raw: dict[str, Any] = {
        "name": "broad",
        "objective": "toy_objective:ToyObjective",
        "protocol": "confirm",
        "budget": {"trials": 6, "seeds": 3},
        "fixed": {"rate_per_ns": 0.35},
        "space": {"x": {"low": 0.0, "high": 1.0}, "k": {"low": 1, "high": 8}},
        "sampler": {"name": "random"},
        "figure": {
            "kind": "scatter",
            "x": "info.drive",
            "log_x": True,
            "colour": "x < rate_per_ns",
            "colour_labels": ["slow", "fast"],
            "marks": [1.0],
            **figure,
        },
    }
    return validate(raw, where="test")


def test_scatter_takes_x_from_what_was_measured_and_its_colour_from_a_rule() -> None:
    chart = declared.chart(measured(scatter_spec(), 6))
    slow, fast = chart.groups
    assert (slow.label, [p.x for p in slow.points]) == ("slow", [0.5, 1.0, 2.0])
    assert (fast.label, [p.x for p in fast.points]) == ("fast", [4.0, 8.0, 16.0])
    named = declared.chart(measured(scatter_spec(x="colour"), 6))
    assert [[p.x for p in group.points] for group in named.groups] == [
        ["red"] * 3,
        ["red"] * 3,
    ]


@pytest.mark.parametrize("study", [sweep_spec(log_x=True, marks=[0.3]), scatter_spec()])
def test_drawn_interactively_and_for_a_paper_it_shows_the_same(
    study: StudySpec, tmp_path: Path
) -> None:
    chart = declared.chart(measured(study, 6))
    drawn = {
        t.name: list(t.y) for t in declared.figure(chart).data if "markers" in t.mode
    }
    assert drawn == {g.label: [p.median for p in g.points] for g in chart.groups}
    (axes,) = pictures.drawn(declared.figure(chart)).axes
    curves = {c.get_label(): list(c[0].get_ydata()) for c in axes.containers}
    assert curves == drawn


REFERENCES = [
    {
        "label": "paper <a> $",
        "x": [0.1, 1.0],
        "y": [0.8983, 0.9],
        "std": [0.0291, 0.03],
    },
    {"label": "window", "window": [0.04, 0.5]},
    {"label": "place", "mark": 10.0},
]


def test_references_stand_beside_what_was_measured_in_every_drawing() -> None:
    study = measured(sweep_spec(CURVES[:1], log_x=True, reference=REFERENCES), 3)
    chart = declared.chart(study)
    values = chart.references[0]
    assert (values.y, values.std) == (
        pytest.approx((89.83, 90)),
        pytest.approx((2.91, 3)),
    )
    drawn = declared.figure(chart)
    trace = drawn.data[-1]
    assert (trace.name, list(trace.x), list(trace.y)) == (
        "paper &lt;a&gt; $",
        [0.1, 1.0],
        [*values.y],
    )
    assert (list(trace.error_y.array), trace.marker.color) == ([*values.std], "white")
    shapes = [(s.name, s.type, s.x0, s.x1, s.showlegend) for s in drawn.layout.shapes]
    assert shapes == [
        ("window", "rect", 0.04, 0.5, True),
        ("place", "line", 10, 10, True),
    ]
    (axes,) = pictures.drawn(drawn).axes
    assert axes.get_xlim()[1] > 10
    labels = axes.get_legend_handles_labels()[1]
    assert {*labels} == {"k = 2", "window", "place", r"paper <a> \$"}
    note = "Published values, in grey: paper &lt;a&gt; $, window, place."
    assert note in report_page.html(study)


def test_references_of_an_overlay_are_drawn_where_the_axis_is_theirs() -> None:
    other = sweep_spec(CURVES[:1], reference=REFERENCES).model_copy(
        update={"name": "other"}
    )
    others = [measured(other, 3)]
    study = measured(sweep_spec(reference=REFERENCES[1:2]), 6)
    labels = [reference.label for reference in declared.chart(study, others).references]
    assert labels == ["window", "paper <a> $", "place"], "and once"
    assert declared.chart(measured(scatter_spec(), 6), others).references == ()
    below = sweep_spec(CURVES[:1], reference=[{"label": "below", "mark": 0.0}])
    assert not declared.chart(
        measured(sweep_spec(log_x=True), 6), [measured(below, 3)]
    ).log_x
    assert len(declared.chart(measured(scatter_spec(x="x"), 6), others).references) == 3


def test_what_is_not_finite_has_no_place() -> None:
    study = scatter_spec()
    shown = measured(study, 1)
    lost = replace(shown.search[0].members[0], info={"drive": math.inf})
    first = replace(shown.search[0], members=(lost,))
    chart = declared.chart(snapshots.changed(shown, search=(first,)))
    assert chart.groups == ()
    page = report_page.html(snapshots.changed(shown, search=(first,)))
    assert "1 complete trials have no value on the x axis." in page

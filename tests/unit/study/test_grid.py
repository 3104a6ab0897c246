"""A grid: its points, in their order, under both protocols."""

from __future__ import annotations

from typing import Any

import pytest
from workers import toy_spec

from hpo.search import space, suggest
from hpo.study.spec import StudyKind, StudySpec

SPACE = {
    "x": {"low": 0.0, "high": 0.3, "step": 0.1},
    "rate_per_ns": {"low": 0.01, "high": 1.0, "log": True},
    "k": {"low": 2, "high": 4},
    "colour": {"choices": ["red", "green"]},
}


def spec(points: Any = 3, **changes: Any) -> StudySpec:
    """A grid of 4 x 3 x 3 x 2 points."""
    tables = {
        "budget": {"trials": 72},
        "space": SPACE,
        "sampler": {"name": "grid", "points": points},
    }
    return toy_spec("map", **{**tables, **changes})


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [("confirm", StudyKind.SWEEP), ("validation", StudyKind.SEARCH)],
)
def test_trials_are_all_combinations_and_need_no_history(
    protocol: str, kind: StudyKind
) -> None:
    study = spec(protocol=protocol, confirm=False, pruner={"name": "none"})
    assert study.kind == kind
    points = [suggest.suggest(study, number, []).params for number in range(72)]
    assert len({tuple(point.items()) for point in points}) == 72
    assert points[0] == {"colour": "red", "k": 2, "rate_per_ns": 0.01, "x": 0.0}
    assert points[1] == {**points[0], "x": 0.1}, "the last parameter varies first"
    assert points[71] == {"colour": "green", "k": 4, "rate_per_ns": 1.0, "x": 0.3}
    assert all(space.contains(study, point, whole=True) for point in points)


def test_points_are_evenly_spaced_on_the_axis_of_a_range() -> None:
    assert spec().grid == {
        "colour": ["red", "green"],
        "k": [2, 3, 4],
        "rate_per_ns": [0.01, 0.1, 1.0],
        "x": [0.0, 0.1, 0.2, 0.3],
    }
    own = spec({"rate_per_ns": 4, "k": 2}, budget={"trials": 64}).grid
    assert own["rate_per_ns"] == [0.01, 0.0464159, 0.215443, 1.0]
    assert own["k"] == [2, 4]

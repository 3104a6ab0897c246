"""``[warm_start]``: its words, and the trials that begin with it."""

from __future__ import annotations

from typing import Any

import pytest
from searches import searched
from workers import toy_spec

from hpo.study.spec import StudySpec
from hpo.study.trials import Past

POINTS = [
    {"x": 0.25, "k": 5, "rate_per_ns": 0.1, "colour": "green"},
    {"x": 0.5, "k": 2, "rate_per_ns": 1, "colour": "red"},
    {"k": 7},
]


def search(spec: StudySpec, count: int) -> list[Past]:
    """Trials that are better the nearer x is to 0.3."""
    return searched(spec, count, lambda params: 1.0 - abs(params["x"] - 0.3))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", "gp", "kriging-believer"])
def test_the_first_trials_get_the_points_and_the_sampler_goes_on(sampler: str) -> None:
    tables: dict[str, Any] = {"sampler": {"name": sampler}}
    if sampler == "cmaes":  # which takes no choices
        space = toy_spec().stored()["space"]
        tables["space"] = {name: space[name] for name in ("x", "k", "rate_per_ns")}
    keys = toy_spec(**tables).space
    points = [{k: v for k, v in point.items() if k in keys} for point in POINTS]
    spec = toy_spec(**tables, warm_start={"points": points})
    count = 14
    trials = [trial.suggestion.params for trial in search(spec, count)]
    for told, params in zip(points, trials, strict=False):
        assert {name: params[name] for name in told} == told
    assert trials[1]["rate_per_ns"] == 1.0
    assert type(trials[1]["rate_per_ns"]) is float, "a float where the objective takes one"
    assert trials[2].keys() == set(keys), "the sampler draws what a point leaves out"
    assert trials[3]["x"] not in (0.25, 0.5)

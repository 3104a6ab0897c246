"""Suggestions in spaces of which trials lack some, by every sampler that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution
from searches import searched

from hpo.search.comparison import extrapolate
from hpo.search.constraints import make_filter
from hpo.search.options import check as check_options
from hpo.search.space import Cube, distributions
from hpo.search.suggest import make_sampler, suggest
from hpo.study import file
from hpo.study.spec import StudySpec

SAMPLERS: list[dict[str, Any]] = [
    {"name": "random"},
    {"name": "qmc", "scramble": True},
    {"name": "tpe", "n_startup_trials": 6},
    {"name": "tpe", "n_startup_trials": 6, "multivariate": True},
    {"name": "tpe", "n_startup_trials": 6, "multivariate": True, "group": True},
    {"name": "kriging-believer", "n_startup_trials": 6},
]
SPACE: dict[str, Any] = {
    "readout": {"choices": ["x", "y"]},
    "layers": {"low": 1, "high": 3},
    "tau_ns": {"low": 1.0, "high": 10.0, "per_layer": True},
    "f_cut_per_ns": {"low": 0.01, "high": 1.0, "log": True, "when": {"readout": "y"}},
}
N = 20


def spec(sampler: dict[str, Any], **tables: Any) -> StudySpec:
    raw: dict[str, Any] = {"name": "s", "objective": "spintronic", "space": SPACE}
    raw |= {
        "budget": {"trials": 30, "window": 3},
        "sampler": sampler,
        "fixed": {"width": 4},
    }
    return file.validate({**raw, **tables}, where="s.toml")


def score(params: Mapping[str, Any]) -> float:
    """Best of two layers, the second one slow, with a filter of 0.1/ns."""
    lost = abs(params["layers"] - 2) + abs(params.get("tau_ns.1", 1.0) - 8.0) / 10
    return float(
        0.9 - 0.1 * lost - 0.1 * abs(np.log10(params.get("f_cut_per_ns", 10.0)) + 1)
    )


@pytest.mark.parametrize(
    "sampler", SAMPLERS, ids=lambda s: "-".join(map(str, s.values()))
)
def test_a_trial_has_what_its_conditions_say_and_nothing_else(
    sampler: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    own = spec(sampler)
    check_options(own, "s.toml")
    trials = searched(own, N, score)
    space = distributions(own)
    seen = set()
    for trial in trials:
        params = dict(trial.suggestion.params)
        wanted = {
            "readout",
            "layers",
            *(f"tau_ns.{k}" for k in range(params["layers"])),
        }
        wanted |= {"f_cut_per_ns"} if params["readout"] == "y" else set()
        assert params.keys() == wanted
        assert all(
            space[n]._contains(space[n].to_internal_repr(v)) for n, v in params.items()
        )
        assert len(own.params(params).model_dump()["tau_ns"]) == params["layers"]
        seen.add(frozenset(wanted))
    assert len(seen) > 3
    assert suggest(own, N - 1, trials[: N - 1]) == trials[-1].suggestion
    afresh = [replace(t, suggestion=replace(t.suggestion)) for t in trials[: N - 1]]
    assert suggest(own, N - 1, afresh) == trials[-1].suggestion, (
        "nothing is remembered of them"
    )
    assert not caplog.records


@pytest.mark.parametrize(
    "sampler", SAMPLERS[2:], ids=lambda s: "-".join(map(str, s.values()))
)
def test_those_that_learn_find_the_branch_that_is_best(sampler: dict[str, Any]) -> None:
    late = [
        dict(trial.suggestion.params)
        for trial in searched(spec(sampler), 30, score)[18:]
    ]
    best = [p for p in late if (p["layers"], p["readout"]) == (2, "y")]
    assert len(best) >= 6, "a sixth of all, by chance"


@pytest.mark.parametrize(
    "sampler", SAMPLERS, ids=lambda s: "-".join(map(str, s.values()))
)
def test_what_is_given_decides_what_there_is(sampler: dict[str, Any]) -> None:
    points = [
        {"layers": 1, "tau_ns": 5.0},
        {"layers": 3, "tau_ns": [2.0, 3.0, 4.0], "readout": "x"},
    ]
    own = spec(sampler, warm_start={"points": points})
    first, second = (
        dict(suggest(own, k, searched(own, k, score)).params) for k in range(2)
    )
    assert first.keys() - {"readout", "f_cut_per_ns"} == {"layers", "tau_ns.0"}
    assert (first["layers"], first["tau_ns.0"]) == (1, 5.0)
    taus = {"tau_ns.0": 2.0, "tau_ns.1": 3.0, "tau_ns.2": 4.0}
    assert second == {"layers": 3, "readout": "x", **taus}
    told = suggest(
        own, 12, searched(own, 12, score), {"layers": 2, "tau_ns.1": 9.0}
    ).params
    assert (told["layers"], told["tau_ns.1"]) == (2, 9.0)
    assert {"tau_ns.0", "tau_ns.1"} < told.keys()
    assert "tau_ns.2" not in told


def test_without_conditions_the_space_is_in_order_of_names_and_asked_for_at_once() -> (
    None
):
    """As Optuna's ``ask`` does: stored studies go on as they began."""
    plain = {"lr0": {"low": 0.1, "high": 1.0}, "layers": {"low": 2, "high": 3}}
    own = spec(
        {"name": "random"}, space={**plain, "batch_size": {"low": 20, "high": 240}}
    )
    assert list(distributions(own)) == ["batch_size", "layers", "lr0"]
    is_feasible = make_filter(own, {})
    sampler = make_sampler(own, 4, extrapolate(own, []), 0, is_feasible)
    study = optuna.create_study(sampler=sampler)
    wanted = study.ask(dict[str, BaseDistribution](distributions(own))).params
    assert suggest(own, 4, []).params == wanted


def test_what_a_trial_lacks_is_at_the_centre() -> None:
    """As near to one value as to any other, and no distance between trials that lack
    it."""
    own = spec({"name": "kriging-believer"})
    cube = Cube(distributions(own), own.present)
    shallow = {"layers": 1, "readout": "x", "tau_ns.0": 5.5}
    names = ["layers", "readout0", "readout1", "t0", "f", "t1", "t2"]
    columns = dict(zip(names, cube.point(shallow), strict=True))
    assert (columns["f"], columns["t1"], columns["t2"]) == (0.5, 0.5, 0.5)
    assert cube.params(cube.point(shallow)) == shallow
    chance = np.random.default_rng(0)
    for point in [
        *cube.random(50, chance),
        *cube.near(cube.point(shallow), 0.2, 50, chance),
    ]:
        params = cube.params(point)
        assert params == own.present(params)
        assert np.allclose(cube.point(params), point, atol=6e-4)
        free = [
            name
            for name, is_free in zip(columns, cube.free(point), strict=True)
            if is_free
        ]
        assert ("t2" in free) == (params["layers"] == 3)
        assert ("f" in free) == (params["readout"] == "y")
        assert "layers" not in free

"""The sampler ``kriging-believer``: its space, what it suggests, and what it
expects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from searches import (
    ended,
    reported,
    searched,
)
from workers import toy_spec

from hpo.search import surrogate
from hpo.search.gaussian_process import fit
from hpo.search.options import check
from hpo.search.space import Cube
from hpo.search.suggest import suggest
from hpo.search.surrogate import KNOWN, predict_scores
from hpo.statistics.intervals import sampling_error
from hpo.study.ask_and_tell import add_sd
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

SPACE = {
    "colour": CategoricalDistribution(("red", "green", "blue")),
    "layers": IntDistribution(1, 4),
    "lr0": FloatDistribution(1e-4, 1.0, log=True),
    "share": FloatDistribution(0.0, 1.0),
    "size": IntDistribution(60, 240, log=True),
    "step": FloatDistribution(0.5, 2.0, step=0.25),
}


def believer(**tables: Any) -> StudySpec:
    return toy_spec(sampler={"name": "kriging-believer"}, **tables)


def ours(spec: StudySpec, count: int, sign: float = 1.0) -> list[Past]:
    """The best is at x = 0.7, whatever the colour, but not red; with some noise."""
    chance = np.random.default_rng(0)

    def score(params: Mapping[str, Any]) -> float:
        best = (
            0.9
            - 2.0 * abs(float(params["x"]) - 0.7)
            - 0.3 * (params["colour"] == "red")
        )
        return sign * (best + 0.01 * float(chance.normal()))

    return searched(spec, count, score)


@pytest.mark.parametrize("name", sorted(SPACE))
def test_a_parameter_comes_back_from_the_cube(name: str) -> None:
    cube = Cube({name: SPACE[name]})
    chance = np.random.default_rng(1)
    for point in cube.random(200, chance):
        params = cube.params(point)
        assert SPACE[name]._contains(SPACE[name].to_internal_repr(params[name]))
        again = cube.point(params)
        assert cube.params(again) == params
        assert np.abs(again - point).max() < 0.01, "where it was drawn"


def test_points_near_another_keep_to_the_values_that_there_are() -> None:
    cube = Cube(SPACE)
    chance = np.random.default_rng(1)
    point = cube.random(1, chance)[0]
    near = cube.near(point, 0.05, 300, chance)
    assert {cube.params(p)["layers"] for p in near} == {1, 2, 3, 4}
    assert {cube.params(p)["step"] for p in near} <= set(np.arange(0.5, 2.01, 0.25))
    moved = np.abs(near - point)[:, cube.free(point)]
    assert 0.3 < (moved > 0).mean() < 0.7
    assert moved.max() < 0.25
    two = cube.point({**cube.params(point), "colour": "red"})
    assert np.linalg.norm(
        two - cube.point({**cube.params(two), "colour": "blue"})
    ) == pytest.approx(1.0)


def test_it_finds_the_best_and_stays_there() -> None:
    trials = ours(believer(budget={"window": 4, "trials": 60}), 36)
    late = [trial.suggestion.params for trial in trials[24:]]
    near = [abs(float(p["x"]) - 0.7) < 0.1 and p["colour"] != "red" for p in late]
    assert sum(near) >= 8, late


def test_trials_on_their_way_are_believed() -> None:
    """Asked for the next trial with others running, it looks elsewhere: near the best,
    not random.

    Four asked for at once without that would be one and the same.
    """
    spec = believer(budget={"window": 8, "trials": 60})
    trials = ours(spec, 31)
    running = [Past(suggestion=trial.suggestion) for trial in trials[24:]]
    trials = [*trials[:24], *running]
    found = [suggest(spec, number, trials[:number]).params for number in range(26, 32)]
    assert len({str(params) for params in found}) == len(found)
    x = [float(params["x"]) for params in found]
    assert np.median(np.abs(np.array(x) - 0.7)) < 0.15


def test_it_learns_from_trials_that_were_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scores that are less certain: where curves were hopeless, it does not go
    again."""
    spec = believer(
        pruner={"name": "median"}, budget={"window": 1, "epochs": 10, "trials": 60}
    )
    trials = []
    for past in ours(spec, 16):
        score = past.score or 0.0
        bad = float(past.suggestion.params["x"]) < 0.5
        state = SlotState.PRUNED if bad else SlotState.COMPLETE
        scores = [score - 0.4 * (1 - (k + 1) / 10) for k in range(2 if bad else 10)]
        steps = reported(*scores)
        trials.append(replace(past, state=state, steps=steps, score=scores[-1]))
    told: list[Any] = []

    def fitted(x: Any, y: Any, vague: Any, *others: Any) -> Any:
        told.extend(vague)
        return fit(x, y, vague, *others)

    monkeypatch.setattr(surrogate, "fit", fitted)
    assert float(suggest(spec, 16, trials).params["x"]) > 0.5
    assert told == [math.log(10 / len(trial.steps)) for trial in trials]
    assert len(set(told)) == 2


@pytest.mark.parametrize("name", ["kriging-believer", "gp", "tpe", "cmaes", "nsga2"])
def test_one_score_beyond_all_others_leads_nobody_into_corners(name: str) -> None:
    """A loss is minimized; one trial of those before is said to be endlessly good, or
    bad."""
    space = {"x": {"low": 0.0, "high": 1.0}, "rate_per_ns": {"low": 0.01, "high": 10.0}}
    tables = {
        "budget": {"window": 1, "trials": 40, "seeds": 1},
        "confirm": None,
        "pruner": None,
    }
    loss = {"objective": "toy_objective:ToyLossObjective", "sampler": {"name": name}}
    spec = toy_spec(space=space, **tables, **loss)

    def score(params: Mapping[str, Any]) -> float:
        return float(
            (params["x"] - 0.7) ** 2 + 0.02 * (params["rate_per_ns"] - 3.0) ** 2
        )

    before = searched(spec, 16, score)
    for wild in (-1e99, 1e99):
        trials = [
            *before[:3],
            replace(before[3], score=wild, steps=reported(wild)),
            *before[4:],
        ]
        for number in range(16, 28):
            asked = suggest(spec, number, trials)
            own = score(asked.params)
            trials.append(
                replace(before[0], suggestion=asked, score=own, steps=reported(own))
            )
        places = [{*trial.suggestion.params.values()} for trial in trials[16:]]
        corners = sum(place <= {0.0, 1.0, 0.01, 10.0} for place in places)
        assert corners <= 3
        assert min(trial.score or 1.0 for trial in trials[16:]) < 0.04


def test_an_exact_value_is_followed_over_decades() -> None:
    """Whatever the least value is: without scatter, and beside scores a million times
    as far from it."""
    space = {"x": {"low": 0.0, "high": 1.0}, "rate_per_ns": {"low": 0.1, "high": 9.0}}
    loss = {"objective": "toy_objective:ToyLossObjective", "confirm": None}
    tables = {"budget": {"window": 1, "trials": 60, "seeds": 1}, "pruner": None}
    spec = believer(space=space, **loss, **tables)

    def score(params: Mapping[str, Any]) -> float:
        return float(
            80.0
            + 100.0 * (params["x"] - 1.0 / 3.0) ** 2
            + (params["rate_per_ns"] - 10.0 / 3.0) ** 2
        )

    least = min(trial.score or math.inf for trial in searched(spec, 50, score))
    assert least - 80.0 < 1e-4


def test_every_eighth_trial_is_drawn_at_random() -> None:
    """Whatever scores say: ten poor trials led searches into corners, where they
    stayed."""
    up = searched(believer(), 18, lambda params: params["x"])
    down = searched(believer(), 18, lambda params: 1.0 - params["x"])
    same = [n for n in range(18) if up[n].suggestion == down[n].suggestion]
    assert same == [*range(10), 15]


def test_no_point_is_suggested_twice_while_others_are_left() -> None:
    """Its networks would begin from the same seeds: the same curve again."""
    space = {"k": {"low": 1, "high": 8}, "colour": {"choices": ["red", "green"]}}
    spec = believer(space=space, budget={"window": 1, "trials": 60})
    trials = searched(spec, 16, lambda params: 0.1 * params["k"])
    late = {str(trial.suggestion.params) for trial in trials[10:]}
    assert len(late) == 6
    assert not late & {str(trial.suggestion.params) for trial in trials[:10]}


def test_nor_where_the_best_is_a_corner() -> None:
    rate = {"low": 0.1, "high": 10.0, "log": True}
    space = {
        "x": {"low": 0.0, "high": 1.0},
        "rate_per_ns": rate,
        "colour": {"choices": ["red"]},
    }
    spec = believer(space=space, budget={"window": 1, "trials": 60})
    check(spec, "f.toml")
    trials = searched(spec, 24, lambda params: params["x"] + params["rate_per_ns"])
    assert len({str(trial.suggestion.params) for trial in trials}) == 24


# --- what is expected of configurations: not that of the luckiest network ---


def asking(**tables: Any) -> StudySpec:
    table = {
        "sampler": {"name": "kriging-believer"},
        "confirm": {"top": 1, "by": "posterior_mean"},
    }
    return toy_spec(**{"pruner": {"name": "none"}, **table, **tables})


def truth(x: float) -> float:
    return 0.8 - 2.0 * (x - 0.7) ** 2


def trained(x: float, score: float) -> Past:
    return ended(*(score,) * 6, x=x)


def noisy(n: int) -> list[Past]:
    chance = np.random.default_rng(5)
    places = chance.random(n)
    return [trained(float(x), truth(x) + 0.02 * chance.normal()) for x in places]


def test_the_luckiest_score_is_not_the_best_configuration() -> None:
    trials = [*noisy(40), trained(0.35, 0.95)]
    found = predict_scores(asking(), trials)
    assert sorted(found) == list(range(41))
    best = max(found, key=lambda number: found[number].mean)
    at = float(trials[best].suggestion.params["x"])
    assert best != 40
    assert abs(at - 0.7) < 0.1
    assert found[best].mean == pytest.approx(truth(at), abs=0.04)
    assert found[40].mean < 0.7, "its neighbours score 0.56"
    assert all(0.0 < known.std < 0.2 for known in found.values())


def test_only_complete_trials_are_candidates_and_all_of_them() -> None:
    trials = noisy(KNOWN + 30)
    trials[1] = replace(trials[1], state=SlotState.PRUNED, steps=trials[1].steps[:3])
    trials[2] = replace(
        trials[2], state=SlotState.RUNNING, score=None, steps=reported(0.5)
    )
    trials[3] = replace(trials[3], state=SlotState.FAILED, score=None, steps=())
    trials[4] = replace(trials[4], state=SlotState.EXCLUDED)
    found = predict_scores(asking(pruner={"name": "median"}), trials)
    assert sorted(set(range(len(trials))) - set(found)) == [1, 2, 3, 4]


def test_the_choice_of_scored_examples_counts_for_accuracies_alone() -> None:
    trials = noisy(40)
    without, with_269 = (
        predict_scores(asking(), trials),
        predict_scores(asking(), trials, 269),
    )
    for number, known in without.items():
        assert with_269[number].mean == known.mean
        sampling = sampling_error(known.mean, 269)
        assert with_269[number].std == pytest.approx(math.hypot(known.std, sampling))
    errors = asking(objective="toy_objective:ToyLossObjective")
    found = predict_scores(errors, trials)
    assert predict_scores(errors, trials, 269) == found
    assert all(abs(found[k].mean - trial.score) < 0.1 for k, trial in enumerate(trials))


def test_of_one_trial_its_own_score_is_expected_and_of_none_nothing() -> None:
    assert predict_scores(asking(), [trained(0.5, 0.6)])[0].mean == pytest.approx(
        0.6, abs=0.01
    )
    assert predict_scores(asking(), []) == {}


def test_a_lucky_value_of_large_deviation_is_not_believed() -> None:
    """At x = 0.05, where the truth is -0.4, somebody measures 1.0 once."""
    spec = believer(budget={"window": 1, "trials": 60})
    trials = ours(spec, 16)
    params = {**trials[3].suggestion.params, "x": 0.05}
    expected = {}
    for sd in (None, 3.0):
        own = Suggestion(params=params, attrs=add_sd({}, sd))
        lucky = replace(trials[3], suggestion=own, score=1.0, steps=())
        told = [*trials[:3], lucky, *trials[4:]]
        expected[sd] = predict_scores(spec, told)[3].mean
    assert expected[3.0] < 0.5 < expected[None]

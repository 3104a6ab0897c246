"""The sampler and pruner ``curve-gp``, and the model of learning curves that they ask."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from workers import toy_spec

from hpo.search import seeds
from hpo.search.curve_model import CurveModel, Curves, fit, loss
from hpo.search.pruning import EndedError, TrialProgress
from hpo.search.suggest import suggest
from hpo.study.effort import rungs
from hpo.study.spec import StudySpec
from hpo.study.trials import STANDARD_ERROR, Past, SlotState, Suggestion, superseded

EPOCHS = 40


def curve_spec(**tables: Any) -> StudySpec:
    raw = {
        "sampler": {"name": "curve-gp"},
        "pruner": {"name": "curve-gp"},
        "budget": {"trials": 200, "window": 4, "members": 1, "epochs": EPOCHS},
        **tables,
    }
    return toy_spec(**raw)


def network(params: Any, seed: int) -> list[float]:
    """A made-up curve: best at x = 0.7 and colour green; small rates learn late."""
    chance = np.random.default_rng(seed)
    end = 0.95 - 1.2 * (params["x"] - 0.7) ** 2 - 0.1 * (params["colour"] == "red")
    late = 1.0 + 10.0 * (math.log10(10.0 / params["rate_per_ns"]) / 4.0)
    epochs = np.arange(1, EPOCHS + 1)
    curve = 0.1 + (end - 0.1) * (1.0 - np.exp(-epochs / late)) + 0.015 * chance.normal()
    return [float(score) for score in np.clip(curve, 0.0, 1.0)]


def search(
    spec: StudySpec, count: int, train: Callable[[Any, int], list[float]] = network
) -> list[Past]:
    """The service's own decisions, without the service."""
    trials: list[Past] = []
    for _ in range(count):
        trials.append(run(spec, trials, train))
    return trials


def run(spec: StudySpec, trials: list[Past], train: Callable[[Any, int], list[float]]) -> Past:
    number = len(trials)
    own = suggest(spec, number, trials)
    course = TrialProgress(spec, number, trials, own)
    curve = train(own.params, seeds.of_network(spec, number, 0))
    try:
        for score in curve:
            course.epoch(0, score)
        course.networks(curve[-1:])
        state, value = SlotState.COMPLETE, course.score(curve[-1:])
    except EndedError:
        state, value = SlotState.PRUNED, course.early_score([])
    return Past(suggestion=own, state=state, score=value, steps=tuple(course.steps))


@pytest.fixture(scope="module")
def trials() -> list[Past]:
    return search(curve_spec(), 60)


def some_curves(n: int = 12) -> Curves:
    chance = np.random.default_rng(0)
    reached = chance.integers(1, 4, n)
    return Curves(
        x=np.column_stack([chance.random((n, 2)), chance.integers(0, 3, n)]),
        kinds=np.array([False, False, True]),
        network=np.repeat(np.arange(n), reached),
        rung=np.concatenate([np.arange(k) for k in reached]),
        y=chance.normal(size=int(reached.sum())),
        rungs=(5, 15, 40),
    )


def test_the_gradient_of_the_fit_is_that_of_its_loss() -> None:
    data = some_curves()
    theta = np.log([0.4, 0.7, 1.3, 0.5, 0.3, 0.05, 0.04, 0.01])
    gradient = loss(theta, data)[1]
    for k, slope in enumerate(gradient):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        measured = (loss(theta + step, data)[0] - loss(theta - step, data)[0]) / 2e-5
        assert slope == pytest.approx(measured, rel=1e-5, abs=1e-6)


def test_predictions_are_those_of_the_joint_normal_distribution() -> None:
    """Of a whole configuration, and of one of which a network's beginning is known."""
    data, theta = some_curves(), np.log([0.4, 0.7, 1.3, 0.5, 0.3, 0.05, 0.04, 0.01])
    x, begun = np.array([0.3, 0.6, 1.0]), [0.2, 0.5]
    model = CurveModel(data, theta)
    mean, variance = model.given(x, begun)
    with_it = replace(
        data,
        x=np.r_[data.x, x[None]],
        network=np.r_[data.network, [len(data.x)] * 2],
        rung=np.r_[data.rung, [0, 1]],
        y=np.r_[data.y, begun],
    )
    joint = CurveModel(with_it, theta)
    joint._means = model._means  # the means of the rungs are not asked again
    one = np.eye(3)[with_it.rung]
    rest = np.linalg.solve(joint._lower @ joint._lower.T, with_it.y - one @ model._means)
    joint._weights = rest
    [expected], [spread] = joint.predict(x[None])
    assert (mean, variance) == (pytest.approx(expected), pytest.approx(spread))


def test_a_late_learner_is_told_from_a_bad_one_by_its_neighbours() -> None:
    """Both are at the same score after five epochs; those like the one were trained to the end."""
    chance = np.random.default_rng(0)
    late = chance.random((8, 1)) * 0.3
    bad = 0.7 + chance.random((8, 1)) * 0.3
    data = Curves(
        x=np.r_[late, bad],
        kinds=np.array([False]),
        network=np.repeat(np.arange(16), 2),
        rung=np.tile([0, 1], 16),
        y=np.r_[np.tile([0.2, 3.0], 8), np.tile([0.2, 0.6], 8)] + 0.05 * chance.normal(size=32),
        rungs=(5, 60),
    )
    model = CurveModel(data, fit(data))
    of_late, of_bad = (model.given(np.array([at]), [0.2])[0] for at in (0.15, 0.85))
    assert (of_late, of_bad) == (pytest.approx(3.0, abs=0.3), pytest.approx(0.6, abs=0.3))


def test_suggestions_are_pure_and_know_the_window_alone(trials: list[Past]) -> None:
    spec = curve_spec()
    assert suggest(spec, 41, trials[:41]) == trials[41].suggestion
    hidden = [t if k <= 37 else Past(suggestion=t.suggestion) for k, t in enumerate(trials[:41])]
    assert suggest(spec, 41, hidden) == trials[41].suggestion
    worse = [replace(t, steps=tuple(0.9 * s for s in t.steps)) for t in trials[:38]]
    assert suggest(spec, 41, [*worse, *hidden[38:]]) != trials[41].suggestion


def test_trials_on_their_way_are_reckoned_with(trials: list[Past]) -> None:
    spec = curve_spec()
    elsewhere = {"x": 0.0, "k": 1, "rate_per_ns": 1e-3, "colour": "red"}
    others = [*trials[:38], *(Past(suggestion=Suggestion(params=elsewhere)) for _ in range(3))]
    assert suggest(spec, 41, others).params != trials[41].suggestion.params


def test_last_bits_of_scores_change_no_suggestion(trials: list[Past]) -> None:
    spec = curve_spec()
    for number in (41, 55):
        elsewhere = [
            replace(t, steps=tuple(s * (1 + 1e-13 * (-1) ** k) for s in t.steps))
            for k, t in enumerate(trials[:number])
        ]
        assert suggest(spec, number, elsewhere).params == trials[number].suggestion.params


def test_a_search_goes_on_getting_better(trials: list[Past]) -> None:
    """Not of the lucky: what the networks' configurations are worth, last twenty against first."""

    def worth(past: Past) -> float:
        params: Any = past.suggestion.params
        return -1.2 * (params["x"] - 0.7) ** 2 - 0.1 * (params["colour"] == "red")

    first, last = trials[:20], trials[-20:]
    assert sum(map(worth, last)) > sum(map(worth, first))
    assert np.mean([worth(past) > -0.02 for past in last]) > 0.7


def test_every_fourth_trial_trains_a_known_configuration_again(trials: list[Past]) -> None:
    for number, own in enumerate(trials):
        known = [
            t.state
            for t in trials[: max(0, number - 3)]
            if t.suggestion.params == own.suggestion.params
        ]
        assert (SlotState.COMPLETE in known) == (number >= 12 and number % 4 == 0)
    seed_of = [seeds.of_network(curve_spec(), number, 0) for number in range(60)]
    assert len(set(seed_of)) == 60


def test_no_replication_where_the_file_says_so() -> None:
    spec = curve_spec(sampler={"name": "curve-gp", "replicate_every": 0})
    assert len({str(t.suggestion.params) for t in search(spec, 20)}) == 20


def test_the_score_of_a_trial_is_what_is_expected_not_its_networks_luck(
    trials: list[Past],
) -> None:
    """One network of a place that is known by others is lucky; it is hardly believed."""
    every = [str(t.suggestion.params) for t in trials]
    own = max((t.suggestion for t in trials), key=lambda own: every.count(str(own.params)))
    ends = [t.steps[-1] for t in trials if t.suggestion.params == own.params]
    lucky = [score + 0.04 for score in network({**own.params, "rate_per_ns": 10.0}, 0)]
    course = TrialProgress(curve_spec(), 60, trials, own)
    for score in lucky:
        course.epoch(0, min(score, 1.0))
    claimed, usual = course.score(lucky[-1:]), float(np.mean(ends))
    assert abs(claimed - usual) < 0.4 * abs(lucky[-1] - usual)
    assert 0.0 < course.attrs[STANDARD_ERROR] < 0.02


def test_hopeless_curves_are_cut_short_and_none_before_there_is_a_model() -> None:
    spec = curve_spec()
    trials = search(spec, 40)
    assert all(t.state == SlotState.COMPLETE for t in trials[:6])
    cut = [t for t in trials if t.state == SlotState.PRUNED]
    assert cut
    assert {len(t.steps) for t in cut} <= set(rungs(EPOCHS)[:-1])


def test_a_loss_is_searched_downwards(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = curve_spec()
    monkeypatch.setattr(type(spec.objective_impl), "direction", "minimize")
    monkeypatch.setattr(type(spec.objective_impl), "metric", "loss")

    def losses(params: Any, seed: int) -> list[float]:
        return [100.0 * (1.0 - score) for score in network(params, seed)]

    trials = search(spec, 40, losses)
    assert np.mean([t.suggestion.params["colour"] == "green" for t in trials[-15:]]) > 0.7
    scores = [t.score or 0.0 for t in trials if t.state == SlotState.COMPLETE]
    assert min(scores) < 15.0 < max(scores)


def test_a_configuration_is_worth_what_its_last_trial_says() -> None:
    one, two = {"x": 1.0, "k": 2}, {"x": 2.0, "k": 2}
    assert superseded([(0, one), (1, two), (4, one), (7, one)]) == {0, 4}

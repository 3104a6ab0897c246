"""Scales on which scores are compared: accuracies, errors, others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_objective import ToyObjective, ToyTask
from workers import toy_spec

from hpo.contract import describe
from hpo.search import comparison, surrogate
from hpo.search.comparison import LINEAR, LOG, LOGIT
from hpo.search.suggest import suggest
from hpo.search.surrogate import Surrogate, predict_scores
from hpo.statistics.scales import lead_scale, without_outliers
from hpo.study.file import load
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Past,
    SlotState,
    Step,
    Suggestion,
)


@pytest.fixture(scope="module")
def narma10() -> StudySpec:
    return load("narma10")


def curve(spec: StudySpec, *errors: float) -> Past:
    """A complete trial, or one that was pruned within its first network."""
    every = spec.budget.score_every or 1
    steps = tuple(Step(0, every * n, error) for n, error in enumerate(errors, start=1))
    whole = steps[-1].epoch >= spec.budget.epochs
    return Past(
        suggestion=suggest(spec, 0, []),
        state=SlotState.COMPLETE if whole else SlotState.PRUNED,
        score=errors[-1],
        steps=steps,
    )


def moved(spec: StudySpec, tau_ns: float) -> Suggestion:
    """The first suggestion at another place."""
    return Suggestion(params={**suggest(spec, 0, []).params, "tau_ns": float(tau_ns)})


def test_accuracies_are_compared_by_their_logits_and_scales_have_inverses() -> None:
    low, low_too, high, high_too = LOGIT.forward(np.array([0.2, 0.286, 0.92, 0.95]))
    assert low_too - low == pytest.approx(high_too - high, rel=0.05)
    beyond = LOGIT.forward(np.array([-0.2, 0.0, 0.5, 1.0, 1.3]))
    assert list(beyond) == pytest.approx(
        [-beyond[3], -beyond[3], 0.0, beyond[3], beyond[3]]
    )
    assert 6.0 < beyond[3] < 7.0
    for scale in (LINEAR, LOG, LOGIT):
        scores = np.array([1e-6, 0.1, 0.5, 0.97, 1.0])
        assert scale.inverse(scale.forward(scores)) == pytest.approx(scores)


class Maximised(ToyObjective):
    metric = "mse"


def test_an_objective_says_by_its_metric_which_it_is(narma10: StudySpec) -> None:
    accuracies = toy_spec()
    assert (
        comparison.surrogate_scale(accuracies),
        comparison.gain_scale(accuracies),
    ) == (
        LOGIT,
        LINEAR,
    )
    assert (comparison.surrogate_scale(narma10), comparison.gain_scale(narma10)) == (
        LOG,
        LOG,
    )
    accuracies.attach(describe(Maximised(), ToyTask()))
    assert comparison.surrogate_scale(accuracies) is LINEAR, (
        "what is maximised is no error"
    )


def test_an_error_cut_short_is_expected_to_shrink_by_a_factor(
    narma10: StudySpec,
) -> None:
    n_scores = narma10.budget.epochs // (narma10.budget.score_every or 1)
    half = n_scores // 2
    late = n_scores - half
    whole = curve(narma10, *[0.8] * half, *[0.2] * late)
    found = comparison.extrapolate(narma10, [whole, curve(narma10, *[0.1] * half)])
    assert found.scores[1] == pytest.approx(0.1 * 0.2 / 0.8), "and not 0.1 - 0.6"


def searched(spec: StudySpec, power: float = 1.0) -> list[Past]:
    """Complete trials, of errors that fall steeply where tau is large, to a power."""
    errors = [(1.0 if k < 6 else 1e-3) * 1.1**k for k in range(12)]
    return [
        Past(
            suggestion=moved(spec, 1.0 + k),
            state=SlotState.COMPLETE,
            score=error**power,
        )
        for k, error in enumerate(errors)
    ]


def test_no_error_is_expected_below_zero(
    narma10: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = searched(narma10)
    between = [
        replace(trials[0], suggestion=moved(narma10, tau))
        for tau in np.linspace(1.0, 12.0, 45)
    ]
    known = comparison.extrapolate(narma10, trials)
    least = {}
    for scale in (LINEAR, LOG):
        monkeypatch.setattr(surrogate, "choose_scale", lambda *_, own=scale: own)
        least[scale] = Surrogate(narma10, known).predict(between)[0].min()
    assert least[LINEAR] < 0.0 < least[LOG]


def test_studies_of_errors_are_searched_and_judged_by_logarithms(
    narma10: StudySpec,
) -> None:
    """Logarithms of squares are twice those of errors: then nothing changes but the
    claim."""
    number = 12
    errors, squares = searched(narma10), searched(narma10, power=2.0)
    assert suggest(narma10, number, errors) == suggest(narma10, number, squares)
    claims, claims_too = (
        predict_scores(narma10, errors),
        predict_scores(narma10, squares),
    )
    order, order_too = (
        sorted(found, key=lambda number: found[number].mean)
        for found in (claims, claims_too)
    )
    assert order == order_too


def test_a_lone_score_above_a_plateau_counts_as_near_the_others() -> None:
    for low, fence in ((1.0, 2.5), (2.0, 4.0)):
        scores = [0.0, low, 2.0, 2.0, 2.0, 2.0]
        assert [*without_outliers(np.array([*scores, 1e9]), below=False)] == [
            *scores,
            fence,
        ]


def test_errors_are_compared_by_logarithms_and_zero_is_just_below_the_others() -> None:
    assert list(LOG.forward(np.array([1e-12, 0.0, 1.0]))) == pytest.approx(
        [np.log(1e-12), np.log(1e-13), 0.0]
    )
    assert np.isfinite(LOG.forward(np.zeros(2))).all()
    assert LOG.inverse(LOG.forward(np.zeros(2)) + 3.0) == pytest.approx(0.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_leads_over_the_best_span_decades_whatever_number_that_is(sign: float) -> None:
    leads = np.array([0.0, *np.geomspace(1e-6, 1e2, 9)])
    scores = 5.0 - sign * leads
    scale = lead_scale(scores, sign)
    raw = sign * scale.forward(scores)
    assert (np.diff(raw) < 0.0).all()
    assert np.diff(raw)[-2:] == pytest.approx(-np.log(10.0), abs=0.1)
    assert scale.inverse(scale.forward(scores)) == pytest.approx(scores, abs=1e-9)
    step = 1e-4 * (leads[1:] + leads[1])
    rise = scale.forward(scores[1:] + step) - scale.forward(scores[1:] - step)
    assert scale.slope(scores[1:]) == pytest.approx(rise / (2.0 * step), rel=1e-3)
    assert np.isfinite(scale.forward(scores[:1] + sign * 1e3)).all()

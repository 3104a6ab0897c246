"""Racing over seeds: who goes on, what samplers are told, what it costs; when a search
is over."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from searches import ended
from workers import toy_spec

from hpo.search import comparison
from hpo.search.history import learns, why_over
from hpo.search.pruning import TrialProgress
from hpo.search.suggest import suggest
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

EPOCHS = 4


def raced(**tables: Any) -> StudySpec:
    """Six networks of four epochs, compared after one and after three."""
    given: dict[str, Any] = {
        "budget": {"members": 6, "epochs": EPOCHS, "window": 1},
        "pruner": {"name": "none"},
        "racing": {"rungs": [1, 3], "reduction_factor": 2, "keep": 2},
    }
    return toy_spec(**{**given, **tables})


def trial(
    spec: StudySpec, *scores: float, state: SlotState | None = None, **params: Any
) -> Past:
    """An earlier trial whose networks had these scores."""
    means = [sum(scores[:m]) / m for m in range(2, len(scores) + 1)]
    steps = (*[0.1] * (EPOCHS - 1), scores[0], *means)
    whole = (
        SlotState.COMPLETE if len(scores) == spec.budget.members else SlotState.PRUNED
    )
    score = sum(scores) / len(scores)
    return replace(ended(*steps, **params), state=state or whole, score=score)


stopped = partial(ended, state=SlotState.PRUNED)
"""A trial that the pruner stopped within its first network."""


LOSS = {"objective": "toy_objective:ToyLossObjective", "reported": None}
FEW = {"rungs": [1, 3], "reduction_factor": 4, "keep": 1}
TOO_FEW = "after 1 of 6 networks: {} trials had ended, {} must have before one goes on"
BETTER = "after {} of 6 networks: {} of {} earlier trials were better, 2 may go on"
THREE = [(0.6,), (0.7,), (0.8,)]
"""Of which, with the own, 2 go on."""
LATER = [(0.9, 0.3, 0.3), (0.2, 0.9, 0.9), (0.99,)]
FORTY = [(0.01 * k,) for k in range(40)]


@pytest.mark.parametrize(
    ("tables", "seen", "score", "networks", "why"),
    [
        ({}, None, 0.0, 1, None),  # the first trial goes all the way
        ({}, [], 0.99, 1, TOO_FEW.format(0, 1)),
        (
            {"racing": FEW},
            [(0.6,), 0.9, 0.9],
            0.7,
            1,
            None,
        ),  # who ended before counts as worse
        ({"racing": FEW}, [(0.6,), 0.9], 0.7, 1, TOO_FEW.format(2, 3)),
        (
            {"racing": FEW},
            [(0.6,), 0.9, None],
            0.7,
            1,
            TOO_FEW.format(2, 3),
        ),  # one that failed
        ({}, THREE, 0.75, 1, None),
        ({}, THREE, 0.7, 1, None),  # of equals, none is better
        ({}, THREE, 0.65, 1, BETTER.format(1, 2, 3)),
        ({}, THREE, 0.1, 2, None),  # 2 is no rung
        ({}, FORTY, 0.385, 1, None),
        ({}, FORTY, 0.365, 1, BETTER.format(1, 3, 40)),  # half of them would be 20
        ({}, LATER, 0.6, 3, None),  # means over the same networks: 0.5 and 0.67
        ({}, LATER, 0.4, 3, BETTER.format(3, 2, 2)),
        ({}, [], 0.1, 3, None),  # the best so far goes on
        (LOSS, THREE, 0.65, 1, None),  # less is better
        (LOSS, THREE, 0.75, 1, BETTER.format(1, 2, 3)),
    ],
)
def test_the_best_share_goes_on_and_no_more_than_keep(
    tables: dict[str, Any],
    seen: list[Any] | None,
    score: float,
    networks: int,
    why: str | None,
) -> None:
    """Scores of earlier trials, one a network; a number alone was stopped within its
    first."""
    spec = raced(**tables)
    past = [
        (
            trial(spec, 0.1, state=SlotState.FAILED)
            if own is None
            else stopped(own)
            if isinstance(own, float)
            else trial(spec, *own)
        )
        for own in seen or []
    ]
    number = 0 if seen is None else max(len(past), 1)
    assert comparison.why_out(spec, number, past, score, networks) == why


def test_scores_of_fewer_networks_are_corrected_for_hard_seeds() -> None:
    """Network 0 is easy by 0.1 on average: who trained it alone is not to look better
    for it."""
    spec = raced()
    whole = trial(spec, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6)
    short, pruned = trial(spec, 0.68), stopped(0.1, 0.2)
    known = comparison.extrapolate(spec, [whole, short, pruned])
    assert known.complete.tolist() == [True, True, False]
    assert known.changed.tolist() == [False, True, False]
    expected = [whole.score, 0.68 + (whole.score or 0) - 0.7, pruned.score]
    assert known.scores.tolist() == pytest.approx(expected)
    alone = comparison.extrapolate(spec, [short])
    assert alone.scores.tolist() == [0.68], "nothing is known of the others yet"
    assert alone.complete.all()
    assert not comparison.extrapolate(toy_spec(), [short]).changed.any()


def test_a_sampler_learns_from_those_that_left_the_race() -> None:
    """All good points have left the race after one network: TPE must look near them."""
    spec = raced(sampler={"name": "tpe", "n_startup_trials": 4})
    first = trial(spec, *[0.1] * 6, x=0.9)
    good = [trial(spec, 0.9 + 0.001 * k, x=0.1 + 0.001 * k) for k in range(6)]
    bad = [trial(spec, 0.2 + 0.001 * k, x=0.9 - 0.001 * k) for k in range(30)]
    trials = [first, *good, *bad]
    assert learns(spec)
    found = [
        float(
            suggest(spec.model_copy(update={"seed": s}), len(trials), trials).params[
                "x"
            ]
        )
        for s in range(20)
    ]
    assert sum(x < 0.5 for x in found) > 15


def test_a_pruner_judges_the_first_curve_alone() -> None:
    spec = raced(pruner={"name": "median", "n_startup_trials": 1, "n_warmup_steps": 0})
    seen = [trial(spec, 0.9) for _ in range(5)]
    judge = TrialProgress(spec, 5, seen, seen[0].suggestion)
    assert judge.report(0.0), "below the median of those that left the race"
    judge = TrialProgress(spec, 5, seen, seen[0].suggestion)
    assert [judge.report(v) for v in (0.2, 0.2, 0.2)] == [False] * 3
    assert not judge.report(0.0), "the network is trained: the race decides"


def test_epochs_of_trials() -> None:
    spec = raced()
    counts = [effort.trial_epochs(spec, n) for n in (0, 2, 4, 5, 9)]
    assert counts == [0, 2, 4, 8, 24]
    assert (
        effort.trial_epochs(spec, 0, complete=True) == 24 == effort.largest(spec) // 24
    )
    rarely = toy_spec(
        pruner={"name": "median"}, budget={"epochs": 4, "score_every": 3, "members": 3}
    )
    steps = range(5)
    assert [effort.trial_epochs(rarely, n) for n in steps] == [0, 3, 4, 8, 12]
    assert effort.step_numbers(rarely) == [3, 4, 5, 6]
    assert effort.soonest(rarely) == 3


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "kriging-believer"])
def test_samplers_of_complete_trials_learn_of_pruned_ones(sampler: str) -> None:
    spec = raced(sampler={"name": sampler}, pruner={"name": "median"}, racing=None)
    whole = [ended(0.1, 0.2, 0.3, score) for score in (0.5, 0.7, 0.9)]
    known = comparison.extrapolate(spec, [*whole, stopped(0.1, 0.15)])
    assert known.changed.tolist() == [False, False, False, True]
    assert known.complete.all()
    assert known.scores[3] == pytest.approx(0.15 + 0.5), (
        "the median gain from step 2 on"
    )
    assert known.vague.tolist() == pytest.approx([0.0, 0.0, 0.0, math.log(4 / 2)])


def test_the_longest_curves_stand_for_complete_ones_as_long_as_there_is_none() -> None:
    spec = raced(
        sampler={"name": "kriging-believer"}, pruner={"name": "median"}, racing=None
    )
    longer = [stopped(0.1, 0.2, 0.5), stopped(0.1, 0.4, 0.9)]
    known = comparison.extrapolate(spec, [*longer, stopped(0.1, 0.15)])
    assert known.complete.all()
    assert known.scores.tolist() == pytest.approx([0.5, 0.9, 0.15 + 0.4])
    assert known.vague.tolist() == pytest.approx([0.0, 0.0, math.log(3 / 2)])
    assert not comparison.extrapolate(spec, []).scores.size
    whole = ended(0.1, 0.2, 0.3, 0.6)
    assert comparison.extrapolate(spec, [whole, longer[0]]).scores[1] == pytest.approx(
        0.5 + 0.3
    )


def test_tpe_knows_of_pruned_trials_itself() -> None:
    spec = raced(sampler={"name": "tpe"}, pruner={"name": "median"}, racing=None)
    seen = [trial(spec, 0.5), stopped(0.1, 0.2)]
    assert not comparison.extrapolate(spec, seen).changed.any()


# --- when a search has found enough ---


def past(
    score: float | None, state: SlotState = SlotState.COMPLETE, n_steps: int = 7
) -> Past:
    return Past(
        suggestion=Suggestion(params={"x": 0.5}),
        state=state,
        score=score,
        steps=(0.5,) * n_steps,
    )


PRUNED, FAILED = SlotState.PRUNED, SlotState.FAILED
BEGUN = [past(0.5), past(0.7), past(0.7), past(None, FAILED)]
EARLY = [past(0.5), past(0.4, PRUNED, n_steps=3), past(0.1, FAILED, 6)]


@pytest.mark.parametrize(
    ("stop", "seen", "why"),
    [
        (None, [past(1.0)] * 20, None),
        ({"target": 0.9}, [], None),
        ({"target": 0.9}, [past(0.899), past(0.95, PRUNED)], None),
        (
            {"target": 0.9},
            [past(0.5), past(0.9)],
            "target = 0.9: trial 1 has reached 0.9",
        ),
        ({"patience": 3}, BEGUN, None),  # trials after the first of equals count
        (
            {"patience": 3},
            [*BEGUN, past(0.2, PRUNED)],
            "patience = 3: no trial was better than trial 1",
        ),
        ({"patience": 3}, [past(0.1, PRUNED)] * 9, None),  # nothing is complete yet
        (
            {"max_epochs": 26},
            EARLY,
            None,
        ),  # two networks of six epochs, and what others took
        (
            {"max_epochs": 26},
            [*EARLY, past(0.6)],
            "max_epochs = 26: 33 epochs were trained",
        ),
    ],
)
def test_a_search_is_over(
    stop: dict[str, Any] | None, seen: list[Past], why: str | None
) -> None:
    assert why_over(toy_spec(stop=stop), seen) == (why and f"stop.{why}")


def test_target_of_a_loss() -> None:
    loss = toy_spec(
        objective="toy_objective:ToyLossObjective", reported=None, stop={"target": 0.1}
    )
    assert why_over(loss, [past(0.2)]) is None
    assert (
        why_over(loss, [past(0.2), past(0.05)])
        == "stop.target = 0.1: trial 1 has reached 0.05"
    )

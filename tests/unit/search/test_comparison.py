"""What samplers are told of pruned trials, what trials cost, and when a search is
over."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from searches import (
    ended,
    reported,
)
from workers import toy_spec

from hpo.search import comparison
from hpo.search.stopping import why_over
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Past,
    SlotState,
    Step,
    Suggestion,
)

EPOCHS = 4


def replicated(**tables: Any) -> StudySpec:
    """Six networks of four epochs."""
    given: dict[str, Any] = {
        "budget": {"seeds": 6, "epochs": EPOCHS, "window": 1},
        "pruner": {"name": "none"},
    }
    return toy_spec(**{**given, **tables})


stopped = partial(ended, state=SlotState.PRUNED)
"""A trial that the pruner stopped within its first network."""


def test_epochs_of_trials() -> None:
    spec = replicated()
    steps = reported(*[0.5] * 9, epochs=4)
    counts = [effort.reported_epochs(steps[:n]) for n in (0, 2, 4, 5, 9)]
    assert counts == [0, 2, 4, 8, 24]
    assert effort.step_numbers(steps) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert effort.largest(spec) == 24 * spec.budget.trials
    rarely = toy_spec(
        pruner={"name": "median"}, budget={"epochs": 4, "score_every": 3, "seeds": 3}
    )
    steps = (Step(0, 3, 0.1), Step(0, 4, 0.2), Step(1, 4, 0.3), Step(2, 4, 0.4))
    assert effort.step_numbers(steps) == [3, 4, 5, 6]
    assert effort.soonest(rarely) == 3


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "kriging-believer"])
def test_samplers_of_complete_trials_learn_of_pruned_ones(sampler: str) -> None:
    spec = replicated(sampler={"name": sampler}, pruner={"name": "median"})
    whole = [ended(0.1, 0.2, 0.3, score) for score in (0.5, 0.7, 0.9)]
    known = comparison.extrapolate(spec, [*whole, stopped(0.1, 0.15)])
    assert known.changed.tolist() == [False, False, False, True]
    assert known.complete.all()
    assert known.scores[3] == pytest.approx(0.15 + 0.5), (
        "the median gain from step 2 on"
    )
    assert known.vague.tolist() == pytest.approx([0.0, 0.0, 0.0, math.log(4 / 2)])


def test_the_longest_curves_stand_for_complete_ones_as_long_as_there_is_none() -> None:
    spec = replicated(sampler={"name": "kriging-believer"}, pruner={"name": "median"})
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
    spec = replicated(sampler={"name": "tpe"}, pruner={"name": "median"})
    seen = [ended(0.1, 0.2, 0.3, 0.5), stopped(0.1, 0.2)]
    assert not comparison.extrapolate(spec, seen).changed.any()


# --- when a search has found enough ---


def past(
    score: float | None, state: SlotState = SlotState.COMPLETE, n_steps: int = 7
) -> Past:
    return Past(
        suggestion=Suggestion(params={"x": 0.5}),
        state=state,
        score=score,
        steps=reported(*[0.5] * n_steps, epochs=6),
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
    assert why_over(toy_spec(stop=stop), dict(enumerate(seen))) == (
        why and f"stop.{why}"
    )


def test_target_of_a_loss() -> None:
    loss = toy_spec(
        objective="toy_objective:ToyLossObjective", reported=None, stop={"target": 0.1}
    )
    assert why_over(loss, {0: past(0.2)}) is None
    assert (
        why_over(loss, {0: past(0.2), 1: past(0.05)})
        == "stop.target = 0.1: trial 1 has reached 0.05"
    )

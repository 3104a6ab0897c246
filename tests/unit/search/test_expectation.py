"""What is expected of configurations: from all that is known, not from the luckiest network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from searches import ended
from workers import toy_spec

from hpo.objectives.intervals import sampling_error
from hpo.search.kriging_believer import KNOWN, expected
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState


def asking(**tables: Any) -> StudySpec:
    table = {"sampler": {"name": "kriging-believer"}, "confirm": {"top": 1, "by": "expected"}}
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
    found = expected(asking(), trials)
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
    trials[2] = replace(trials[2], state=SlotState.RUNNING, score=None, steps=(0.5,))
    trials[3] = replace(trials[3], state=SlotState.FAILED, score=None, steps=())
    trials[4] = replace(trials[4], state=SlotState.EXCLUDED)
    found = expected(asking(pruner={"name": "median"}), trials)
    assert sorted(set(range(len(trials))) - set(found)) == [1, 2, 3, 4]


def test_the_choice_of_scored_examples_counts_for_accuracies_alone() -> None:
    trials = noisy(40)
    without, with_269 = expected(asking(), trials), expected(asking(), trials, 269)
    for number, known in without.items():
        assert with_269[number].mean == known.mean
        sampling = sampling_error(known.mean, 269)
        assert with_269[number].std == pytest.approx(math.hypot(known.std, sampling))
    errors = asking(objective="toy_objective:ToyLossObjective")
    found = expected(errors, trials)
    assert expected(errors, trials, 269) == found
    assert all(abs(found[k].mean - trial.score) < 0.1 for k, trial in enumerate(trials))


def test_of_one_trial_its_own_score_is_expected_and_of_none_nothing() -> None:
    assert expected(asking(), [trained(0.5, 0.6)])[0].mean == pytest.approx(0.6, abs=0.01)
    assert expected(asking(), []) == {}
    assert expected(toy_spec(), noisy(5)) == {}

"""What an objective returns must be storable, or its trial fails with the reason."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import snapshots
from snapshots import solved

from hpo.study.confirmation import solved_info, solved_of
from hpo.worker.trial import _check_accuracy, _member
from objectives.contract import Outcome


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    outcome = Outcome(score=np.float32(0.5), curve=(np.float64(0.25),))  # type: ignore[arg-type]
    member = _member(0, 1, outcome, 0.1)
    assert (type(member.score), type(member.curve[0])) == (float, float)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="score must be finite, but got score=nan"):
        _member(0, 1, Outcome(score=math.nan), 0.1)


@pytest.mark.parametrize(
    ("score", "remedy"),
    [(53.3, " Return 0.533 for 53.3 %."), (1.01, " Return 0.0101 for 1.01 %."), (-0.3, "")],
)
def test_an_accuracy_in_per_cent_is_refused(score: float, remedy: str) -> None:
    with pytest.raises(ValueError, match="accuracy") as caught:
        _check_accuracy(snapshots.spec(), score)
    said = f"objective: an accuracy is a fraction from 0 to 1, got {score}."
    assert str(caught.value) == said + remedy


def test_other_scores_and_the_ends_are_accepted() -> None:
    for score in (0.0, 0.5, 1.0, 1.0000000000000002):
        _check_accuracy(snapshots.spec(), score)
    _check_accuracy(snapshots.spec(objective="toy_objective:ToyLossObjective"), 53.3)


def test_info_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        _member(0, 1, Outcome(score=0.5, info={"loss": math.nan}), 0.1)


# --- the check of the time step ------------------------------------------------------------------


def test_the_check_is_stored_under_flat_names_and_read_back() -> None:
    outcome = Outcome(score=0.9, info={"n_synapses": 7}, solved=solved(0.5, converged=False))
    member = _member(0, 1, outcome, 0.1)
    assert member.info == {
        "n_synapses": 7,
        "solved_score": 0.5,
        "solved_converged": False,
        "solved_steps_per_point": 128,
        "trained_steps_per_point": 1,
        "solved_remedy": "Lower max_step_ns.",
    }
    assert member.solved == solved_of(json.loads(json.dumps(member.info))) == outcome.solved
    assert _member(0, 1, Outcome(score=0.9), 0.1).solved is None


def test_a_solved_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="score on the solved equation must be finite, but got"):
        _member(0, 1, Outcome(score=0.9, solved=solved(math.nan)), 0.1)


@pytest.mark.parametrize("name", ["solved_score", "trained_steps_per_point"])
def test_an_objective_cannot_tell_of_the_check_itself(name: str) -> None:
    said = (
        rf"info must not hold '{name}', a name of the check of the time step, but got {name}=3\. "
        r"Give it as `Outcome\.solved`\."
    )
    with pytest.raises(ValueError, match=said):
        _member(0, 1, Outcome(score=0.9, info={name: 3}), 0.1)


@pytest.mark.parametrize("steps", [2.0, 0, True, None])
def test_steps_of_the_check_are_whole_numbers(steps: Any) -> None:
    said = (
        rf"`Solved\.steps_per_point` must be a whole number of at least 1, but got "
        rf"steps_per_point={steps}\. Give the integration steps per input point\."
    )
    with pytest.raises(ValueError, match=said):
        _member(0, 1, Outcome(score=0.9, solved=solved(0.5, steps_per_point=steps)), 0.1)


OTHERWISE: list[dict[str, Any]] = [
    {"solved_score": "yes"},
    {"solved_score": True},
    {"solved_converged": 1},
    {"solved_steps_per_point": 2.5},
    {"trained_steps_per_point": 0},
    {"solved_remedy": None},
]


@pytest.mark.parametrize("changes", OTHERWISE)
def test_names_that_meant_something_else_before_are_no_check(changes: dict[str, Any]) -> None:
    assert solved_of({**solved_info(solved(0.5)), **changes}) is None
    (name,) = changes
    lacking = solved_info(solved(0.5))
    lacking.pop(name)
    assert solved_of(lacking) is None

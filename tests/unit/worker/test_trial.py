"""What an objective returns must be storable, or its trial fails with the reason."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from snapshots import solved

from hpo.study.confirmation import solved_info, solved_of
from hpo.worker.trial import member_of
from objectives.contract import Outcome


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    outcome = Outcome(score=np.float32(0.5), curve=(np.float64(0.25),))  # type: ignore[arg-type]
    member = member_of(0, 1, outcome, 0.1)
    assert (type(member.score), type(member.curve[0])) == (float, float)


# --- the check of the time step ------------------------------------------------------------------


def test_the_check_is_stored_under_flat_names_and_read_back() -> None:
    outcome = Outcome(score=0.9, info={"n_synapses": 7}, solved=solved(0.5, converged=False))
    member = member_of(0, 1, outcome, 0.1)
    assert member.info == {
        "n_synapses": 7,
        "solved_score": 0.5,
        "solved_converged": False,
        "solved_steps_per_point": 128,
        "trained_steps_per_point": 1,
        "solved_remedy": "Lower max_step_ns.",
    }
    assert member.solved == solved_of(json.loads(json.dumps(member.info))) == outcome.solved
    assert member_of(0, 1, Outcome(score=0.9), 0.1).solved is None


@pytest.mark.parametrize("name", ["solved_score", "trained_steps_per_point"])
def test_an_objective_cannot_tell_of_the_check_itself(name: str) -> None:
    said = (
        rf"info must not hold '{name}', a name of the check of the time step, but got {name}=3\. "
        r"Give it as `Outcome\.solved`\."
    )
    with pytest.raises(ValueError, match=said):
        member_of(0, 1, Outcome(score=0.9, info={name: 3}), 0.1)


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

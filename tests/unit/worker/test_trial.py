"""What an objective returns must be storable, or its trial fails with the reason."""

from __future__ import annotations

import numpy as np
from snapshots import solved

from hpo.worker.trial import member_of
from objectives.contract import Outcome


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    outcome = Outcome(score=np.float32(0.5), curve=(np.float64(0.25),))  # type: ignore[arg-type]
    member = member_of(0, 1, outcome, 0.1)
    assert (type(member.score), type(member.curve[0])) == (float, float)


def test_what_an_objective_tells_and_its_checks_are_stored_together() -> None:
    outcome = Outcome(score=0.9, info={"n_synapses": 7}, solved=solved(0.5))
    member = member_of(0, 1, outcome, 0.1)
    assert (member.info["n_synapses"], member.solved) == (7, outcome.solved)

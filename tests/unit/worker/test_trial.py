"""What an objective returns must be storable, or its trial fails with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from snapshots import solved

from hpo.objectives.contract import Outcome
from hpo.worker.trial import member_of


def test_numbers_of_numpy_are_stored_as_numbers_and_what_is_told_beside_the_checks() -> None:
    numbers: Any = {"score": np.float32(0.5), "curve": (np.float64(0.25),)}
    outcome = Outcome(**numbers, info={"n_synapses": 7}, solved=solved(0.5))
    member = member_of(0, 1, outcome, 0.1)
    assert (type(member.score), type(member.curve[0])) == (float, float)
    assert (member.info["n_synapses"], member.solved) == (7, outcome.solved)

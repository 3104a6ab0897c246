"""What an objective returns must be storable, or its trial fails with the reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpo.worker.trial import _member
from objectives.contract import Outcome


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    outcome = Outcome(score=np.float32(0.5), curve=(np.float64(0.25),))  # type: ignore[arg-type]
    member = _member(0, 1, outcome, 0.1)
    assert (type(member.score), type(member.curve[0])) == (float, float)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="score must be finite, but got score=nan"):
        _member(0, 1, Outcome(score=math.nan), 0.1)


def test_info_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        _member(0, 1, Outcome(score=0.5, info={"loss": math.nan}), 0.1)

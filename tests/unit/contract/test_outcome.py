"""What an objective returns is checked when it returns it, and refused in words."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import snapshots

from hpo import objectives
from hpo.contract import Baseline, Outcome, Solved, Thermal

WRONG: list[tuple[type, dict[str, Any], str]] = [
    (
        Outcome,
        {"score": math.nan},
        "Outcome.score` must be finite, got nan. Count a network",
    ),
    (
        Outcome,
        {"score": -math.inf},
        "Outcome.score` must be finite, got -inf. Count a network",
    ),
    (
        Outcome,
        {"score": "0.9"},
        "Outcome.score` must be a number, got '0.9'. Return what",
    ),
    (Outcome, {"score": True}, "Outcome.score` must be a number, got True."),
    (Outcome, {"score": None}, "Outcome.score` must be a number, got None."),
    (Outcome, {"curve": (0.5, math.inf)}, "Outcome.curve` must be finite, got inf."),
    (Outcome, {"chips": (math.nan,)}, "Outcome.chips` must be finite, got nan."),
    (
        Outcome,
        {"per_epoch": {"x": [math.nan]}},
        "Outcome.per_epoch.x` must be finite, got nan.",
    ),
    (
        Outcome,
        {"curve": (0.5,), "per_epoch": {"x": [1, 2]}},
        "Outcome.per_epoch` must be lists",
    ),
    (
        Outcome,
        {"info": {"loss": math.nan}},
        "Outcome.info.loss` must be finite, got nan.",
    ),
    (
        Outcome,
        {"info": {"n": [3]}},
        "Outcome.info.n` must be a number, a text, true or false, got",
    ),
    (Outcome, {"network": "weights"}, "Outcome.network` must be bytes, got 'weights'."),
    (Outcome, {"scores": 1}, "Outcome.scores` must be a field of it, got 1."),
    (Solved, {"score": math.nan}, "Solved.score` must be finite, got nan."),
    (Solved, {"converged": 1}, "Solved.converged` must be true or false, got 1."),
    (
        Solved,
        {"steps_per_point": 2.0},
        "Solved.steps_per_point` must be a whole number, got",
    ),
    (
        Solved,
        {"steps_per_point": 0},
        "Solved.steps_per_point` must be at least 1, got 0.",
    ),
    (Thermal, {"third": math.nan}, "Thermal.third` must be finite, got nan."),
    (Thermal, {"noisy": (0.5, math.inf)}, "Thermal.noisy` must be finite, got inf."),
    (
        Thermal,
        {"holds_below": -1.0},
        "Thermal.holds_below` must be at least 0, got -1.0.",
    ),
    (
        Baseline,
        {"name": "E\n"},
        "Baseline.name` must be a line without control characters, got",
    ),
    (
        Baseline,
        {"n_scored": 9},
        "Baseline.n_scored` must be left out where the score is no accu",
    ),
]
GOOD: dict[type, dict[str, Any]] = {
    Outcome: {"score": 0.9},
    Solved: snapshots.solved(0.9).model_dump(),
    Thermal: snapshots.thermal().model_dump(),
    Baseline: {"name": "ESN", "score": 1.5},
}


@pytest.mark.parametrize(("model", "change", "said"), WRONG)
def test_what_no_training_can_give_is_refused(
    model: type, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match="objective's") as caught:
        model(**GOOD[model] | change)
    assert str(caught.value).startswith(f"the objective's `{said}")
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    one = np.float32(0.5)
    told = Outcome(
        score=one, curve=[one, 1], loss_curve=(math.nan,), info={"n": np.int64(3)}
    )  # type: ignore[arg-type]
    assert (type(told.score), told.curve, told.info) == (float, (0.5, 1.0), {"n": 3})
    assert type(told.info["n"]) is int
    assert told.replace(score=0.25).curve == told.curve
    with pytest.raises(ValueError, match="must be finite"):
        told.replace(score=math.nan)


FRACTION = (
    "the objective's score is an accuracy and must be a fraction from 0 to 1, got "
)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (53.3, f"{FRACTION}53.3. Return 0.533 for 53.3 %."),
        (1.01, f"{FRACTION}1.01. Return 0.0101 for 1.01 %."),
        (-0.3, f"{FRACTION}-0.3."),
        (-1e101, "must lie between -1e+100 and 1e+100, got -1e+101"),
    ],
)
def test_a_score_that_is_no_accuracy_is_refused(score: float, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        snapshots.spec().objective_impl.check_score(score)


def test_the_ends_of_an_accuracy_and_other_finite_scores_are_accepted() -> None:
    for score in (0.0, 0.5, 1.0, 1.0000000000000002):
        assert snapshots.spec().objective_impl.check_score(score) == score
    loss = objectives.load("toy_objective:ToyLossObjective")
    assert loss.check_score(53.3) == 53.3
    with pytest.raises(ValueError, match="score of epoch 3 must be finite, got inf"):
        loss.check_score(math.inf, "score of epoch 3")

"""The score of a simple model on the task of a study."""

from __future__ import annotations

from typing import Any

from pydantic import StrictBool, ValidationInfo, field_validator

from hpo.contract.outcome import Line, ObjectiveOutput, Score, Share, Steps


class Baseline(ObjectiveOutput):
    """The score of a simple model on the task of a study, measured as a confirmation
    is.

    The model is fitted to the whole training part and tested once on the test part. Its
    settings, such as a penalty, are chosen on the validation part.
    """

    name: Line
    """Name of the model, such as ``ESN of 96 units, last state``."""
    score: Score
    """Score in the metric of the objective; the mean over several seeds."""
    std: Share | None = None
    """Sample standard deviation over seeds; None if the model has no seed."""
    n: Steps = 1
    """Number of seeds."""
    tried: Steps = 1
    """Number of settings compared on the validation part."""
    n_scored: Steps | None = None
    """Series of the test part, which give the sampling error of an accuracy."""
    is_chance: StrictBool = False
    """Whether the model ignores the series."""
    is_like: StrictBool = False
    """Whether the model is a reservoir with the size and the readout of the
    networks."""

    @field_validator("n_scored")
    @classmethod
    def _check_n_scored(cls, n_scored: int | None, info: ValidationInfo) -> int | None:
        if n_scored is not None and not 0.0 <= info.data.get("score", 0.0) <= 1.0:
            raise ValueError("left out where the score is no accuracy")
        return n_scored

    @property
    def published(self) -> tuple[float, float | None, int, int | None]:
        """Arguments of ``intervals.published``; this module does not import it."""
        return self.score, self.std, self.n, self.n_scored


def read_baselines(stored: Any) -> tuple[Baseline, ...]:
    """Return the baselines stored in a database; () if the value is malformed."""
    try:
        return tuple(Baseline(**one) for one in stored or ())
    except (TypeError, ValueError):
        return ()

"""The sampling error of the score of a trial, by the number of series that score it."""

from __future__ import annotations

from dataclasses import dataclass

from hpo.contract import Protocol
from hpo.statistics.intervals import effective, sampling_error

from .advice import validation_folds
from .sizes import Contents


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """Sampling error of the score of a trial; the scatter of networks is not
    included."""

    share: float
    """An accuracy."""
    n_series: float
    """Effective number of series that score a trial; see ``intervals.effective``."""
    error: float
    """Its standard error."""
    advised_folds: int
    """Advised ``validation_folds`` of a study without folds; 1: none."""


def uncertainty(
    contents: Contents, share: float | None, members: int, protocol: Protocol
) -> Uncertainty:
    """Return the uncertainty of an accuracy of about ``share``.

    Args:
        contents: the data.
        share: the accuracy; None: 90 %.
        members: networks of a trial.
        protocol: protocol of the study.
    """
    if share is None:
        share = 0.9
    scored = contents.test
    pool = contents.test
    advised_folds = 1
    if protocol == Protocol.VALIDATION:
        scored = contents.validation
        pool = contents.train + contents.validation
        if contents.folds == 1:
            advised_folds = validation_folds(pool, contents.rarest)
    n = effective(scored, pool, members, folds=contents.folds)
    return Uncertainty(
        share=share,
        n_series=n,
        error=sampling_error(share, n),
        advised_folds=advised_folds,
    )

"""Sizes of a task's data, for the user to check.

No objective imports this module, so its source is not pinned.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.contract import Protocol, TaskParams
from hpo.statistics.intervals import effective, sampling_error

from .advice import validation_folds
from .recorded import RecordedParams, count_test, least_shares
from .sequential_digits import N_CLASSES, N_PIXELS, N_TRAIN, SequentialDigitsParams
from .series import SeriesParams, parts

N_IMAGES = 1797


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Sizes of a task's data, and how its series are split under
    ``Protocol.VALIDATION``."""

    series: int
    points: int
    """Time points of the longest series."""
    shortest: int
    """Time points of the shortest one."""
    channels: int
    classes: int
    train: int
    validation: int
    rarest: int
    """Fewest series of a class in the training part."""
    folds: int
    """Parts of the training part that validate in turn; 1: one is drawn for each
    network."""
    test: int

    def uncertainty(
        self, share: float | None, members: int, protocol: Protocol
    ) -> Uncertainty:
        """Return the uncertainty of an accuracy of about ``share``.

        Args:
            share: the accuracy; None: 90 %.
            members: networks of a trial.
            protocol: protocol of the study.
        """
        scored = pool = self.test
        if validates := protocol == Protocol.VALIDATION:
            scored, pool = self.validation, self.train + self.validation
        n = effective(scored, pool, members, folds=self.folds)
        folds = (
            validation_folds(pool, self.rarest) if validates and self.folds == 1 else 1
        )
        share = 0.9 if share is None else share
        return Uncertainty(
            share=share, n_series=n, error=sampling_error(share, n), advised_folds=folds
        )


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

    def lines(self) -> list[str]:
        """Return the uncertainty in words, with advice."""
        error = (
            f"{100 * self.share:.1f} % has a standard error of {100 * self.error:.1f}"
            " points"
        )
        text = (
            f"a trial's score is as precise as on {self.n_series:,.0f} series: {error}"
        )
        folds = self.advised_folds
        few = (
            f"few series: with validation_folds = {folds} in [task] and members ="
            f" {folds} in [budget], a trial is scored on every training series"
        )
        return [text, few] if folds > 1 else [text]


@dataclass(frozen=True, kw_only=True)
class SeriesContents:
    """Sizes of one long series, and how it is split under ``Protocol.VALIDATION``."""

    points: int
    channels: int
    outputs: int
    washout: int
    """First points, which are not scored."""
    train: int
    validation: int
    test: int


def contents(task: TaskParams) -> Contents | SeriesContents | None:
    """Return the contents of a resolved task; None for a user's own task class.

    Raises:
        ValueError: the data are missing, break a rule, or have changed.
    """
    if isinstance(task, SeriesParams):
        series = task.series()
        train, validation = parts(task, series)
        return SeriesContents(
            points=len(series.u),
            channels=series.u.shape[1],
            outputs=series.target.shape[1],
            washout=task.washout,
            train=train,
            validation=validation,
            test=series.n_test,
        )
    if isinstance(task, SequentialDigitsParams):
        n_test, n_classes, shape = (
            N_IMAGES - N_TRAIN,
            N_CLASSES,
            (N_IMAGES, N_PIXELS, 1),
        )
        shortest, rarest = N_PIXELS, N_TRAIN // N_CLASSES
    elif isinstance(task, RecordedParams):
        recording = task.read()
        n_test, n_classes = count_test(task, recording), len(recording.classes)
        shape = recording.examples.shape
        shortest = int(recording.lengths.min())
        rarest = int(least_shares(task, recording)[0].min())
    else:
        return None
    n_series, points, channels = shape
    validation = task.validates(n_series - n_test)
    return Contents(
        series=n_series,
        points=points,
        shortest=shortest,
        channels=channels,
        classes=n_classes,
        train=n_series - n_test - validation,
        validation=validation,
        rarest=rarest,
        folds=task.folds,
        test=n_test,
    )

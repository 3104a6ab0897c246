"""What a task reads: to be held against what its owner believes that it is.

No objective imports this: what is said of data is no part of what a study is computed with.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.objectives.advice import validation_folds
from hpo.objectives.contract import Protocol, TaskParams
from hpo.objectives.intervals import effective, sampling_error
from hpo.objectives.tasks.recorded import RecordedParams, count_test, least_shares
from hpo.objectives.tasks.sequential_digits import (
    N_CLASSES,
    N_PIXELS,
    N_TRAIN,
    SequentialDigitsParams,
)
from hpo.objectives.tasks.series import SeriesParams, parts

N_IMAGES = 1797


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Sizes of a task's data, and how its series are split under ``Protocol.VALIDATION``."""

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
    """Of the training part, series of the rarest class, at least."""
    folds: int
    """Of the training part, that validate in turn; 1: each network has a part drawn for it."""
    test: int

    def sampled(self, share: float | None, members: int, protocol: Protocol) -> Sampled:
        """How well an accuracy of about ``share`` will be known.

        Args:
            share: that accuracy; 90 % where none is known.
            members: networks of a trial.
            protocol: of the study.
        """
        scored = pool = self.test
        if validated := protocol == Protocol.VALIDATION:
            scored, pool = self.validation, self.train + self.validation
        n = effective(scored, pool, members, folds=self.folds)
        folds = validation_folds(pool, self.rarest) if validated and self.folds == 1 else 1
        share = 0.9 if share is None else share
        return Sampled(share=share, n_series=n, error=sampling_error(share, n), advised_folds=folds)


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """How well the score of a trial is known, but for the scatter of networks."""

    share: float
    """An accuracy."""
    n_series: float
    """As many different series as score it, see ``intervals.effective``."""
    error: float
    """Its standard error."""
    advised_folds: int
    """``validation_folds`` that a study without any should have; 1: none."""

    def lines(self) -> list[str]:
        """In words, with what helps."""
        known = f"{100 * self.share:.1f} % has a standard error of {100 * self.error:.1f} points"
        text = f"a trial's score is as precise as on {self.n_series:,.0f} series: {known}"
        folds = self.advised_folds
        few = (
            f"few series: with validation_folds = {folds} in [task] and members = {folds} in "
            "[budget], a trial is scored on every training series"
        )
        return [text, few] if folds > 1 else [text]


@dataclass(frozen=True, kw_only=True)
class SeriesContents:
    """Sizes of one long series, and how it is split under ``Protocol.VALIDATION``."""

    points: int
    channels: int
    outputs: int
    washout: int
    """Points at its beginning that nothing is scored at."""
    train: int
    validation: int
    test: int


def contents(task: TaskParams) -> Contents | SeriesContents | None:
    """What a resolved task reads; None of one that is not of this project.

    Raises:
        ValueError: the data is not there, breaks a rule, or changed.
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
        n_test, n_classes, shape = N_IMAGES - N_TRAIN, N_CLASSES, (N_IMAGES, N_PIXELS, 1)
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

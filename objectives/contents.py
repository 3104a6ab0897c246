"""What a task reads: to be held against what its owner believes that it is.

No objective imports this: what is said of data is no part of what a study is computed with.
"""

from __future__ import annotations

from dataclasses import dataclass

from objectives.contract import TaskParams
from objectives.tasks.recorded import RecordedParams, n_test_of
from objectives.tasks.sequential_digits import (
    N_CLASSES,
    N_PIXELS,
    N_TRAIN,
    SequentialDigitsParams,
)
from objectives.tasks.series import SeriesParams, parts

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
    test: int


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
        shortest = N_PIXELS
    elif isinstance(task, RecordedParams):
        recording = task.read()
        n_test, n_classes = n_test_of(task, recording), len(recording.classes)
        shape = recording.examples.shape
        shortest = int(recording.lengths.min())
    else:
        return None
    n_series, points, channels = shape
    validation = round(task.validation_fraction * (n_series - n_test))
    return Contents(
        series=n_series,
        points=points,
        shortest=shortest,
        channels=channels,
        classes=n_classes,
        train=n_series - n_test - validation,
        validation=validation,
        test=n_test,
    )

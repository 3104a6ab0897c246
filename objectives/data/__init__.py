"""Tasks: the data that a network learns, and their split.

An objective that supports all of them has ``tasks = TASKS`` and calls ``load`` in its
``evaluate``. Light to import: only ``load`` and the methods of a task import NumPy and
scikit-learn.

- ``tasks``: a task, its ``[task]`` table and its data; each in a file.
- ``formats``: file formats of a user's data.
- ``look``: a summary of a user's data, and the study that fits them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hpo.contract import Protocol, TaskParams

from .sizes import Contents, DataShape, SeriesContents
from .tasks import SERIES_TASKS, TASKS, SeriesParams, SplitTaskParams

if TYPE_CHECKING:
    from .examples import Split

__all__ = [
    "SERIES_TASKS",
    "TASKS",
    "Contents",
    "DataShape",
    "SeriesContents",
    "SeriesParams",
    "SplitTaskParams",
    "contents",
    "load",
    "shape",
]


def load(task: TaskParams, *, protocol: Protocol, member_seed: int) -> Split:
    """Return the examples that train and score the member ``member_seed``, for a task
    of ``TASKS``.

    Raises:
        UnavailableError: this host does not have the data that the task pins.
        ValueError: the task pins no data, and the data is missing or breaks a rule.
    """
    assert isinstance(task, SplitTaskParams)
    return task.load(protocol=protocol, member_seed=member_seed)


@lru_cache(maxsize=8)
def shape(task: TaskParams) -> DataShape:
    """Return the shape of a task's series; most tasks have to read their data for it.

    Raises:
        ValueError: the data is missing, breaks a rule, or changed since the study
            began.
    """
    assert isinstance(task, SplitTaskParams)
    return task.shape()


def contents(task: TaskParams) -> Contents | SeriesContents | None:
    """Return the contents of a resolved task; None for a user's own task class.

    Raises:
        ValueError: the data are missing, break a rule, or have changed.
    """
    if isinstance(task, SplitTaskParams | SeriesParams):
        return task.contents()
    return None

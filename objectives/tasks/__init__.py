"""Tasks: the data that a network learns, and how it is split.

An objective takes every task here: ``tasks = TASKS``, and ``load`` in its ``evaluate``. Light to
import: NumPy and scikit-learn are loaded by ``load`` only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from objectives.contract import Protocol, TaskParams
from objectives.tasks import arrays, sequential_digits

if TYPE_CHECKING:
    from objectives.tasks.data import Split

TASKS: dict[str, type[TaskParams]] = {
    "sequential-digits": sequential_digits.SequentialDigitsParams,
    "arrays": arrays.ArraysParams,
}
"""Task -> the model of its ``[task]`` table; the first one is the default."""

_LOADERS: dict[type[TaskParams], Callable[..., Any]] = {
    sequential_digits.SequentialDigitsParams: sequential_digits.load,
    arrays.ArraysParams: arrays.load,
}


def load(task: TaskParams, *, protocol: Protocol, member_seed: int) -> Split:
    """The examples that train and score the member ``member_seed`` on any task of ``TASKS``.

    Raises:
        ValueError: the data is not there, breaks a rule, or changed since the study began.
    """
    split: Split = _LOADERS[type(task)](task, protocol=protocol, member_seed=member_seed)
    return split


class Shape(NamedTuple):
    """Sizes of what ``load`` gives, which neither protocol nor seed changes."""

    points: int
    """Time points of every series; shorter ones are padded."""
    channels: int
    classes: int


@lru_cache(maxsize=8)
def shape(task: TaskParams) -> Shape:
    """The shape of a task's series; of most tasks, their data are read to tell.

    Raises:
        ValueError: the data is not there, breaks a rule, or changed since the study began.
    """
    if isinstance(task, sequential_digits.SequentialDigitsParams):  # scikit-learn is slow to load
        return Shape(sequential_digits.N_PIXELS, 1, sequential_digits.N_CLASSES)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    _, points, channels = split.train.x.shape
    return Shape(points, channels, split.n_classes)

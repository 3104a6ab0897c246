"""Tasks: the data that a network learns, and how it is split.

An objective takes every task here: ``tasks = TASKS``, and ``load`` in its ``evaluate``. Light to
import: NumPy and scikit-learn are loaded by ``load`` only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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

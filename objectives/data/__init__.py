"""Tasks: the data that a network learns, and their split.

An objective that supports all of them has ``tasks = TASKS`` and calls ``load`` in its
``evaluate``. Light to import: only ``load`` imports NumPy and scikit-learn.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hpo.contract import Protocol, TaskParams

from . import recorded, sequential_digits
from .arrays import ArraysParams
from .fashion_mnist import FashionMnistParams
from .mnist1d import Mnist1dParams
from .recorded import RecordedParams
from .sequential_digits import SequentialDigitsParams
from .spoken_digits import SpokenDigitsParams
from .ucr import UcrParams

if TYPE_CHECKING:
    from .examples import Split

TASKS: dict[str, type[TaskParams]] = {
    "sequential-digits": SequentialDigitsParams,
    "arrays": ArraysParams,
    "mnist-1d": Mnist1dParams,
    "fashion-mnist": FashionMnistParams,
    "spoken-digits": SpokenDigitsParams,
    "ucr": UcrParams,
}
"""Task -> the model of its ``[task]`` table; the first one is the default."""


def load(task: TaskParams, *, protocol: Protocol, member_seed: int) -> Split:
    """Return the examples that train and score the member ``member_seed``, for a task
    of ``TASKS``.

    Raises:
        UnavailableError: this host does not have the data that the task pins.
        ValueError: the task pins no data, and the data is missing or breaks a rule.
    """
    if isinstance(task, RecordedParams):
        return recorded.load(task, protocol=protocol, member_seed=member_seed)
    assert isinstance(task, SequentialDigitsParams)
    return sequential_digits.load(task, protocol=protocol, member_seed=member_seed)


class Shape(NamedTuple):
    """Sizes of the examples, the same for every protocol and seed."""

    points: int
    """Time points of every series; shorter ones are padded."""
    channels: int
    classes: int


@lru_cache(maxsize=8)
def shape(task: TaskParams) -> Shape:
    """Return the shape of a task's series; most tasks have to read their data for it.

    Raises:
        ValueError: the data is missing, breaks a rule, or changed since the study
            began.
    """
    if isinstance(task, SequentialDigitsParams):  # scikit-learn is slow to load
        return Shape(sequential_digits.N_PIXELS, 1, sequential_digits.N_CLASSES)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    _, points, channels = split.train.shape
    return Shape(points, channels, split.n_classes)

"""What a function may ask about its own call: its seed, whether it confirms, and a
checkpoint.

Outside of a worker, as in ``python train.py``, the seed is 0, nothing confirms, and
checkpoints are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary


@dataclass
class Inside:
    """What the service knows of a call."""

    seed: int = 0
    confirming: bool = False
    asked_confirming: bool = False
    """Whether the function has asked if it confirms."""
    loaded: bytes | None = None
    """The checkpoint of an earlier attempt."""
    save: Callable[[bytes], None] = field(default=lambda data: None)


_calls: WeakKeyDictionary[Any, Inside] = WeakKeyDictionary()


def enter(trial: Any, inside: Inside) -> None:
    """Note what the service knows of the call with this trial."""
    _calls[trial] = inside


def _of(trial: Any) -> Inside:
    return _calls.get(trial) or Inside()


def seed(trial: Any) -> int:
    """Return the seed of a call, from 0 to 2**31 - 1; 0 outside of a worker.

    All trials of a search have the same seeds, so that they differ by their parameters
    alone; a confirmation has fresh ones. ``random``, NumPy and PyTorch are seeded
    before each call; this is for what else needs a seed.

    Args:
        trial: the ``optuna.Trial`` that the function was given.
    """
    return _of(trial).seed


def confirming(trial: Any) -> bool:
    """Return whether a call confirms a result: then score on data that the search never
    saw.

    Args:
        trial: the ``optuna.Trial`` that the function was given.
    """
    inside = _of(trial)
    inside.asked_confirming = True
    return inside.confirming


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of a call, with which a killed training goes on."""

    _inside: Inside

    def load(self) -> bytes | None:
        """Return what an earlier attempt at the same call saved last; None if it saved
        nothing."""
        return self._inside.loaded

    def save(self, data: bytes) -> None:
        """Save the state of the training, in place of an earlier one.

        Save it after the report of a step, with the state of random generators if the
        training draws from them.

        Args:
            data: at most some megabytes; ``torch.save`` into an ``io.BytesIO`` makes
                them.
        """
        self._inside.save(data)


def checkpoint(trial: Any) -> Checkpoint:
    """Return the checkpoint of a call.

    Args:
        trial: the ``optuna.Trial`` that the function was given.
    """
    return Checkpoint(_of(trial))

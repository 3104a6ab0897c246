"""Who starts workers: local processes, a cluster's scheduler.

A study never depends on how its workers are started, nor on how many there are. So the contract is
small, and a new kind of executor is one class: start some workers, keep their number up, stop them.
A launch uses nothing else, and never asks which kind it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

__all__ = ["GRACE_S", "Executor", "slurm_commands"]

Release = Callable[[str, str | None], bool | None]
"""Frees what a worker, or a job of several, held that has ended. Gets its name, and what it died of
(None: somebody killed it); returns whether it held a trial, None if that is unknown."""

GRACE_S = 10.0
"""A worker that is asked to stop keeps its training safe at its next epoch, mostly within this."""


T = TypeVar("T")

D = TypeVar("D")


def asked(question: Callable[[], T], otherwise: D) -> T | D:
    """What the database answers; ``otherwise`` while it is away."""
    from hpo.postgres.retry import is_passing  # the crew of a job stays small

    try:
        return question()
    except Exception as error:
        if not is_passing(error):
            raise
        return otherwise


class Executor(ABC):
    """Starts the workers of one study and looks after them.

    Examples:
        >>> class Nobody(Executor):
        ...     '''Leaves the work to workers that were started elsewhere.'''
        ...
        ...     alive = 0
        ...     def where(self, n: int) -> str:
        ...         return "no worker starts here"
        ...     def start(self, n: int) -> None: ...
        ...     def poll(self) -> list[str]:
        ...         return []
        ...     def stop(self, grace_s: float | None = GRACE_S) -> None: ...
        >>> Nobody().poll()
        []
    """

    outlives: ClassVar[bool] = False
    """Whether workers can go on without the launch; then there must be a ``leave``."""

    @property
    @abstractmethod
    def alive(self) -> int:
        """How many of its workers live, or wait to be started, as far as is known: at once."""

    def look(self) -> None:
        """Bring ``alive`` up to date, where somebody must be asked; ``poll`` does so, too.

        Neither this nor ``alive`` and ``stop`` may block for long, or raise, because a scheduler is
        away: what they are for is a launch that follows a study, or ends.
        """
        return

    @abstractmethod
    def where(self, n: int) -> str:
        """``n`` workers in words: how many start, where, and where their logs are."""

    @abstractmethod
    def start(self, n: int) -> None:
        """Start ``n`` workers, or ask for them, and return without waiting for them.

        Where ``outlives``, those of an earlier launch of the study count: it is never run by more.

        Raises:
            HpoError: no worker can be started here.
        """

    @abstractmethod
    def poll(self) -> list[str]:
        """Start workers that were lost again, later each time, and tell what happened.

        Called every second or so while the study is open and its database answers.

        Returns:
            What is worth telling the user, one line each; mostly nothing.

        Raises:
            HpoError: workers cannot live here; the message quotes what they said last.
        """

    @abstractmethod
    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """End all workers: ask them, wait up to ``grace_s`` (None: for ever), then kill the rest.

        Killed or not, nothing is lost: the ledger hands their trials to other workers. May be
        called again, and is the only way that workers end early.
        """

    def leave(self) -> str:
        """Let the workers go on by themselves; ``stop`` then ends none of them.

        Returns:
            What goes on, and how to end it, in words.
        """
        raise NotImplementedError("its workers end with the launch")

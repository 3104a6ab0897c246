"""Executors, which start workers: a crew on this machine, or the scheduler of a
cluster.

A study never depends on how its workers start, nor on their number. So the contract is
small, and a new kind of executor is one class: start workers, report events, stop
workers. The scheduler restarts them, since leases make workers replaceable. A launch
uses nothing else, whatever the kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from hpo.config import SiteConfig
from hpo.console import EXIT_CANCELLED
from hpo.errors import HpoError, advise
from hpo.launch.options import LaunchOptions
from hpo.worker.crew import GRACE_S, Crew, WorkerSetup

__all__ = [
    "GRACE_S",
    "CancelledError",
    "ClusterExecutor",
    "Executor",
    "LocalExecutor",
    "check",
    "executor",
    "slurm",
    "slurm_programs",
]


class CancelledError(HpoError):
    """All jobs of a launch were cancelled."""

    exit_status = EXIT_CANCELLED


class Executor(ABC):
    """An executor: starts the workers of one study and looks after them.

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
    """Whether workers can run without the launch; then ``leave`` must be defined."""

    @property
    @abstractmethod
    def alive(self) -> int:
        """Number of workers that run or wait to start, as far as is known.

        Neither this nor ``stop`` may raise or block for long if a scheduler is
        unreachable: a launch uses them while it follows a study, or ends.
        """

    @abstractmethod
    def where(self, n: int) -> str:
        """Describe ``n`` workers: how many start, where, and where their logs are."""

    def script(self, n: int) -> str | None:
        """Return the script that would be submitted for ``n`` workers, if any."""
        return None

    @abstractmethod
    def start(self, n: int) -> None:
        """Start or request ``n`` workers, and return without waiting for them.

        If ``outlives``, workers of earlier launches of the study count among them.

        Raises:
            HpoError: no worker can start here.
        """

    @abstractmethod
    def poll(self) -> list[str]:
        """Look after the workers, and return events.

        Called about every second while the study is open and its database answers.

        Returns:
            messages for the user, one line each; mostly none.

        Raises:
            HpoError: workers cannot run here; the message quotes their last output.
        """

    @abstractmethod
    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """End all workers: ask them, wait up to ``grace_s`` (None: for ever), then kill
        the rest.

        Nothing is lost even if they are killed: the ledger hands their trials to other
        workers. May be called again. Nothing else ends workers early.
        """

    def leave(self) -> str:
        """Let the workers continue without the launch; ``stop`` then ends none of them.

        Returns:
            which workers continue, and how to end them, in words.
        """
        raise NotImplementedError("its workers end with the launch")


class LocalExecutor(Crew, Executor):
    """The workers of this machine: a crew in the process of the launch."""


class ClusterExecutor(Executor):
    """An executor that asks a scheduler for workers, and reports what becomes of
    them."""

    def __init__(self, setup: WorkerSetup) -> None:
        """Submit nothing yet; ``setup`` is what the workers have in common."""
        self._setup = setup
        self._events: list[str] = []
        self._silent = False

    def poll(self) -> list[str]:
        """Look after the workers, and return new events.

        Raises:
            HpoError: workers cannot run in the cluster.
        """
        self._look()
        events = self._events
        self._events = []
        return events

    @abstractmethod
    def _look(self) -> None:
        """Ask the scheduler if it is time; note events.

        Raises:
            HpoError: workers cannot run in the cluster.
        """

    def _hear(self, scheduler: str, trouble: str = "") -> None:
        """Note once that the scheduler is in trouble, and once that it answers
        again."""
        if trouble and not self._silent:
            self._events.append(trouble)
        if self._silent and not trouble:
            self._events.append(f"{scheduler} answers again")
        self._silent = bool(trouble)


def check(site: SiteConfig) -> None:
    """Check the options of the executor before anything is written.

    Raises:
        HpoError: the number of workers or the cluster is missing.
    """
    name = site.launch.executor
    if name != "local" and site.launch.workers is None:
        workers = advise("--workers N", "workers=N")
        raise HpoError(
            f"{name}: the number of workers is missing. Use {workers}, or set workers"
            " in [launch] of hpo.toml."
        )
    if name == "dask":
        from hpo.launch.executors import dask

        dask.check(site.dask)


def reach(site: SiteConfig) -> None:
    """Ask the scheduler of the site, if it has one, whether it answers.

    Raises:
        HpoError: it is missing, not named, or does not answer.
    """
    if site.launch.executor == "slurm":
        from hpo.launch.executors import slurm_programs

        slurm_programs.reach()
    if site.launch.executor == "dask":
        from hpo.launch.executors import dask

        dask.check(site.dask)
        dask.connect(str(site.dask.scheduler)).close()


def executor(options: LaunchOptions, study: str, storage_url: str) -> Executor:
    """Return the executor of the options; nothing starts yet.

    Args:
        options: options of the launch.
        study: name of the study.
        storage_url: URL at which workers reach the database.
    """
    site = options.site
    setup = options.workers(study, storage_url)
    if site.launch.executor == "slurm":
        from hpo.launch.executors.slurm import SlurmExecutor

        return SlurmExecutor(setup, site.slurm, options.database)
    if site.launch.executor == "dask":
        from hpo.launch.executors.dask import DaskExecutor

        return DaskExecutor(setup, site.dask)
    return LocalExecutor(replace(setup, standing=True), stays=True)

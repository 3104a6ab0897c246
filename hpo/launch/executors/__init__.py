"""Who starts workers: a crew on this machine, the scheduler of a cluster.

A study never depends on how its workers are started, nor on how many there are. So the contract is
small, and a new kind of executor is one class: start some workers, tell what becomes of them, stop
them. Restarting them is the scheduler's: leases make workers replaceable. A launch uses nothing
else, and never asks which kind it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hpo import config, settings
from hpo.config import SiteConfig
from hpo.errors import HpoError
from hpo.postgres.connect import is_of_this_host, parse_url, place
from hpo.worker.crew import GRACE_S, Crew

__all__ = ["GRACE_S", "Executor", "LaunchOptions", "LocalExecutor", "check", "executor", "slurm"]


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """The options of a launch: of its command line or its call, of the environment and hpo.toml."""

    command: str
    """What goes on with the launch, as it can be typed, without passwords."""
    site: SiteConfig = field(default_factory=SiteConfig)
    """How workers are started."""
    storage: str | None = None
    """As it was given; see ``url``."""
    confirm: bool = True
    timeout_s: float | None = None
    json: bool = False
    """Whether a program reads what is printed."""
    in_cell: bool = False
    """Whether it runs in the cell of a notebook."""
    report: Path | None = None
    """File of the report; None is one that is named by the study."""
    writes_report: bool = True

    @classmethod
    def of_line(cls, arguments: Namespace, command: str) -> LaunchOptions:
        """Return those of a command line, read by ``arguments.parser``.

        Raises:
            ConfigError: an option, a variable or hpo.toml breaks a rule.
        """
        return cls(
            command=command,
            site=config.load(vars(arguments)),
            storage=arguments.storage,
            confirm=not arguments.no_confirm,
            timeout_s=arguments.timeout,
            json=arguments.json,
            report=arguments.report,
            writes_report=not arguments.no_report,
        )

    @property
    def url(self) -> str | None:
        """The address of the database; None is the embedded server."""
        return settings.storage_url() if self.storage is None else self.storage

    @property
    def database(self) -> str:
        """Which database that is, in words, without a password and without asking it."""
        return (
            place(parse_url(self.url)) if self.url else f"the embedded server in {settings.home()}"
        )

    @property
    def only_here(self) -> bool:
        """Whether no other host reaches the database."""
        return self.url is None or is_of_this_host(parse_url(self.url))

    @property
    def of_workers(self) -> list[str]:
        """The options that every worker gets."""
        return [f"--lease={self.site.launch.lease:g}", *["--no-confirm"] * (not self.confirm)]

    def logs(self, study: str) -> Path:
        """Return the directory of the logs of a study's workers."""
        return settings.home() / "logs" / study


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
        """How many of its workers live, or wait to be started, as far as is known: at once.

        Neither this nor ``stop`` may block for long, or raise, because a scheduler is away: what
        they are for is a launch that follows a study, or ends.
        """

    @abstractmethod
    def where(self, n: int) -> str:
        """``n`` workers in words: how many start, where, and where their logs are."""

    def script(self, n: int) -> str | None:
        """What would be submitted for ``n`` workers, for people to read; None if nothing is."""
        return None

    @abstractmethod
    def start(self, n: int) -> None:
        """Start ``n`` workers, or ask for them, and return without waiting for them.

        Where ``outlives``, those of an earlier launch of the study count: it is never run by more.

        Raises:
            HpoError: no worker can be started here.
        """

    @abstractmethod
    def poll(self) -> list[str]:
        """Look after the workers, and tell what happened.

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


class LocalExecutor(Crew, Executor):
    """The workers of this machine: a crew whose process is the launch."""


def check(options: LaunchOptions) -> None:
    """Check what depends on the executor before anything is touched.

    Raises:
        HpoError: it must be told how many workers there are, or which cluster it is.
    """
    name = options.site.launch.executor
    if name != "local" and options.site.launch.workers is None:
        raise HpoError(
            f"{name}: the number of workers must be given, but got workers=none. Give it: "
            "--workers N, or workers in [launch] of hpo.toml."
        )
    if name == "dask":
        from hpo.launch.executors import dask

        dask.check(options.site.dask)


def executor(options: LaunchOptions, study: str, storage_url: str) -> Executor:
    """Return the executor that the options ask for; nothing is started yet.

    Args:
        options: of the launch.
        study: its name.
        storage_url: the database, as workers reach it; only handed over.
    """
    if options.site.launch.executor == "slurm":
        from hpo.launch.executors.slurm import SlurmExecutor

        return SlurmExecutor(study, options=options, storage_url=storage_url)
    if options.site.launch.executor == "dask":
        from hpo.launch.executors.dask import DaskExecutor

        return DaskExecutor(study, options=options, storage_url=storage_url)
    return LocalExecutor(
        study,
        storage_url=storage_url,
        logs=options.logs(study),
        threads=options.site.launch.threads,
        options=options.of_workers,
        stays=True,
    )

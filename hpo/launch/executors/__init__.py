"""Executors, which start workers: a crew on this machine, or the scheduler of a
cluster.

A study never depends on how its workers start, nor on their number. So the contract is
small, and a new kind of executor is one class: start workers, report events, stop
workers. The scheduler restarts them, since leases make workers replaceable. A launch
uses nothing else, whatever the kind.
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
from hpo.postgres.urls import is_of_this_host, parse_url, place
from hpo.worker.crew import GRACE_S, Crew

__all__ = [
    "GRACE_S",
    "Executor",
    "LaunchOptions",
    "LocalExecutor",
    "check",
    "executor",
    "slurm",
]


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """The options of a launch, from its command line or call, the environment and
    hpo.toml."""

    command: str
    """Command that resumes the launch, without passwords."""
    site: SiteConfig = field(default_factory=SiteConfig)
    """How workers start."""
    storage: str | None = None
    """The value of ``--storage``; see ``url``."""
    confirm: bool = True
    timeout_s: float | None = None
    json: bool = False
    """Whether to print JSON for a program."""
    in_cell: bool = False
    """Whether it runs in the cell of a notebook."""
    report: Path | None = None
    """File of the report; None: named after the study."""
    writes_report: bool = True

    @classmethod
    def of_line(cls, arguments: Namespace, command: str) -> LaunchOptions:
        """Return the options of a parsed command line.

        Raises:
            ConfigError: an option, a variable or hpo.toml is invalid.
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
        """The address of the database; None: the embedded server."""
        return settings.storage_url() if self.storage is None else self.storage

    @property
    def database(self) -> str:
        """The database in words, without a password; opens no connection."""
        url = self.url
        return (
            place(parse_url(url))
            if url
            else f"the embedded server in {settings.home()}"
        )

    @property
    def only_here(self) -> bool:
        """Whether only this host reaches the database."""
        return self.url is None or is_of_this_host(parse_url(self.url))

    @property
    def of_workers(self) -> list[str]:
        """The options of every worker."""
        return [
            f"--lease={self.site.launch.lease:g}",
            *["--no-confirm"] * (not self.confirm),
        ]

    def logs(self, study: str) -> Path:
        """Return the directory of the logs of a study's workers."""
        return settings.home() / "logs" / study


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


def check(options: LaunchOptions) -> None:
    """Check the options of the executor before anything is written.

    Raises:
        HpoError: the number of workers or the cluster is missing.
    """
    name = options.site.launch.executor
    if name != "local" and options.site.launch.workers is None:
        raise HpoError(
            f"{name}: the number of workers is missing. Use --workers N, or set workers"
            " in [launch] of hpo.toml."
        )
    if name == "dask":
        from hpo.launch.executors import dask

        dask.check(options.site.dask)


def executor(options: LaunchOptions, study: str, storage_url: str) -> Executor:
    """Return the executor of the options; nothing starts yet.

    Args:
        options: options of the launch.
        study: name of the study.
        storage_url: URL at which workers reach the database.
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

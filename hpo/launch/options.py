"""The options of a launch, and its study: read and checked once, then typed."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from hpo import config, settings
from hpo.config import SiteConfig
from hpo.console import storage_option
from hpo.launch import importable
from hpo.postgres.urls import parse_url, place
from hpo.script import is_script
from hpo.search import options as search_options
from hpo.study import file
from hpo.study.hashing import flatten
from hpo.study.python_values import plain
from hpo.study.spec import StudySpec
from hpo.worker.crew import WorkerSetup


@dataclass(frozen=True, kw_only=True)
class ChosenStudy:
    """The study of a launch."""

    spec: StudySpec
    where: str
    """The file of the study, or ``hpo.launch`` for a dict."""
    keeps_beginning: bool = False
    """Whether the study that it begins from is written into that file."""

    @classmethod
    def of_line(cls, arguments: Namespace) -> ChosenStudy:
        """Return the study of a parsed command line.

        Raises:
            SpecError: the file or an option is invalid.
        """
        options = {
            "name": arguments.name,
            "budget.trials": arguments.trials,
            "seed": arguments.seed,
            "directions": arguments.directions,
            "metrics": arguments.metrics,
            "sampler.name": arguments.sampler,
            "pruner.name": arguments.pruner,
            "budget.seeds": arguments.seeds,
            "arguments": arguments.script_arguments or None,
        }
        values = {key: value for key, value in options.items() if value is not None}
        overrides = list(arguments.overrides)
        keeps = not (values or overrides or arguments.quick)
        load = partial(file.load, arguments.study, values=values, quick=arguments.quick)
        if arguments.begin_from is None:
            keeps = False
            spec = load(overrides=overrides)
        else:
            study = json.dumps(arguments.begin_from, ensure_ascii=False)
            spec = load(overrides=[f"warm_start={{study = {study}}}", *overrides])
            asks_points = spec.warm_start is not None and spec.warm_start.top
            if spec.can_transfer and not asks_points:
                spec = load(overrides=[f"transfer={{studies = [{study}]}}", *overrides])
        where = arguments.study
        if not is_script(where):
            where = str(file.find(where))
        return cls(spec=spec, where=where, keeps_beginning=keeps)

    @classmethod
    def of_call(
        cls, study: str | Path | Mapping[str, Any] | None, tables: Mapping[str, Any]
    ) -> ChosenStudy:
        """Return the study of a call from Python; see ``hpo.launch.launch``.

        Raises:
            SpecError: the file, the dict or a table is invalid, or workers cannot
                import the objective.
        """
        where = "hpo.launch"
        given = plain(tables, where)
        if study is None and is_script(str(given.get("objective", ""))):
            study = given.pop("objective")
        if study is None or isinstance(study, Mapping):
            raw = {**plain(study or {}, where), **given}
            spec = file.read(raw, base=Path(), where=where)
        else:
            where = str(study)
            spec = file.load(where, values=flatten(given))
        importable.check(spec, where)
        return cls(spec=spec, where=where)

    def check(self) -> None:
        """Check what the sampler and the pruner need, before anything is written.

        Raises:
            SpecError: an option does not fit the space or the data.
        """
        search_options.check(self.spec, self.where)


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """How a study runs, by command line or call, the environment and hpo.toml."""

    command: str
    """Command that resumes the launch, without passwords."""
    site: SiteConfig = field(default_factory=SiteConfig)
    """How workers start."""
    storage: str | None = None
    """The value of ``--storage``."""
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
    def of_line(cls, arguments: Namespace) -> LaunchOptions:
        """Return the options of a parsed command line.

        Raises:
            ConfigError: an option, a variable or hpo.toml is invalid.
        """
        return cls(
            command=arguments.command,
            site=config.load(vars(arguments)),
            storage=arguments.storage,
            confirm=not arguments.no_confirm,
            timeout_s=arguments.timeout,
            json=arguments.json,
            report=arguments.report,
            writes_report=not arguments.no_report,
        )

    @classmethod
    def of_call(
        cls, command: str, *, workers: int | None, storage: str | None
    ) -> LaunchOptions:
        """Return the options of a call from Python.

        Raises:
            ConfigError: an option, a variable or hpo.toml is invalid.
        """
        return cls(
            command=command,
            site=config.load({"workers": workers}),
            storage=storage,
            in_cell=Console().is_jupyter,
            writes_report=False,
        )

    @property
    def storage_option(self) -> str:
        """The option by which the next commands reach the same database, mostly
        empty."""
        return storage_option(self.storage)

    @property
    def database(self) -> str:
        """The database in words, without a password; opens no connection."""
        url = self.storage
        if url is None:
            url = settings.storage_url()
        if not url:
            return f"the embedded server in {settings.home()}"
        return place(parse_url(url))

    def workers(self, study: str, storage_url: str) -> WorkerSetup:
        """Return what the workers of a study have in common.

        Args:
            study: name of the study.
            storage_url: URL at which they reach the database.
        """
        launch = self.site.launch
        logs = settings.home() / "logs" / study
        if launch.executor != "local":
            logs /= launch.executor
        return WorkerSetup(
            study=study,
            storage_url=storage_url,
            logs=logs,
            threads=launch.threads,
            lease_s=launch.lease,
            confirm=self.confirm,
        )

"""A site's defaults: ``hpo.toml``, so that a launch need not name its cluster's partition again.

The file is ``./hpo.toml``, else ``$HPO_CONFIG``, else ``hpo.toml`` in the user's directory of
configurations. Every key is also an environment variable: ``HPO_SLURM_PARTITION`` is ``partition``
of ``[slurm]``, ``HPO_LAUNCH_WORKERS`` is ``workers`` of ``[launch]``, whose ``executor`` is called
``HPO_EXECUTOR``. The command line wins over the
environment, the environment over the file.

    [launch]
    executor = "slurm"
    workers = 64

    [slurm]
    partition = "compute"
    time = "4:00:00"
    setup = ["module load python/3.12"]
    options = { reservation = "hpo" }
"""

from __future__ import annotations

import datetime
import os
import re
import tomllib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hpo import settings
from hpo.errors import HpoError
from hpo.ledger.lease import LEASE_S
from hpo.study.messages import did_you_mean, explain, strictly

Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")]


class ConfigError(HpoError):
    """A default of the site, or an option in its place, breaks a rule."""


def _text(value: Any) -> Any:
    """``time = 240`` is meant as a text, too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _limit(text: str) -> str:
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        raise ValueError("minutes, H:MM:SS or D-H:MM:SS")
    return text


class LaunchDefaults(BaseModel):
    """``[launch]``: how workers are started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    executor: Literal["local", "slurm", "dask"] = "local"
    workers: Annotated[int, Field(ge=0)] | None = None
    lease: Annotated[float, Field(gt=0, allow_inf_nan=False)] = LEASE_S
    """Seconds."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Of every worker."""
    on_cancel: Literal["ask", "leave", "cancel"] | None = None
    """What becomes of jobs when their launch is stopped; without it: ask at a terminal."""


class SlurmDefaults(BaseModel):
    """``[slurm]``: what the jobs ask of the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: Text | None = None
    time: Annotated[str, BeforeValidator(_text), AfterValidator(_limit)] | None = None
    """As sbatch takes it: minutes, ``H:MM:SS`` or ``D-H:MM:SS``; ``4:00`` is four minutes."""
    account: Text | None = None
    qos: Text | None = None
    constraint: Text | None = None
    mem: Annotated[Text, BeforeValidator(_text)] | None = None
    """Memory of a job, as in ``8G``."""
    gpus: Annotated[int, Field(ge=1)] | None = None
    """Of a job; each of its workers gets one."""
    workers_per_job: Annotated[int, Field(ge=1)] = 1
    cpus_per_worker: Annotated[int, Field(ge=1)] | None = None
    """Without it: as many as threads."""
    signal_s: Annotated[int, Field(ge=20, le=3600)] = 90
    """How long before its time limit a job is told to stop and to queue again."""
    probe: bool = True
    """Whether a small job tries first if the database can be reached from a node."""
    setup: tuple[Text, ...] = ()
    """Shell commands that a job begins with."""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Any other option of sbatch, without its dashes."""

    @property
    def limit_s(self) -> int | None:
        """The time limit in seconds, as sbatch reads it; None without one."""
        if self.time is None:
            return None
        days, dash, rest = self.time.rpartition("-")
        parts = [int(part) for part in rest.split(":")]
        units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
        return 86400 * int(days or 0) + sum(p * u for p, u in zip(parts, units, strict=False))


def _scheduler(text: str) -> str:
    if not re.fullmatch(r"((tcp|tls|ws|wss|ucx)://)?[^\s/]+:\d+", text):
        raise ValueError("an address as `dask scheduler` prints it, like tcp://HOST:8786,")
    return text


class DaskDefaults(BaseModel):
    """``[dask]``: the cluster whose tasks are workers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheduler: Annotated[str, AfterValidator(_scheduler)] | None = None
    """As in ``tcp://HOST:8786``."""


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise ValueError("an address that begins with https:// or http://")
    return text


class NotifyDefaults(BaseModel):
    """``[notify]``: who is told when a study is done, or has failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Text | None = None
    """For the shell; it gets the record as JSON on its standard input, and `HPO_TEXT`."""
    webhook: Annotated[str, AfterValidator(_address)] | None = None
    """Address that the record is sent to, as JSON by POST."""


class SiteConfig(BaseModel):
    """All defaults, with what environment and command line say instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    launch: LaunchDefaults = LaunchDefaults()
    slurm: SlurmDefaults = SlurmDefaults()
    dask: DaskDefaults = DaskDefaults()
    notify: NotifyDefaults = NotifyDefaults()


_TABLES: dict[str, type[BaseModel]] = {
    "launch": LaunchDefaults,
    "slurm": SlurmDefaults,
    "dask": DaskDefaults,
    "notify": NotifyDefaults,
}


def _variable(table: str, key: str) -> str:
    return "HPO_EXECUTOR" if key == "executor" else f"HPO_{table}_{key}".upper()


def load(arguments: Namespace | None = None) -> SiteConfig:
    """The defaults that hold here.

    Args:
        arguments: of a launch, whose options win: ``workers`` for ``workers`` of ``[launch]``,
            ``slurm_time`` for ``time`` of ``[slurm]``; None is no option.

    Raises:
        ConfigError: the first broken rule, located by file, variable or option.
    """
    file = find()
    tree: dict[str, dict[str, Any]] = {table: {} for table in _TABLES}
    if file is not None:
        raw = _read(file)
        _check(raw, str(file), strict=True)
        for table, values in raw.items():
            tree[table].update(values)
    launch = tree["launch"]
    of_cluster = launch.get("executor", "local") != "local" and "workers" in launch
    for table, key, where, value in _given(arguments):
        _check({table: {key: value}}, where, strict=False)
        tree[table][key] = {**tree[table].get(key, {}), **value} if key == "options" else value
        of_cluster = of_cluster and key != "workers"
    if of_cluster and launch["executor"] == "local":
        del launch["workers"]  # that of the cluster is none for this machine
    site = SiteConfig.model_validate(tree)
    _check_limit(site.slurm)
    return site


def _check_limit(slurm: SlurmDefaults) -> None:
    """Check that a job has time to work in before it is told to queue again."""
    least_s = slurm.signal_s + 60
    if slurm.limit_s is not None and slurm.limit_s <= least_s:
        raise ConfigError(
            f"slurm: time must be longer than signal_s + 60 s, but got time={slurm.time}, which is "
            f"{slurm.limit_s} s, and signal_s={slurm.signal_s}. Jobs would do nothing but queue "
            "again: give more time (4:00:00 is four hours, 4:00 four minutes), or less signal_s."
        )


def find() -> Path | None:
    """The file of defaults that is used; None where there is none.

    Raises:
        ConfigError: ``HPO_CONFIG`` names a file that is not there.
    """
    for path in settings.config_files():
        if path.is_file():
            return path
    if named := os.environ.get("HPO_CONFIG"):
        raise ConfigError(
            f"HPO_CONFIG: the file must exist, but got {named}. Correct the path, or unset it."
        )
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    for table in (raw, *(value for value in raw.values() if isinstance(value, Mapping))):
        if "storage" in table:
            raise ConfigError(
                f"{path}: storage: the database's address must not stand in this file, which "
                "others may read. Set HPO_STORAGE, and keep its password in ~/.pgpass or in the "
                "file that HPO_STORAGE_PASSWORD_FILE names."
            )
    return {key: _without_times(value) for key, value in raw.items()}


def _without_times(value: Any) -> Any:
    """``time = 04:00:00`` is a time of day in TOML, and meant as a text."""
    if isinstance(value, Mapping):
        return {key: _without_times(item) for key, item in value.items()}
    return str(value) if isinstance(value, datetime.date | datetime.time) else value


def _given(arguments: Namespace | None) -> Iterator[tuple[str, str, str, Any]]:
    """Table, key, name and value of what variables, then options say instead of the file."""
    keys = [(table, key) for table, model in _TABLES.items() for key in model.model_fields]
    variables = {_variable(table, key): (table, key) for table, key in keys}
    for variable, (table, key) in variables.items():
        if text := os.environ.get(variable):
            yield table, key, variable, _lines(key, text, variable)
    for name in sorted(os.environ.keys() - variables):
        for table in _TABLES:
            if name.startswith(f"HPO_{table.upper()}_") and os.environ[name]:
                valid = [variable for variable, (of, _) in variables.items() if of == table]
                raise ConfigError(f"{name}: unknown variable. {did_you_mean(name, valid)}")
    for table, key in keys:
        name = key if table == "launch" else f"{table}_{key}"
        value = getattr(arguments, name, None)
        if key == "options" and value is not None:
            name, value = "slurm_option", dict(map(option, value))
        if value is not None:
            yield table, key, f"--{name.removeprefix('dask_').replace('_', '-')}", value


def _lines(key: str, text: str, where: str) -> Any:
    """Of a variable that stands for several values: one a line."""
    if key == "setup":
        return tuple(line for line in text.splitlines() if line.strip())
    return dict(option(line, where) for line in text.splitlines()) if key == "options" else text


def option(text: str, where: str = "--slurm-option") -> tuple[str, str | bool]:
    """An option of sbatch as ``KEY=VALUE``, or ``KEY`` alone.

    Raises:
        ConfigError: there is no key.
    """
    key, equals, value = text.strip().removeprefix("--").partition("=")
    if not key or any(character.isspace() for character in key):
        raise ConfigError(
            f"{where}: `KEY=VALUE` must hold, but got {text!r}. Write for instance reservation=hpo."
        )
    return key, value if equals else True


def _check(tree: Mapping[str, Any], where: str, *, strict: bool) -> None:
    try:
        if strict:
            strictly(SiteConfig, tree)
        else:
            SiteConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, SiteConfig, where)) from None
    taken = OURS & tree.get("slurm", {}).get("options", {}).keys()
    if taken:
        name = min(taken)
        raise ConfigError(
            f"{where}: slurm.options: {name} is an option that jobs get already. "
            f"{OURS_INSTEAD.get(name, 'Leave it out')}."
        )


OURS_INSTEAD = {
    **{key: f"Give it as slurm.{key}" for key in ("partition", "time", "account", "qos", "mem")},
    "constraint": "Give it as slurm.constraint",
    "cpus-per-task": "Give it as slurm.cpus_per_worker",
    "gpus-per-node": "Give it as slurm.gpus",
    "signal": "Give it as slurm.signal_s",
}
OURS = OURS_INSTEAD.keys() | {
    *("job-name", "array", "output", "error", "open-mode", "requeue", "no-requeue"),
    *("wait", "test-only", "parsable"),
}
"""Options of sbatch that are ours to give."""

"""A site's defaults: ``hpo.toml``, so that a launch need not name its cluster's
partition again.

The file is ``./hpo.toml``, else ``$HPO_CONFIG``, else ``hpo.toml`` in the user's
configuration directory. Every key is also an environment variable:
``HPO_SLURM_PARTITION`` sets ``partition`` of ``[slurm]``, ``HPO_LAUNCH_WORKERS`` sets
``workers`` of ``[launch]``, and ``HPO_EXECUTOR`` its ``executor``. The command line
overrides the environment, the environment overrides the file.

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

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hpo import settings
from hpo.errors import HpoError, advise
from hpo.files import read_toml
from hpo.settings import LEASE_S
from hpo.study.messages import ONE_LINE, explain, matching, strictly


class ConfigError(HpoError):
    """A key of hpo.toml, a variable or an option is invalid."""


_RESERVED = {
    "partition",
    "time",
    "account",
    "qos",
    "constraint",
    "mem",
    "cpus-per-task",
    "gpus-per-node",
    "signal",
    "job-name",
    "array",
    "output",
    "error",
    "open-mode",
    "requeue",
    "no-requeue",
    "dependency",
    "kill-on-invalid-dep",
    "wait",
    "test-only",
    "parsable",
}
"""Options of sbatch that a launch sets itself."""


def _text(value: Any) -> Any:
    """Convert a whole number to text, as in ``time = 240``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _lines(value: Any) -> Any:
    """Convert a list, or the lines of a variable, to a tuple."""
    if isinstance(value, str):
        value = [line for line in value.splitlines() if line.strip()]
    return tuple(value) if isinstance(value, list) else value


def _options(value: Any) -> Any:
    """Convert options of sbatch, words ``KEY=VALUE`` or ``KEY``, to a table."""
    value = _lines(value)
    if isinstance(value, tuple):
        table: dict[str, str | bool] = {}
        for word in value:
            key, equals, text = str(word).strip().removeprefix("--").partition("=")
            if not key.replace("-", "").isalnum():
                raise ValueError("KEY=VALUE, as in reservation=lab")
            table[key] = text if equals else True
        value = table
    if isinstance(value, Mapping):
        for key in sorted(_RESERVED & value.keys()):
            raise ValueError(
                f"every job sets the option {key} already: see the keys of [slurm]."
            )
    return value


Text = Annotated[str, Field(min_length=1), ONE_LINE, BeforeValidator(_text)]
Limit = Annotated[
    str,
    matching(r"(\d+-)?\d+(:\d+){0,2}", "minutes, H:MM:SS or D-H:MM:SS"),
    BeforeValidator(_text),
]
Scheduler = Annotated[
    str,
    matching(
        r"((tcp|tls|ws|wss|ucx)://)?[^\s/]+:\d+",
        "an address as `dask scheduler` prints it, like tcp://HOST:8786",
    ),
]
Webhook = Annotated[
    str,
    matching(r"https?://[^\s/]+\S*", "an address that begins with https:// or http://"),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Tables = dict[str, dict[str, Any]]
"""Values by table and key, as in the file."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LaunchDefaults(_Table):
    """``[launch]``: how workers start."""

    executor: Literal["local", "slurm", "dask"] = "local"
    workers: Annotated[int, Field(ge=0)] | None = None
    lease: Positive = LEASE_S
    """Seconds."""
    threads: Count = 1
    """Of every worker."""
    on_cancel: Literal["ask", "leave", "cancel"] | None = None
    """What happens to jobs when their launch is stopped; default: ask at a terminal."""


class SlurmDefaults(_Table):
    """``[slurm]``: the resources of a job."""

    partition: Text | None = None
    time: Limit | None = None
    """As sbatch takes it: minutes, ``H:MM:SS`` or ``D-H:MM:SS``; ``4:00`` is four
    minutes."""
    account: Text | None = None
    qos: Text | None = None
    constraint: Text | None = None
    mem: Text | None = None
    """Memory of a job, as in ``8G``."""
    gpus: Count | None = None
    """Of a job; each of its workers gets one."""
    workers_per_job: Count = 1
    cpus_per_worker: Count | None = None
    """Default: the number of threads."""
    signal_s: Annotated[int, Field(ge=20, le=3600)] = 90
    """Seconds before its time limit at which a job is asked to stop and to queue
    again."""
    probe: bool = True
    """Whether a small job first tests if a node reaches the database."""
    setup: Annotated[tuple[Text, ...], BeforeValidator(_lines)] = ()
    """Shell commands that a job begins with."""
    options: Annotated[
        dict[str, str | int | float | bool], BeforeValidator(_options)
    ] = Field(default_factory=dict)
    """Any other option of sbatch, without its dashes."""

    @property
    def limit_s(self) -> int | None:
        """The time limit in seconds, as sbatch reads it; None without one."""
        if self.time is None:
            return None
        days, dash, rest = self.time.rpartition("-")
        parts = [int(part) for part in rest.split(":")]
        if not dash and len(parts) < 3:
            parts.insert(0, 0)  # minutes come first
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return seconds + 60 * (minutes + 60 * (hours + 24 * int(days or 0)))


class DaskDefaults(_Table):
    """``[dask]``: the cluster whose tasks are workers."""

    scheduler: Scheduler | None = None
    """As in ``tcp://HOST:8786``."""


class NotifyDefaults(_Table):
    """``[notify]``: notifications when a study is done or has failed."""

    command: Text | None = None
    """Shell command; it gets the record as JSON on its standard input, and
    `HPO_TEXT`."""
    webhook: Webhook | None = None
    """Address to which the record is sent, as JSON by POST."""


class SiteConfig(_Table):
    """All defaults, after environment and command line have overridden them."""

    launch: LaunchDefaults = LaunchDefaults()
    slurm: SlurmDefaults = SlurmDefaults()
    dask: DaskDefaults = DaskDefaults()
    notify: NotifyDefaults = NotifyDefaults()


def load(options: Mapping[str, Any] | None = None) -> SiteConfig:
    """Return the defaults of this site.

    Args:
        options: options of a launch, which win: ``workers`` sets that of ``[launch]``,
            ``slurm_time`` sets ``time`` of ``[slurm]``; None sets nothing.

    Raises:
        ConfigError: the first invalid value, located by file, variable or option.
    """
    path = find()
    tree: Tables = {}
    if path is not None:
        tree = _validated(_read(path), str(path), strict=True)
    changes: Tables = {}
    for where, values in [*_read_environment(), *_command_line(options or {})]:
        _override(changes, _validated(values, where))
    on_cluster = tree.get("launch", {}).get("executor", "local") != "local"
    if on_cluster and changes.get("launch", {}).get("executor") == "local":
        # the number for the cluster does not fit this machine
        tree["launch"].pop("workers", None)
    _override(tree, changes)
    site = SiteConfig.model_validate(tree)
    _check_limit(site.slurm)
    return site


def _override(tree: Tables, changes: Tables) -> None:
    """Override the keys of a tree, and options of sbatch one by one."""
    for table, values in changes.items():
        old = tree.setdefault(table, {})
        options = {**old.get("options", {}), **values.get("options", {})}
        old.update(values)
        if options:
            old["options"] = options


def _check_limit(slurm: SlurmDefaults) -> None:
    """Check that a job has time to work before it queues again."""
    least_s = slurm.signal_s + 60
    if slurm.limit_s is not None and slurm.limit_s <= least_s:
        raise ConfigError(
            f"slurm: time must be longer than signal_s + 60 s, got time={slurm.time}"
            f" ({slurm.limit_s} s) and signal_s={slurm.signal_s}. Jobs would only queue"
            " again: allow more time (4:00:00 is four hours, 4:00 four minutes), or a"
            " smaller signal_s."
        )


def find() -> Path | None:
    """Return the file of defaults, or None.

    Raises:
        ConfigError: ``HPO_CONFIG`` names a file that does not exist.
    """
    for path in settings.config_files():
        if os.path.isfile(path):  # a Path's own raises where the name is too long
            return path
    name = os.environ.get("HPO_CONFIG")
    if name:
        raise ConfigError(
            f"HPO_CONFIG: the file {name} does not exist. Correct the path, or unset"
            " the variable."
        )
    return None


def _read(path: Path) -> dict[str, Any]:
    raw = read_toml(path, ConfigError)
    return dict(json.loads(json.dumps(raw, default=str)))  # 04:00:00 is a time in TOML


def _read_environment() -> Iterator[tuple[str, Tables]]:
    """Yield each variable and its value, nested as in the file."""
    for name, text in sorted(os.environ.items()):
        if not text or not name.startswith("HPO_"):
            continue
        table, _, key = name.removeprefix("HPO_").lower().partition("_")
        if name == "HPO_EXECUTOR":
            yield name, {"launch": {"executor": text}}
        elif key and table in SiteConfig.model_fields:
            yield name, {table: {key: text}}


def _command_line(options: Mapping[str, Any]) -> Iterator[tuple[str, Tables]]:
    """Yield each option and its value, nested as in the file."""
    for table, defaults in SiteConfig():
        for key in type(defaults).model_fields:
            name = key if table == "launch" else f"{table}_{key}"
            value = options.get(name)
            if value is None:
                continue
            option = name.removeprefix("dask_").replace("_", "-")
            if key == "options":
                option = option.removesuffix("s")
            yield advise(f"--{option}", name), {table: {key: value}}


def _validated(values: Tables, where: str, *, strict: bool = False) -> Tables:
    """Validate the values of one source, and return those that it gives, by table.

    With ``strict``, texts are not converted to numbers.

    Raises:
        ConfigError: a value breaks a rule; the message begins with ``where``.
    """
    try:
        if strict:
            site = strictly(SiteConfig, values)
        else:
            site = SiteConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, SiteConfig, where)) from None
    return site.model_dump(exclude_unset=True)

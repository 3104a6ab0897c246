"""Settings from environment variables: where the data lives and which database is used.

HPO_STORAGE                  PostgreSQL URL of the studies; else the embedded server
HPO_STORAGE_PASSWORD_FILE    file of the password its URL lacks
HPO_HOME                     directory of the embedded server; else XDG's, for root
                             /var/lib/hpo
HPO_DASHBOARD_PASSWORD_FILE  password of `hpo dashboard`; else loopback only
HPO_SERVER_USER              who runs the server for root; else hpo-postgres
HPO_EPOCH_LIMIT              seconds until a worker is hung; else 4 hours
HPO_LOG                      `json`: one object a line; else text
HPO_COMPARE                  0: do not train each study's first network twice
HPO_JOB                      a worker's job in `hpo status`; else the container, or
                             SLURM's number
HPO_CONFIG                   file of a site's defaults; else hpo.toml
HPO_EXECUTOR                 `executor` of its table `[launch]`
HPO_LAUNCH_WORKERS           another key of `[launch]`
HPO_SLURM_PARTITION          a key of its table `[slurm]`
HPO_DASK_SCHEDULER           a key of its table `[dask]`
HPO_NOTIFY_WEBHOOK           a key of its table `[notify]`
"""

from __future__ import annotations

import os
from pathlib import Path

from hpo.errors import HpoError

LEASE_S = 30.0
"""After this silence a worker counts as dead, and another one resumes its trial."""
BEATS_PER_LEASE = 3
"""Number of heartbeats of a worker in the time of its lease."""


def home() -> Path:
    """Return the directory that holds the embedded server and its data.

    Root's default is not below `/root`: PostgreSQL refuses to run as root, and the
    unprivileged account that it runs as instead must be able to reach the directory.
    """
    path = file("HPO_HOME")
    if path is not None:
        return path.absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/hpo")
    # not at the top: the keeper process reads these settings and stays small
    import platformdirs

    return platformdirs.user_data_path("hpo")


def config_files() -> list[Path]:
    """Return the paths of a site's defaults; the first file that exists is read."""
    import platformdirs

    user_file = platformdirs.user_config_path("hpo") / "hpo.toml"
    return [Path("hpo.toml"), file("HPO_CONFIG") or user_file]


def storage_url() -> str | None:
    """Return the PostgreSQL URL in `HPO_STORAGE`, or None where it is unset or
    empty."""
    return os.environ.get("HPO_STORAGE") or None


def job() -> str | None:
    """Return the name of this process's job: `HPO_JOB`, else `slurm 4711_3`, else
    None."""
    named = os.environ.get("HPO_JOB")
    number = slurm_job()
    if named:
        return named
    return f"slurm {number}" if number else None


def slurm_job() -> str | None:
    """Return the number of the SLURM job that this process runs in."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return os.environ.get("SLURM_JOB_ID")


def server_user() -> str | None:
    """Return the account in `HPO_SERVER_USER`, or None where it is unset or empty."""
    return os.environ.get("HPO_SERVER_USER") or None


def epoch_limit_s() -> float:
    """Return the seconds in `HPO_EPOCH_LIMIT`; an epoch that takes longer hangs.

    Raises:
        HpoError: it is not a positive number.
    """
    text = os.environ.get("HPO_EPOCH_LIMIT") or "14400"
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = 0.0
    if not limit_s > 0:
        raise HpoError(
            f"HPO_EPOCH_LIMIT: expected a number of seconds above 0, got {text!r}. Set"
            " it to several times the length of the longest epoch."
        )
    return limit_s


def logs_json() -> bool:
    """Return whether `HPO_LOG` asks for one JSON object a line.

    Raises:
        HpoError: it is neither `text` nor `json`.
    """
    form = os.environ.get("HPO_LOG") or "text"
    if form not in ("text", "json"):
        raise HpoError(
            f"HPO_LOG: expected text or json, got {form!r}. Set it to one of them, or"
            " leave it out for text."
        )
    return form == "json"


def compares_trainings() -> bool:
    """Return whether workers train the first network of a study twice, to compare:
    unless `HPO_COMPARE` is 0."""
    return os.environ.get("HPO_COMPARE") != "0"


def file(variable: str) -> Path | None:
    """Return the file that a variable names, or None where it is unset or empty."""
    path = os.environ.get(variable)
    return Path(path).expanduser() if path else None

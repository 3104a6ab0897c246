"""The script of SLURM jobs, which anybody can read and submit by hand, and its submission."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpo.config import SlurmDefaults
from hpo.launch.executors import slurm_commands
from hpo.launch.executors.slurm_commands import SlurmError


@dataclass(frozen=True, kw_only=True)
class JobScript:
    """What a script is made of."""

    name: str
    """Of the jobs."""
    jobs: int
    """Tasks of the array."""
    command: Sequence[str]
    """What every job runs."""
    logs: Path
    time: str | None = None
    """Instead of that of the site."""
    log: str = "%A_%a.log"
    """Name of a job's log file, in the words of sbatch."""


def crew(*arguments: str) -> list[str]:
    """The command of a job, run by the Python that runs this."""
    return [sys.executable, "-P", "-m", "hpo.launch.executors.crew", *arguments]


def script(order: JobScript, site: SlurmDefaults, threads: int) -> str:
    """The text of a script; it holds no address of a database.

    ``exec``, so that signals meant for the job reach its command, and not a shell that ends.
    """
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in _options(order, site, threads)),
        "",
        "trap '' USR2  # until the crew listens",
        *site.setup,
        f"exec {shlex.join(order.command)}",
    ]
    return "\n".join(lines) + "\n"


def _options(order: JobScript, site: SlurmDefaults, threads: int) -> list[str]:
    """The options of sbatch, quoted for a shell."""
    values: dict[str, object] = {
        "account": site.account,
        "array": f"0-{order.jobs - 1}%{order.jobs}",
        "constraint": site.constraint,
        "cpus-per-task": (site.cpus_per_worker or threads) * site.workers_per_job,
        "gpus-per-node": site.gpus,
        "job-name": order.name,
        "mem": site.mem,
        "nodes": 1,
        "open-mode": "append",
        "output": f"{order.logs.absolute()}/{order.log}",
        "partition": site.partition,
        "qos": site.qos,
        "requeue": True,
        "signal": f"B:USR2@{site.signal_s}",
        "time": order.time or site.time,
        **{key.replace("_", "-"): value for key, value in site.options.items()},
    }
    return [
        f"--{key}" if value is True else f"--{key}={shlex.quote(str(value))}"
        for key, value in sorted(values.items())
        if value is not None and value is not False
    ]


def submit(order: JobScript, site: SlurmDefaults, threads: int, storage_url: str) -> str:
    """Submit an array of jobs, and return its number; the script stays beside the logs.

    ``storage_url`` is handed over in the environment, since anybody may read a script.

    Raises:
        SlurmError: sbatch refuses.
    """
    # The options once more: on the command line, no SBATCH_… of the environment wins.
    options = [part for line in _options(order, site, threads) for part in shlex.split(line)]
    path = order.logs / f"{uuid.uuid4().hex}_submission.sh"
    try:
        order.logs.mkdir(parents=True, exist_ok=True)
        path.write_text(script(order, site, threads), encoding="utf-8")
        done = subprocess.run(
            ["sbatch", "--export=ALL", *options, str(path)],
            env={**os.environ, "HPO_STORAGE": storage_url},
            capture_output=True,
            text=True,
            timeout=slurm_commands.TIMEOUT_S,
        )
        number = re.search(r"job (\d+)", done.stdout)
        if done.returncode == 0 and number is not None:
            path.rename(path.with_name(f"{number[1]}_submission.sh"))
            return number[1]
        said = done.stderr or done.stdout
        if done.returncode == 0:
            said = f"no number of a job in {done.stdout.strip()!r}"
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"slurm: sbatch must answer, but got nothing in {error.timeout:g} s. Look at "
            "`scontrol ping`, or ask the cluster's administrator."
        ) from None
    except OSError as error:
        said = str(error)
    raise SlurmError(
        f"sbatch: the jobs must be accepted, but got: {' '.join(said.split())[:500]}. Correct the "
        "options (--slurm-…, hpo.toml); --dry-run shows the script."
    )

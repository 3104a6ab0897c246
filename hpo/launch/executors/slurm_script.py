"""The script of SLURM jobs: written and submitted by submitit, but with a command of our own.

Of submitit we take the script, sbatch and its errors. What runs in a job is no pickled function but
``python -m hpo.launch.executors.crew``, which anybody can read in the script and submit
by hand; submitit's own runner would let SIGTERM pass, so that a cancelled or pre-empted job loses
its epoch, and asks for the states of jobs at an accounting database (sacct) that not every cluster
has.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitit import SlurmExecutor
from submitit.core.utils import FailedSubmissionError

from hpo.launch.config import SlurmDefaults
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


class _Sbatch(SlurmExecutor):
    """Submitit's writer of scripts."""

    def __init__(self, order: JobScript, site: SlurmDefaults, threads: int) -> None:
        super().__init__(order.logs)
        self._command = order.command
        cpus = site.cpus_per_worker or threads
        others = {key.replace("_", "-"): value for key, value in site.options.items()}
        given: dict[str, Any] = {
            "job_name": order.name,
            "time": order.time or site.time,
            "cpus_per_task": cpus * site.workers_per_job,
            "gpus_per_node": site.gpus,
            "setup": ["trap '' USR2  # until the crew listens", *site.setup],
            "map_count": order.jobs,
            "array_parallelism": order.jobs,
            "stderr_to_stdout": True,
            "use_srun": False,
            "wckey": None,
            **{key: getattr(site, key) for key in ("partition", "account", "qos", "mem")},
            "constraint": site.constraint,
            "additional_parameters": {
                "output": f"{order.logs.absolute()}/{order.log}",
                "signal": f"B:USR2@{site.signal_s}",
                "requeue": True,
                **{key: value for key, value in others.items() if value is not False},
            },
        }
        self.parameters = given

    @classmethod
    def affinity(cls) -> int:
        """A script can be shown without SLURM."""
        return 2

    @property
    def _submitit_command_str(self) -> str:
        """``exec``, so that signals meant for the job reach it, and not a shell that ends."""
        return f"exec {shlex.join(self._command)}"

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        """The options once more: on the command line, no SBATCH_… of the environment wins."""
        lines = submission_file_path.read_text(encoding="utf-8").splitlines()
        options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
        given = [part for line in options for part in shlex.split(line)]
        return ["sbatch", "--export=ALL", *given, str(submission_file_path)]

    def send(self) -> str:
        """Submit, and return the number of the array; submitit itself would wait for ever."""
        path = self.folder / f"{uuid.uuid4().hex}_submission.sh"
        text = self._make_submission_file_text(self._submitit_command_str, "")
        path.write_text(text, encoding="utf-8")
        command = self._make_submission_command(path)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=slurm_commands.TIMEOUT_S
        )
        if done.returncode:
            raise FailedSubmissionError(done.stderr or done.stdout)
        number = self._get_job_id_from_submission_command(done.stdout)
        path.rename(path.with_name(f"{number}_submission.sh"))
        return str(number)


def script(order: JobScript, site: SlurmDefaults, threads: int) -> str:
    """The text of a script; it holds no address of a database."""
    sbatch = _Sbatch(order, site, threads)
    return sbatch._make_submission_file_text(sbatch._submitit_command_str, "")


def submit(order: JobScript, site: SlurmDefaults, threads: int, storage_url: str) -> str:
    """Submit an array of jobs, and return its number.

    Args:
        order: what to submit.
        site: what the jobs ask for.
        threads: of every worker.
        storage_url: handed over in the environment, since anybody may read a script.

    Raises:
        SlurmError: sbatch refuses.
    """
    try:
        order.logs.mkdir(parents=True, exist_ok=True)
        sbatch = _Sbatch(order, site, threads)
        with _environment(HPO_STORAGE=storage_url):
            return sbatch.send()
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"slurm: sbatch must answer, but got nothing in {error.timeout:g} s. Look at "
            "`scontrol ping`, or ask the cluster's administrator."
        ) from None
    except (FailedSubmissionError, OSError) as error:
        said = " ".join(str(error).split())[:500]
        raise SlurmError(
            f"sbatch: the jobs must be accepted, but got: {said}. Correct the options "
            "(--slurm-…, hpo.toml); --dry-run shows the script."
        ) from None


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Variables that sbatch hands over to the jobs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def crew(*arguments: str) -> list[str]:
    """The command of a job, run by the Python that runs this."""
    return [sys.executable, "-m", "hpo.launch.executors.crew", *arguments]

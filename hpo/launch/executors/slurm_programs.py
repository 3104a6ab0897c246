"""Programs of SLURM: sbatch, squeue, scancel, sinfo; a function each."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.errors import HpoError, one_line
from hpo.views.sentences.formatting import plural

TIMEOUT_S = 60.0
LOOK_S = 10.0
"""Timeout of squeue, shorter since the launch waits for it."""
FAULTS = {"BOOT_FAIL", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
_PING = "Try `scontrol ping`, or ask the cluster's administrator."
_OPTIONS = (
    "Correct the options (--slurm-…, hpo.toml); --dry-run shows the script. If they are"
    " right, try `scontrol ping`."
)
_FORMAT = "%i|%T|%r|%N|%M"
_GONE = {*FAULTS, "CANCELLED", "COMPLETED", "PREEMPTED", "REVOKED", "VANISHED"}
"""States of jobs that will not run again. SLURM shows them for a few minutes, then they
vanish."""


class SlurmError(HpoError):
    """SLURM is missing, or a command of it failed."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, or one task of a job array."""

    id: str
    """As in ``4711_3``."""
    state: str = "PENDING"
    reason: str = "None"
    """Why it waits, as in ``Resources``; ``None`` if it does not."""
    node: str = ""
    ran: str = "0:00"
    """Its run time, as in ``1-02:03:04``."""

    @property
    def gone(self) -> bool:
        """Whether it has ended for good."""
        return self.state in _GONE

    @property
    def probes(self) -> bool:
        """Whether it is the single job that tests the database; the others form an
        array."""
        return "_" not in self.id


def reach() -> None:
    """Check that this host can submit jobs, and that SLURM answers.

    Raises:
        SlurmError: a command is missing, or SLURM does not answer.
    """
    ask("sbatch", "--version", timeout_s=LOOK_S)
    ask("sinfo", "--noheader", "--format=%P", timeout_s=LOOK_S)


def queued(name: str) -> list[Job]:
    """Return this user's jobs of a name, including those that ended recently.

    Raises:
        SlurmError: squeue does not answer.
    """
    answer = ask(
        *("squeue", "--me", "--noheader", "--array", "--states=all"),
        *(f"--format={_FORMAT}", f"--name={name}"),
        timeout_s=LOOK_S,
    )
    return parsed(answer)


def of_study(study: str) -> list[Job]:
    """Return this user's running and waiting jobs of a study's workers, by the name
    that a launch gives them: ``hpo-STUDY-HASH``.

    Raises:
        SlurmError: squeue does not answer.
    """
    answer = ask(
        *("squeue", "--me", "--noheader", "--array"),
        f"--format={_FORMAT}|%j",
        timeout_s=LOOK_S,
    )
    ours = re.compile(rf"(.*)\|hpo-{re.escape(study)}-[0-9a-f]{{8}}")
    found = [ours.fullmatch(line) for line in answer.splitlines()]
    jobs = parsed("\n".join(match[1] for match in found if match))
    return [job for job in jobs if not (job.gone or job.probes)]


def parsed(text: str) -> list[Job]:
    """Parse the output of squeue.

    Examples:
        >>> parsed("4711_3|RUNNING|None|node-7|1-00:01\\n")
        [Job(id='4711_3', state='RUNNING', reason='None', node='node-7', ran='1-00:01')]
    """
    jobs = []
    for line in text.splitlines():
        if line.count("|") == 4:
            number, state, reason, node, ran = line.strip().split("|")
            why = reason.strip("()")
            jobs.append(Job(id=number, state=state, reason=why, node=node, ran=ran))
    return jobs


def summary(living: Sequence[Job]) -> str:
    """Say how many jobs run, and why the others wait.

    Examples:
        >>> summary([Job(id="1_0", state="RUNNING"), Job(id="1_1", reason="Priority")])
        '1 job of SLURM runs; in the queue: 1 (Priority)'
    """
    reasons = Counter(job.reason for job in living if job.state == "PENDING")
    running = len(living) - reasons.total()
    run = f"{running} jobs of SLURM run"
    if running == 1:
        run = f"{plural(running, 'job')} of SLURM runs"
    if not reasons:
        return run
    waiting = ", ".join(f"{n} ({reason})" for reason, n in sorted(reasons.items()))
    return f"{run}; in the queue: {waiting}"


def check_only_here(partitions: str | None, database: str) -> None:
    """Check that jobs run only on this host, if no other host reaches the database.

    Raises:
        SlurmError: the partitions, by default the cluster's, have other nodes.
    """
    here = platform.node().split(".")[0]
    others = set()
    for line in ask("sinfo", "--noheader", "--format=%P|%n").splitlines():
        partition, _, host = line.partition("|")
        if partitions:
            is_ours = partition.rstrip("*") in partitions.split(",")
        else:
            is_ours = partition.endswith("*")
        if is_ours and host.split(".")[0] != here:
            others.add(host)
    if others:
        shown = sorted(others)[:3]
        if len(others) > 3:
            shown.append("…")
        raise SlurmError(
            f"slurm: the nodes {','.join(shown)}"
            f" of the partition cannot reach {database}, only {here} can. Set"
            " HPO_STORAGE to a PostgreSQL server that all nodes reach"
            " (docs/how-to/several-hosts.md)."
        )


def submit(script: str, storage_url: str) -> str:
    """Submit a script, and return the number of its job.

    Raises:
        SlurmError: sbatch refuses.
    """
    # Options on the command line override the variables SBATCH_… of the environment.
    options: list[str] = []
    for line in script.splitlines():
        if line.startswith("#SBATCH "):
            options += shlex.split(line.removeprefix("#SBATCH "))
    environment = {**os.environ, "HPO_STORAGE": storage_url}
    command = ("sbatch", "--parsable", "--export=ALL", *options)
    answer = ask(*command, environment=environment, script=script, remedy=_OPTIONS)
    return answer.strip().partition(";")[0]  # the cluster's name may follow


def ask(
    program: str,
    *arguments: str,
    timeout_s: float | None = None,
    environment: dict[str, str] | None = None,
    script: str = "",
    remedy: str = _PING,
) -> str:
    """Run a command of SLURM and return its output.

    Raises:
        SlurmError: the command is missing, fails, or does not answer in time.
    """
    try:
        done = subprocess.run(
            [program, *arguments],
            input=script,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s or TIMEOUT_S,
        )
        if done.returncode == 0:
            return done.stdout
        answer = done.stderr or done.stdout
    except FileNotFoundError:
        raise SlurmError(
            f"slurm: {program} is not in PATH={os.environ.get('PATH', '')}. Launch on a"
            " host that submits to the cluster (a login node), load its module, or use"
            " --executor local."
        ) from None
    except subprocess.TimeoutExpired as error:
        answer = f"no answer in {error.timeout:g} s"
    except OSError as error:
        answer = str(error)
    raise SlurmError(f"slurm: {program} failed: {one_line(answer)}. {remedy}")

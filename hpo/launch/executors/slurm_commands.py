"""What SLURM is asked: sbatch, squeue, scancel, sinfo."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from dataclasses import dataclass

from hpo.errors import HpoError

TIMEOUT_S = 60.0
LOOK_S = 10.0
"""How long a look at the queue may take: a launch has something else to do meanwhile."""
FAULTS = {"BOOT_FAIL", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
_FORMAT = "%i|%T|%r|%N|%M"
_GONE = {*FAULTS, "CANCELLED", "COMPLETED", "PREEMPTED", "REVOKED", "VANISHED"}
"""States of jobs that will not run again. SLURM shows them for a few minutes, then they vanish."""


class SlurmError(HpoError):
    """SLURM is not there, or does not do what it was asked to."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, or one task of an array of them, as SLURM sees it."""

    id: str
    """As in ``4711_3``."""
    state: str = "PENDING"
    reason: str = "None"
    """Why it waits, as in ``Resources``; ``None`` where it does not."""
    node: str = ""
    ran: str = "0:00"
    """How long it has run, or did, as in ``1-02:03:04``."""

    @property
    def waits(self) -> bool:
        """Whether it is in the queue."""
        return self.state == "PENDING"

    @property
    def gone(self) -> bool:
        """Whether it has ended for good."""
        return self.state in _GONE

    @property
    def probes(self) -> bool:
        """Whether it is the single job that tries the database; the others are of an array."""
        return "_" not in self.id


def jobs(name: str) -> list[Job]:
    """Return this user's jobs of a name, those that ended lately, too.

    Raises:
        SlurmError: squeue does not answer.
    """
    options = ("--me", "--noheader", "--array", "--states=all", f"--format={_FORMAT}")
    return parsed(ask("squeue", *options, f"--name={name}", timeout_s=LOOK_S))


def parsed(text: str) -> list[Job]:
    """Return the jobs of an answer of squeue.

    Examples:
        >>> parsed("4711_3|RUNNING|None|node-7|1-00:01:02\\n")
        [Job(id='4711_3', state='RUNNING', reason='None', node='node-7', ran='1-00:01:02')]
    """
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 4]
    return [Job(id=i, state=s, reason=r.strip("()"), node=n, ran=t) for i, s, r, n, t in rows]


def check_only_here(chosen: str | None, what: str) -> None:
    """Check that jobs run on this host alone, the only one that reaches the database ``what``.

    Raises:
        SlurmError: the partitions that were chosen, or the default one, have other nodes.
    """
    rows = [line.split("|") for line in ask("sinfo", "--noheader", "--format=%P|%n").splitlines()]
    wanted = chosen.split(",") if chosen else [name[:-1] for name, _ in rows if name[-1] == "*"]
    here = platform.node().split(".")[0]
    nodes = {node for name, node in rows if name.rstrip("*") in wanted}
    if others := sorted(node for node in nodes if node.split(".")[0] != here):
        raise SlurmError(
            f"slurm: the database must be reachable from every node of the partition, but got "
            f"{what}, which only {here} reaches, and nodes={','.join(others[:3])}"
            f"{',…' if len(others) > 3 else ''}. Give a PostgreSQL server that they reach: set "
            "HPO_STORAGE (docs/how-to/several-hosts.md)."
        )


def submit(script: str, storage_url: str) -> str:
    """Submit a script, and return the number of its job.

    Raises:
        SlurmError: sbatch refuses.
    """
    # The options once more: on the command line, no SBATCH_… of the environment wins.
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH ")]
    options = [part for line in lines for part in shlex.split(line.removeprefix("#SBATCH "))]
    environment = {**os.environ, "HPO_STORAGE": storage_url}
    try:
        said = ask("sbatch", "--export=ALL", *options, environment=environment, script=script)
    except SlurmError as error:
        raise SlurmError(
            f"{error} Correct the options (--slurm-…, hpo.toml); --dry-run shows the script."
        ) from None
    number = re.search(r"job (\d+)", said)
    if number is None:
        raise SlurmError(
            f"slurm: sbatch must tell the number of the job, but got {said.strip()!r}. Look for "
            "it with squeue --me, and cancel it."
        )
    return number[1]


def ask(
    program: str,
    *arguments: str,
    timeout_s: float | None = None,
    environment: dict[str, str] | None = None,
    script: str = "",
) -> str:
    """Return what a program of SLURM says.

    Raises:
        SlurmError: it is not there, it fails, or it does not answer in time.
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
        said = done.stderr or done.stdout
    except FileNotFoundError:
        raise SlurmError(
            f"slurm: {program} must be found in PATH, but got PATH={os.environ.get('PATH', '')}. "
            "Launch on a host that submits to the cluster (a login node), load its module, or "
            "take --executor local."
        ) from None
    except subprocess.TimeoutExpired as error:
        said = f"nothing in {error.timeout:g} s"
    except OSError as error:
        said = str(error)
    raise SlurmError(
        f"slurm: {program} must answer, but got: {' '.join(said.split())[:300]}. Look at "
        "`scontrol ping`, or ask the cluster's administrator."
    )

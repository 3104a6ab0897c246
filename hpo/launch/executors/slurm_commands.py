"""What SLURM says of its jobs and partitions: squeue, scancel, sinfo."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.errors import HpoError

PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo")
TIMEOUT_S = 60.0
LOOK_S = 10.0
"""How long a look at the queue may take: a launch has something else to do meanwhile."""
_FORMAT = "%i|%T|%r|%N|%M"
_GONE = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
    "VANISHED",
}
"""States of jobs that will not run again. SLURM shows them for a few minutes, then they vanish."""


class SlurmError(HpoError):
    """SLURM is not there, or does not do what it was asked to."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, or one task of an array of them, as SLURM sees it."""

    id: str
    """As in ``4711_3``."""
    state: str
    """As in ``PENDING``."""
    reason: str
    """Why it waits, as in ``Resources``; ``None`` where it does not."""
    node: str
    ran_s: float = 0.0
    """How long it has run, or did."""

    @property
    def waits(self) -> bool:
        """Whether it is in the queue."""
        return self.state == "PENDING"

    @property
    def gone(self) -> bool:
        """Whether it has ended for good."""
        return self.state in _GONE


def require() -> None:
    """Check that SLURM's programs are there.

    Raises:
        SlurmError: one is missing.
    """
    for name in PROGRAMS:
        if shutil.which(name) is None:
            raise SlurmError(
                f"slurm: {name} must be found in PATH, but got PATH={os.environ.get('PATH', '')}. "
                "Launch on a host that submits to the cluster (a login node), load its module, or "
                "take --executor local."
            )


def jobs(name: str) -> list[Job]:
    """This user's jobs of a name, those that ended lately, too.

    Raises:
        SlurmError: squeue does not answer.
    """
    options = ("--me", "--noheader", "--array", "--states=all", f"--format={_FORMAT}")
    return parsed(ask("squeue", *options, f"--name={name}", timeout_s=LOOK_S))


def parsed(text: str) -> list[Job]:
    """The jobs of an answer of squeue.

    Examples:
        >>> parsed("4711_3|RUNNING|None|node-7|1-00:01:02\\n")
        [Job(id='4711_3', state='RUNNING', reason='None', node='node-7', ran_s=86462.0)]
    """
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 4]
    return [
        Job(id=i, state=s, reason=r.strip("()"), node=n, ran_s=_seconds(t))
        for i, s, r, n, t in rows
    ]


def _seconds(text: str) -> float:
    """Of a time as in ``1-02:03:04``; 0 where there is none."""
    days, _, rest = text.rpartition("-")
    parts = [*rest.split(":")]
    if not all(part.isdecimal() for part in [*parts, days or "0"]):
        return 0.0
    total = 0.0
    for part in parts:
        total = 60 * total + int(part)
    return 86400 * int(days or 0) + total


def cancel(ids: Sequence[str]) -> None:
    """End jobs; those that are gone already are no matter.

    Raises:
        SlurmError: scancel does not answer.
    """
    if ids:
        ask("scancel", "--quiet", *ids)


def check_partition(names: str | None) -> None:
    """Check that the partitions of a comma-separated list exist.

    Raises:
        SlurmError: one does not; the message lists those that do.
    """
    there = partitions()
    for name in (names or "").split(","):
        if name and name not in there:
            raise SlurmError(
                f"slurm: the partition must be one of the cluster, but got partition={name}. "
                f"Valid: {', '.join(sorted(there)) or '(none)'}."
            )
    if not names and there and not any(there.values()):
        raise SlurmError(
            "slurm: a partition must be given, since the cluster has no default one. Give one of "
            f"{', '.join(sorted(there))}: --slurm-partition NAME."
        )


def partitions(*, timeout_s: float = TIMEOUT_S) -> dict[str, bool]:
    """Partitions by name; whether jobs go there that name none.

    Raises:
        SlurmError: sinfo does not answer.
    """
    names = ask("sinfo", "--noheader", "--format=%P", timeout_s=timeout_s).split()
    return {name.rstrip("*"): name.endswith("*") for name in names}


def check_only_here(partition: str | None, what: str) -> None:
    """Check that jobs run on this host alone, the only one that reaches the database ``what``.

    Raises:
        SlurmError: the partition has other nodes.
    """
    chosen = partition or ",".join(name for name, default in partitions().items() if default)
    nodes = set(ask("sinfo", "--noheader", "--format=%n", f"--partition={chosen}").split())
    here = platform.node()
    others = sorted(node for node in nodes if node.split(".")[0] != here.split(".")[0])
    if others:
        raise SlurmError(
            f"slurm: the database must be reachable from every node of the partition, but got "
            f"{what}, which only {here} reaches, and nodes={','.join(others[:3])}"
            f"{',…' if len(others) > 3 else ''}. Give a PostgreSQL server that they reach: set "
            "HPO_STORAGE (docs/how-to/several-hosts.md)."
        )


def ask(program: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> str:
    """What a program of SLURM says.

    Raises:
        SlurmError: it fails, or does not answer in time.
    """
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=timeout_s
        )
        said, failed = done.stderr, done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = str(error), True
    if failed:
        raise SlurmError(
            f"slurm: {program} must answer, but got: {' '.join(said.split())[:300]}. Look at "
            "`scontrol ping`, or ask the cluster's administrator."
        )
    return done.stdout

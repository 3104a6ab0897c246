"""Workers as SLURM jobs, which may wait in the queue for long and may be pre-empted.

A launch submits an array of jobs, each a crew of workers (``hpo worker --workers N``),
and then follows the study in its database. SLURM supervises: it requeues jobs after
pre-emption or the failure of a node, and a job requeues itself before its time limit,
and a few times if its crew was killed. The jobs run without the launch, and the next
launch of the study finds them by name.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from hpo.errors import HpoError
from hpo.launch.executors import GRACE_S, Executor, LaunchOptions
from hpo.views.sentences import formatting
from hpo.worker.crew import remove_old_logs, tail

TIMEOUT_S = 60.0
LOOK_S = 10.0
"""Timeout of squeue, shorter since the launch waits for it."""
FAULTS = {"BOOT_FAIL", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
_FORMAT = "%i|%T|%r|%N|%M"
_GONE = {*FAULTS, "CANCELLED", "COMPLETED", "PREEMPTED", "REVOKED", "VANISHED"}
"""States of jobs that will not run again. SLURM shows them for a few minutes, then they
vanish."""
ASK_S = 10.0
"""Pause between two calls of squeue, which burdens a shared scheduler."""
PROBE_TIME = "5:00"
"""Time limit of the job that tests the database before the others, in minutes and
seconds."""
LATE_S = 15.0
"""Longest delay until the log of an ended job shows up on another host."""
LEAVING_S = 120.0
"""Longest wait for cancelled jobs; SLURM kills them before, mostly after 30 s."""
KILLS = 5
"""A job does not requeue after its crew was killed this many times."""
_SCRIPT = """\
#!/bin/bash
{options}

: "${{HPO_STORAGE:?set it to the address of the database, and use sbatch --export=ALL}}"
{setup}trap 'signal=${{signal:-USR2}}; kill -USR2 $!' USR2  # the time limit is near
trap 'signal=TERM; kill -TERM $!' TERM  # cancelled, or pre-empted
{command} &
wait $!; status=$?
while kill -0 $! 2> /dev/null; do wait $!; status=$?; done  # a signal ends a wait
job="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
again() {{ exec scontrol requeue "$job"; }}
if [ "$signal" = USR2 ]; then again; fi
if [ -z "$signal" ] && [ $status -gt 128 ]; then  # it was killed
  echo $status >> {logs}/"$job.kills"
  if [ "$(wc -l < {logs}/"$job.kills")" -lt {kills} ]; then again; fi
  echo "slurm: the crew was killed {kills} times, now with exit status $status." \
    "If memory was short, request more memory or fewer workers per job."
fi
exit $status
"""


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


class SlurmExecutor(Executor):
    """An executor that submits SLURM jobs, reports their state, and cancels or leaves
    them."""

    outlives: ClassVar[bool] = True

    def __init__(self, study: str, *, options: LaunchOptions, storage_url: str) -> None:
        """Submit nothing yet.

        Args:
            study: name of the study.
            options: options of the launch, with those of the jobs.
            storage_url: passed in the environment, since anybody may read a script.
        """
        self._study, self._options, self._url = study, options, storage_url
        self._site, self._threads = options.site.slurm, options.site.launch.threads
        self.logs = (
            options.logs(study) / "slurm"
        )  # on a file system that the nodes share
        digest = hashlib.sha256(f"{options.database}\n{study}".encode()).hexdigest()[:8]
        self.name = f"hpo-{study}-{digest}"
        self._jobs: dict[str, Job] = {}
        self._events: list[str] = []
        self._started, self._silent, self._last_summary = False, False, ""
        self._failed_s = self._ask_due_s = 0.0

    @property
    def alive(self) -> int:
        """Number of workers of jobs that run or wait in the queue."""
        return self._site.workers_per_job * len(self._living())

    def where(self, n: int) -> str:
        """Describe the jobs for ``n`` workers."""
        each, limit_s = self._site.workers_per_job, self._site.limit_s
        what = (
            f"{_count(self._jobs_for(n))} of SLURM with {each} worker{'s' * (each > 1)}"
            " each"
        )
        what += (
            f", for {formatting.duration_text(limit_s)} at a time" if limit_s else ""
        )
        return f"{what}; logs in {self.logs}"

    def start(self, n: int) -> None:
        """Submit jobs for ``n`` workers, less those in the queue.

        The first job tests the database: SLURM starts the others after its success, and
        cancels them after its failure.
        """
        if self._options.only_here:
            check_only_here(self._site.partition, self._options.database)
        self._started = True
        self.logs.mkdir(parents=True, exist_ok=True)
        remove_old_logs(self.logs)
        self._jobs = self._queued()
        present = len(self._living())
        if present:
            self._events.append(f"{_count(present)} of this study in the queue already")
        missing = self._jobs_for(n) - present
        if missing <= 0:
            return
        after = ""
        if self._site.probe and not present:
            after = submit(self._script(0), self._url)
            self._jobs[after] = Job(id=after)
            self._events.append(
                f"probe job {after} tests if a node reaches the database (--no-probe"
                " skips it)"
            )
        number = submit(self._script(missing, after), self._url)
        self._jobs |= {i: Job(id=i) for i in (f"{number}_{k}" for k in range(missing))}
        self._events.append(
            f"submitted {_count(missing)} to SLURM: {number}_[0-{missing - 1}]"
        )
        self._ask_due_s = time.monotonic() + ASK_S

    def poll(self) -> list[str]:
        """Ask squeue if it is time, and return new events.

        Raises:
            SlurmError: the probe did not reach the database, or all jobs ended and some
                failed.
        """
        if time.monotonic() >= self._ask_due_s and self._jobs:
            self._look()
        self._check()
        events, self._events = self._events, []
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Cancel all jobs and wait until they are gone; SLURM kills those that do not
        end.

        This includes jobs whose submission was interrupted. If SLURM does not answer,
        print how to cancel them later.
        """
        if not self._started:
            return
        self._started = False
        ids = {job.id for job in self._jobs.values() if not job.gone}
        self._jobs = {}
        try:
            with suppress(SlurmError):
                ids |= self._queued().keys()
            if ids:
                ask("scancel", "--quiet", *sorted(ids))
        except SlurmError as error:
            later = f"cancel them later: scancel --name={self.name}"
            print(f"{error} {_count(len(ids))} may still run; {later}", file=sys.stderr)
            return
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        while ids and time.monotonic() < deadline:
            with suppress(SlurmError):  # it has accepted scancel
                ids &= self._queued().keys()
            time.sleep(1.0 if ids else 0.0)

    def leave(self) -> str:
        """Forget the jobs, which continue."""
        n = len(self._living())
        self._started, self._jobs = False, {}
        jobs = f"{_count(n)} of this study" if n else "jobs of this study, if any,"
        return f"{jobs} continue in SLURM; cancel with: scancel --name={self.name}"

    def script(self, n: int) -> str:
        """Return the script that ``start`` would submit; it has no address of a
        database."""
        return self._script(self._jobs_for(n))

    def _script(self, jobs: int, after: str = "") -> str:
        """Return the script of an array of jobs, or with 0 of the job that tests the
        database."""
        site = self._site
        values: dict[str, object] = {
            "account": site.account,
            "array": f"0-{jobs - 1}%{jobs}" if jobs else None,
            "constraint": site.constraint,
            "cpus-per-task": (
                (site.cpus_per_worker or self._threads) * site.workers_per_job
            ),
            "dependency": f"afterok:{after}" if after else None,
            "gpus-per-node": site.gpus,
            "job-name": self.name,
            "kill-on-invalid-dep": "yes" if after else None,
            "mem": site.mem,
            "nodes": 1,
            "open-mode": "append",
            "output": f"{self.logs.absolute()}/{'%A_%a' if jobs else '%j'}.log",
            "partition": site.partition,
            "qos": site.qos,
            "requeue": True,
            "signal": f"B:USR2@{site.signal_s}" if jobs else None,
            "time": site.time if jobs else PROBE_TIME,
            **{key.replace("_", "-"): value for key, value in site.options.items()},
        }
        options = [
            f"--{key}" if value is True else f"--{key}={shlex.quote(str(value))}"
            for key, value in sorted(values.items())
            if value is not None and value is not False
        ]
        python = [sys.executable, "-P", "-m"]
        crew = [
            *(*python, "hpo.worker", f"--study={self._study}"),
            f"--workers={site.workers_per_job}",
            f"--threads={self._threads}",
            f"--logs={self.logs.absolute()}",
            f"--usr2-grace={0.75 * site.signal_s:g}",
            *self._options.of_workers,
        ]
        return _SCRIPT.format(
            options="\n".join(f"#SBATCH {option}" for option in options),
            setup="".join(f"{line}\n" for line in site.setup),
            command=shlex.join(crew if jobs else [*python, "hpo", "storage", "status"]),
            logs=shlex.quote(str(self.logs.absolute())),
            kills=KILLS,
        )

    def _jobs_for(self, workers: int) -> int:
        return -(-workers // self._site.workers_per_job)

    def _living(self) -> list[Job]:
        return [job for job in self._jobs.values() if not (job.gone or job.probes)]

    def _queued(self) -> dict[str, Job]:
        """Return this study's running and waiting jobs by number, from squeue."""
        return {job.id: job for job in queued(self.name) if not job.gone}

    def _look(self) -> None:
        """Update the jobs from squeue, if it answers, and note what has changed."""
        self._ask_due_s = time.monotonic() + ASK_S
        try:
            jobs = {job.id: job for job in queued(self.name)}
        except SlurmError as error:
            self._events += [] if self._silent else [f"{error} Retrying."]
            self._silent = True
            return
        self._events += ["squeue answers again"] if self._silent else []
        self._silent = False
        before = self._jobs  # another launch of this study may have submitted more
        self._jobs = {i: job for i, job in jobs.items() if i in before or not job.gone}
        for i, job in before.items():
            vanished = job if job.gone else replace(job, state="VANISHED")
            now = self._jobs.setdefault(i, vanished)
            if now.state in FAULTS | {"CANCELLED"} and not job.gone:
                node = f" on {now.node}" if now.node else ""
                text = f"job {i} ended after {now.ran}{node} ({now.state})"
                self._events.append(f"{text}; log: {self._log(now)}")
        summary = self._summary()
        self._events += [summary] if summary != self._last_summary else []
        self._last_summary = summary

    def _summary(self) -> str:
        """Say how many jobs run, and why the others wait."""
        living = self._living()
        reasons = Counter(job.reason for job in living if job.state == "PENDING")
        running = len(living) - reasons.total()
        waiting = ", ".join(f"{n} ({reason})" for reason, n in sorted(reasons.items()))
        run = f"{_count(running)} of SLURM" + (" run" if running > 1 else " runs")
        return f"{run}; in the queue: {waiting}" if waiting else run

    def _check(self) -> None:
        """Raise an error if the probe has failed, or if jobs have failed and none is
        left."""
        failed = [job for job in self._jobs.values() if job.state in FAULTS]
        probes = [job for job in failed if job.probes]
        if not probes and (self._living() or not failed):
            return
        job = (probes or failed)[-1]
        log = self._log(job)
        output = tail(log) if log.exists() and log.stat().st_size else ""
        self._failed_s = self._failed_s or time.monotonic()
        if not output and time.monotonic() - self._failed_s < LATE_S:
            return
        lost = (
            "  (no log: do nodes share its directory, see HPO_HOME, and"
            f" {sys.executable}?)"
        )
        name = (
            "the probe job, which tests if a node reaches the database,"
            if probes
            else "job"
        )
        raise SlurmError(
            f"slurm: {name} {job.id} failed ({job.state} on"
            f" {job.node or 'no node'}):\n{output or lost}\nFix"
            f" that{', or use --no-probe' if probes else ''}. Its log: {log}"
        )

    def _log(self, job: Job) -> Path:
        return self.logs.absolute() / f"{job.id}.log"


def _count(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"


# --- commands of SLURM: sbatch, squeue, scancel, sinfo ---


def queued(name: str) -> list[Job]:
    """Return this user's jobs of a name, including those that ended recently.

    Raises:
        SlurmError: squeue does not answer.
    """
    options = ("--me", "--noheader", "--array", "--states=all", f"--format={_FORMAT}")
    return parsed(ask("squeue", *options, f"--name={name}", timeout_s=LOOK_S))


def parsed(text: str) -> list[Job]:
    """Parse the output of squeue.

    Examples:
        >>> parsed("4711_3|RUNNING|None|node-7|1-00:01:02\\n")
        [Job(id='4711_3', state='RUNNING', reason='None', node='node-7',
        ran='1-00:01:02')]
    """
    rows = [
        line.strip().split("|") for line in text.splitlines() if line.count("|") == 4
    ]
    return [
        Job(id=i, state=s, reason=r.strip("()"), node=n, ran=t)
        for i, s, r, n, t in rows
    ]


def check_only_here(partitions: str | None, database: str) -> None:
    """Check that jobs run only on this host, if no other host reaches the database.

    Raises:
        SlurmError: the partitions, by default the cluster's, have other nodes.
    """
    rows = [
        line.split("|")
        for line in ask("sinfo", "--noheader", "--format=%P|%n").splitlines()
    ]
    default = [name[:-1] for name, _ in rows if name[-1] == "*"]
    names = partitions.split(",") if partitions else default
    here = platform.node().split(".")[0]
    nodes = {node for name, node in rows if name.rstrip("*") in names}
    if others := sorted(node for node in nodes if node.split(".")[0] != here):
        raise SlurmError(
            f"slurm: the nodes {','.join(others[:3])}{',…' if len(others) > 3 else ''}"
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
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH ")]
    options = [
        part for line in lines for part in shlex.split(line.removeprefix("#SBATCH "))
    ]
    environment = {**os.environ, "HPO_STORAGE": storage_url}
    line = ("sbatch", "--parsable", "--export=ALL", *options)
    try:
        answer = ask(*line, environment=environment, script=script)
    except SlurmError as error:
        raise SlurmError(
            f"{error} Correct the options (--slurm-…, hpo.toml); --dry-run shows the"
            " script."
        ) from None
    return answer.strip().partition(";")[0]  # the cluster's name may follow


def ask(
    program: str,
    *arguments: str,
    timeout_s: float | None = None,
    environment: dict[str, str] | None = None,
    script: str = "",
) -> str:
    """Return the output of a command of SLURM.

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
    raise SlurmError(
        f"slurm: {program} failed: {' '.join(answer.split())[:300]}. Try `scontrol"
        " ping`, or ask the cluster's administrator."
    )

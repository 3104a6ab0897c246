"""Workers as SLURM jobs, which may wait in the queue for long and may be pre-empted.

A launch submits an array of jobs, each a crew of workers (``hpo worker --workers N``),
and then follows the study in its database. SLURM supervises: it requeues jobs after
pre-emption or the failure of a node, and a job requeues itself before its time limit,
and a few times if its crew was killed. The jobs run without the launch, and the next
launch of the study finds them by name.
"""

from __future__ import annotations

import hashlib
import math
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hpo.config import SlurmDefaults
from hpo.launch.executors import GRACE_S, CancelledError, ClusterExecutor
from hpo.launch.executors.slurm_programs import (
    FAULTS,
    Job,
    SlurmError,
    ask,
    check_only_here,
    queued,
    submit,
    summary,
)
from hpo.postgres.urls import is_of_this_host, parse_url
from hpo.views.sentences.formatting import duration_text, plural
from hpo.worker.crew import WorkerSetup, remove_old_logs, tail

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
_PYTHON = (sys.executable, "-P", "-m")
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


class SlurmExecutor(ClusterExecutor):
    """An executor that submits SLURM jobs, reports their state, and cancels or leaves
    them."""

    outlives: ClassVar[bool] = True

    def __init__(self, setup: WorkerSetup, site: SlurmDefaults, database: str) -> None:
        """Submit nothing yet.

        Args:
            setup: what the workers have in common; nodes share its directory of logs.
            site: the resources of a job.
            database: the database in words; with the study, it names the jobs.
        """
        super().__init__(setup)
        self._site = site
        self._database = database
        self._url = setup.storage_url or ""
        self.logs = setup.logs
        known = f"{database}\n{setup.study}"
        self.name = (
            f"hpo-{setup.study}-{hashlib.sha256(known.encode()).hexdigest()[:8]}"
        )
        self._jobs: dict[str, Job] = {}
        self._started = False
        self._last_summary = ""
        self._failed_s: float | None = None
        self._ask_due_s = 0.0

    @property
    def alive(self) -> int:
        """Number of workers of jobs that run or wait in the queue."""
        return self._site.workers_per_job * len(self._living())

    def where(self, n: int) -> str:
        """Describe the jobs for ``n`` workers."""
        each = self._site.workers_per_job
        jobs = plural(self._jobs_for(n), "job")
        what = f"{jobs} of SLURM with {plural(each, 'worker')} each"
        if self._site.limit_s:
            limit = duration_text(self._site.limit_s)
            what += f", for {limit} at a time"
        return f"{what}; logs in {self.logs}"

    def start(self, n: int) -> None:
        """Submit jobs for ``n`` workers, less those in the queue; make the folder of
        logs, and remove old logs.

        The first job tests the database: SLURM starts the others after its success, and
        cancels them after its failure.
        """
        if is_of_this_host(parse_url(self._url)):
            check_only_here(self._site.partition, self._database)
        self._started = True
        self.logs.mkdir(parents=True, exist_ok=True)
        remove_old_logs(self.logs)
        self._jobs = self._queued()
        present = len(self._living())
        if present:
            self._events.append(
                f"{plural(present, 'job')} of this study in the queue already"
            )
        missing = self._jobs_for(n) - present
        if missing <= 0:
            return
        probe = None
        if self._site.probe and not present:
            probe = submit(self._probe_script(), self._url)
            self._jobs[probe] = Job(id=probe)
            self._events.append(
                f"probe job {probe} tests if a node reaches the database (--no-probe"
                " skips it)"
            )
        number = submit(self._array_script(missing, probe), self._url)
        for k in range(missing):
            self._jobs[f"{number}_{k}"] = Job(id=f"{number}_{k}")
        self._events.append(
            f"submitted {plural(missing, 'job')} to SLURM: {number}_[0-{missing - 1}]"
        )
        self._ask_due_s = time.monotonic() + ASK_S

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
        with suppress(SlurmError):
            ids |= self._queued().keys()
        if not ids:
            return
        try:
            ask("scancel", "--quiet", *sorted(ids))
        except SlurmError as error:
            later = f"cancel them later: scancel --name={self.name}"
            print(
                f"{error} {plural(len(ids), 'job')} may still run; {later}",
                file=sys.stderr,
            )
            return
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        while time.monotonic() < deadline:
            with suppress(SlurmError):  # it has accepted scancel
                ids &= self._queued().keys()
            if not ids:
                return
            time.sleep(1.0)

    def leave(self) -> str:
        """Forget the jobs, which continue."""
        n = len(self._living())
        self._started = False
        self._jobs = {}
        jobs = "jobs of this study, if any,"
        if n:
            jobs = f"{plural(n, 'job')} of this study"
        return f"{jobs} continue in SLURM; cancel with: scancel --name={self.name}"

    # --- the scripts of jobs; they have no address of a database ---

    def script(self, n: int) -> str:
        """Return the script that ``start`` would submit."""
        return self._array_script(self._jobs_for(n))

    def _array_script(self, jobs: int, probe: str | None = None) -> str:
        """Return the script of an array of jobs, which start after the probe job."""
        site = self._site
        options: dict[str, object] = {
            "array": f"0-{jobs - 1}%{jobs}",
            "output": f"{self.logs}/%A_%a.log",
            "signal": f"B:USR2@{site.signal_s}",
            "time": site.time,
        }
        if probe is not None:
            options["dependency"] = f"afterok:{probe}"
            options["kill-on-invalid-dep"] = "yes"
        crew = [
            *_PYTHON,
            "hpo.worker",
            f"--study={self._setup.study}",
            f"--workers={site.workers_per_job}",
            f"--threads={self._setup.threads}",
            f"--logs={self.logs}",
            f"--usr2-grace={0.75 * site.signal_s:g}",
            *self._setup.options,
        ]
        return self._script(options, crew)

    def _probe_script(self) -> str:
        """Return the script of the job that tests the database."""
        options = {"output": f"{self.logs}/%j.log", "time": PROBE_TIME}
        return self._script(options, [*_PYTHON, "hpo", "storage", "status"])

    def _script(self, options: Mapping[str, object], command: list[str]) -> str:
        site = self._site
        cpus = site.cpus_per_worker or self._setup.threads
        values: dict[str, object] = {
            "account": site.account,
            "constraint": site.constraint,
            "cpus-per-task": cpus * site.workers_per_job,
            "gpus-per-node": site.gpus,
            "job-name": self.name,
            "mem": site.mem,
            "nodes": 1,
            "open-mode": "append",
            "partition": site.partition,
            "qos": site.qos,
            "requeue": True,
            **options,
            **{key.replace("_", "-"): value for key, value in site.options.items()},
        }
        lines = []
        for key, value in sorted(values.items()):
            if value is True:
                lines.append(f"#SBATCH --{key}")
            elif value is not None and value is not False:
                lines.append(f"#SBATCH --{key}={shlex.quote(str(value))}")
        return _SCRIPT.format(
            options="\n".join(lines),
            setup="".join(f"{line}\n" for line in site.setup),
            command=shlex.join(command),
            logs=shlex.quote(str(self.logs)),
            kills=KILLS,
        )

    # --- what becomes of them ---

    def _jobs_for(self, workers: int) -> int:
        return math.ceil(workers / self._site.workers_per_job)

    def _living(self) -> list[Job]:
        return [job for job in self._jobs.values() if not (job.gone or job.probes)]

    def _queued(self) -> dict[str, Job]:
        """Return this study's running and waiting jobs by number, from squeue."""
        return {job.id: job for job in queued(self.name) if not job.gone}

    def _look(self) -> None:
        """Ask squeue if it is time.

        Raises:
            SlurmError: the probe did not reach the database, or all jobs ended and some
                failed.
        """
        if time.monotonic() >= self._ask_due_s and self._jobs:
            self._ask()
        self._check()

    def _ask(self) -> None:
        """Update the jobs from squeue, if it answers, and note what has changed."""
        self._ask_due_s = time.monotonic() + ASK_S
        try:
            jobs = {job.id: job for job in queued(self.name)}
        except SlurmError as error:
            self._hear("squeue", f"{error} Retrying.")
            return
        self._hear("squeue")
        before = self._jobs  # another launch of this study may have submitted more
        self._jobs = {i: job for i, job in jobs.items() if i in before or not job.gone}
        for i, job in before.items():
            if i not in jobs:
                self._jobs[i] = job if job.gone else replace(job, state="VANISHED")
            now = self._jobs[i]
            if now.state in FAULTS | {"CANCELLED"} and not job.gone:
                node = f" on {now.node}" if now.node else ""
                text = f"job {i} ended after {now.ran}{node} ({now.state})"
                self._events.append(f"{text}; log: {self._log(now)}")
        text = self._summary()
        if text != self._last_summary:
            self._events.append(text)
        self._last_summary = text

    def _summary(self) -> str:
        """Say how many jobs run, and why the others wait; first why the probe does."""
        probes = [job for job in self._jobs.values() if job.probes and not job.gone]
        waits = [job.reason for job in probes if job.state == "PENDING"]
        text = summary(self._living())
        if waits:
            text += f"; the probe job waits ({waits[0]})"
        return text

    def _check(self) -> None:
        """Raise an error if the probe has failed, or if jobs have failed or were
        cancelled and none is left."""
        failed = [job for job in self._jobs.values() if job.state in FAULTS]
        probes = [job for job in failed if job.probes]
        name = "job"
        remedy = "Fix that."
        if probes:
            failed = probes
            name = "the probe job, which tests if a node reaches the database,"
            remedy = "Fix that, or use --no-probe."
        elif self._living():
            return
        if not failed:
            self._check_cancelled()
            return
        job = failed[-1]
        log = self._log(job)
        output = tail(log) if log.exists() and log.stat().st_size else ""
        if self._failed_s is None:
            self._failed_s = time.monotonic()
        if not output and time.monotonic() - self._failed_s < LATE_S:
            return
        lost = (
            "  (no log: do nodes share its directory, see HPO_HOME, and"
            f" {sys.executable}?)"
        )
        raise SlurmError(
            f"slurm: {name} {job.id} failed ({job.state} on"
            f" {job.node or 'no node'}):\n{output or lost}\n{remedy} Its log: {log}"
        )

    def _check_cancelled(self) -> None:
        """Raise an error if somebody has cancelled the last jobs."""
        cancelled = [job.id for job in self._jobs.values() if job.state == "CANCELLED"]
        if cancelled:
            raise CancelledError(
                f"slurm: no job of this study is left: {', '.join(cancelled)} were"
                " cancelled. Nothing is lost. The same command submits new jobs."
            )

    def _log(self, job: Job) -> Path:
        return self.logs / f"{job.id}.log"

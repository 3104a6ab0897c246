"""Workers as jobs of SLURM, in a queue that may last, on nodes that may take them away again.

A launch submits an array of jobs, each a crew of workers (``hpo.launch.executors.crew``), and then
follows the study in its database. The jobs need the launch no more: it may leave them, and the next
launch of the same study finds them by their name and counts them. What jobs do is asked from
squeue, now and then; who works at what, from the ledger.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from hpo.config import SlurmDefaults
from hpo.launch.executors import GRACE_S, Executor, Release, slurm_commands, slurm_script
from hpo.launch.executors.local import (
    DEATHS_AT_START,
    HEALTHY_S,
    PAUSE_S,
    WorkerError,
    remove_old_logs,
    tail,
)
from hpo.launch.executors.slurm_commands import Job, SlurmError
from hpo.views import formatting

ASK_S = (5.0, 30.0)
"""Shortest and longest pause between two questions to squeue, which is everybody's."""
PROBE_TIME = "5:00"
"""Minutes and seconds that a probe may run."""
LATE_S = 15.0
"""After the end of a probe, its log may show up so late on another host."""
LEAVING_S = 120.0
"""Longest wait for jobs that were cancelled; SLURM kills them before, mostly after 30 s."""
_OUT_OF_MEMORY = "OUT_OF_MEMORY"
"""How a job ends whose processes took more than it was given: its trial may be too large. Whatever
else ends a job may be anybody's doing."""
_NO_FAULT = {"CANCELLED", "COMPLETED", "NODE_FAIL", "PREEMPTED", "TIMEOUT", "VANISHED"}
"""Ends that say nothing against a job."""


@dataclass(kw_only=True)
class _Probe:
    """The job that tries the database before the others come."""

    name: str
    job: Job
    ended_s: float | None = None


class SlurmExecutor(Executor):
    """Submits jobs, replaces those that are lost while there is work, cancels or leaves them."""

    outlives: ClassVar[bool] = True

    def __init__(
        self,
        study: str,
        *,
        site: SlurmDefaults,
        storage_url: str,
        place: str,
        logs: Path,
        threads: int = 1,
        options: Sequence[str] = (),
        only_here: str | None = None,
        useful: Callable[[], int] = lambda: sys.maxsize,
        probed: Callable[[str], bool] = lambda name: False,
        release: Release = lambda job, why: False,
        say: Callable[[str], object] = lambda text: print(text, file=sys.stderr, flush=True),
    ) -> None:
        """Nothing is submitted yet.

        Args:
            study: name of the study.
            site: what the jobs ask for.
            storage_url: handed over in the environment, since anybody may read a script.
            place: which database that is, without a password; with the study, it names the jobs.
            logs: directory of the log files, on a file system that the nodes share.
            threads: of every worker.
            options: more options for every crew.
            only_here: words for a database that no other host reaches; None if others may.
            useful: says how many workers would find work now.
            probed: says whether a probe of this name is in the database.
            release: told of every job that ended.
            say: tells the user what cannot wait for ``poll``.
        """
        self._study, self._site, self._url = study, site, storage_url
        self._logs, self._threads = logs, threads
        self._options, self._only_here = list(options), only_here
        self._useful, self._probed = useful, probed
        self._release, self._say = release, say
        digest = hashlib.sha256(f"{place}\n{study}".encode()).hexdigest()[:8]
        self.name = f"hpo-{study}-{digest}"
        self._target, self._started, self._helpless = 0, False, False
        self._jobs: dict[str, Job] = {}
        self._probe: _Probe | None = None
        self._events: list[str] = []
        self._ask_pause_s, self._ask_due_s = ASK_S[0], 0.0
        self._silent, self._told = False, ""
        self._deaths, self._pause_s, self._due_s = 0, PAUSE_S[0], 0.0
        self._deaths_on = Counter[str]()  # by node
        self._vain_s = ASK_S[0]  # until it is asked again if more jobs would find work

    @property
    def alive(self) -> int:
        """Workers of jobs that run, or wait in the queue."""
        jobs = self._target if self._probe else sum(not j.gone for j in self._jobs.values())
        return jobs * self._site.workers_per_job

    def where(self, n: int) -> str:
        """The jobs of the cluster, as a launch tells where its workers are."""
        each, jobs = self._site.workers_per_job, self._jobs_for(n)
        workers = "1 worker" if each == 1 else f"{each} workers"
        partition = f" in partition {self._site.partition}" if self._site.partition else ""
        limit_s = self._site.limit_s
        limit = f", for {formatting.duration_text(limit_s)} at a time" if limit_s else ""
        odd = "" if jobs * each == n else f" ({jobs * each} rather than {n})"
        what = f"{_count(jobs)} of SLURM with {workers} each"
        return f"{what}{odd}{partition}{limit}; logs in {self._logs}"

    def script(self, n: int) -> str:
        """The script that ``start`` would submit."""
        return slurm_script.script(self._order(self._jobs_for(n)), self._site, self._threads)

    def start(self, n: int) -> None:
        """Submit jobs for ``n`` workers, less those in the queue; a probe first."""
        slurm_commands.require()
        slurm_commands.check_partition(self._site.partition)
        if self._only_here is not None:
            slurm_commands.check_only_here(self._site.partition, self._only_here)
        self._target, self._started = self._jobs_for(n), True
        remove_old_logs(self._logs)
        self._jobs = self._queued()
        if self._jobs:
            self._events.append(f"{_count(len(self._jobs))} of this study in the queue already")
        missing = self._target - len(self._jobs)
        if missing > 0 and self._site.probe and not self._jobs:
            self._start_probe()
        elif missing > 0:
            self._submit(missing)

    def poll(self) -> list[str]:
        """Ask squeue if it is time; submit jobs in place of those that ended, ever later."""
        self.look()
        if self._probe is not None:
            self._follow_probe(self._probe)
        if self._probe is None:
            self._forget_gone()
            if len(self._jobs) < self._target and time.monotonic() >= self._due_s:
                self._replace()
        events, self._events = self._events, []
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Cancel all jobs and wait until they are gone; SLURM kills what does not end by itself.

        Those, too, whose submission was interrupted. If SLURM is away, it says so and goes on.
        """
        if not self._started:
            return
        ids = self._known()
        with suppress(SlurmError):
            ids = sorted({*ids, *self._queued()})
        try:
            slurm_commands.cancel(ids)
        except SlurmError as error:
            if not self._helpless:
                later = f"cancel them later: scancel --name={self.name}"
                self._say(f"{error} {_count(len(ids))} may go on; {later}")
            self._helpless = True
            return
        self._forget()
        deadline = time.monotonic() + (LEAVING_S if grace_s is None else grace_s)
        left = set(ids)
        while left and time.monotonic() < deadline:
            with suppress(SlurmError):  # it was told to end them, and will
                left &= self._queued().keys()
            time.sleep(1.0 if left else 0.0)
        for job in set(ids) - left:
            self._release(job, None)

    def leave(self) -> str:
        """Forget the jobs, which go on; a probe is of no use any more."""
        if self._probe is not None:
            self.stop(0.0)
            return "no job was submitted yet"
        ids = self._forget()
        jobs = _count(len(ids)) if ids else "jobs of this study, if any are queued, are"
        return f"{jobs} left to SLURM; cancel with: scancel --name={self.name}"

    def _queued(self) -> dict[str, Job]:
        """This study's jobs that run or wait, by their numbers, as squeue knows them."""
        return {job.id: job for job in slurm_commands.jobs(self.name) if not job.gone}

    def _known(self) -> list[str]:
        ids = [job.id for job in self._jobs.values() if not job.gone]
        return ids + ([self._probe.job.id] if self._probe else [])

    def _forget(self) -> list[str]:
        ids, self._jobs, self._probe, self._started = self._known(), {}, None, False
        return ids

    def _jobs_for(self, workers: int) -> int:
        return math.ceil(workers / self._site.workers_per_job)

    def _order(self, jobs: int) -> slurm_script.JobScript:
        command = slurm_script.crew(
            f"--study={self._study}",
            f"--workers={self._site.workers_per_job}",
            f"--threads={self._threads}",
            f"--logs={self._logs.absolute()}",
            f"--usr2-grace={0.75 * self._site.signal_s:g}",
            *self._options,
        )
        return slurm_script.JobScript(name=self.name, jobs=jobs, command=command, logs=self._logs)

    def _submit(self, jobs: int) -> None:
        number = slurm_script.submit(self._order(jobs), self._site, self._threads, self._url)
        ids = [f"{number}_{i}" for i in range(jobs)]
        self._jobs |= {i: Job(id=i, state="PENDING", reason="None", node="") for i in ids}
        self._events.append(f"submitted {_count(jobs)} to SLURM: {number}_[0-{jobs - 1}]")
        self._ask_soon()

    # --- what squeue says ----------------------------------------------------------------

    def _ask_soon(self) -> None:
        self._ask_pause_s = ASK_S[0]
        self._ask_due_s = time.monotonic() + ASK_S[0]

    def look(self) -> None:
        """Bring the jobs up to date, unless that was done a moment ago or squeue is silent."""
        now = time.monotonic()
        if now < self._ask_due_s or not (self._jobs or self._probe):
            return
        self._ask_due_s = now + self._ask_pause_s
        self._ask_pause_s = min(2 * self._ask_pause_s, ASK_S[1])
        try:
            name = f"{self.name}-probe" if self._probe else self.name
            found = {job.id: job for job in slurm_commands.jobs(name)}
        except SlurmError as error:
            self._events += [] if self._silent else [f"{error} Trying on."]
            self._silent = True
            return
        self._events += ["squeue answers again"] if self._silent else []
        self._silent = False
        if self._probe is not None:
            before = self._probe.job
            job = self._probe.job = found.get(before.id, replace(before, state="VANISHED"))
            self._tell(f"the probe job {job.id} waits: {job.reason}" if job.waits else "")
            return
        known = {i: found.get(i, replace(j, state="VANISHED")) for i, j in self._jobs.items()}
        others = {i: job for i, job in found.items() if not job.gone and i not in known}
        self._jobs = known | others  # others: of a launch beside this one
        self._tell(self._words())

    def _words(self) -> str:
        """How many jobs run, and why the others wait."""
        running = sum(not job.waits and not job.gone for job in self._jobs.values())
        reasons = Counter(job.reason for job in self._jobs.values() if job.waits)
        waiting = ", ".join(f"{n} ({reason})" for reason, n in sorted(reasons.items()))
        run = f"{_count(running)} of SLURM" + (" run" if running > 1 else " runs")
        return f"{run}; in the queue: {waiting}" if waiting else run

    def _tell(self, words: str) -> None:
        """Tell it once, and ask more often while things change."""
        if words != self._told:
            self._events += [words] if words else []
            self._told, self._ask_pause_s = words, ASK_S[0]

    def _forget_gone(self) -> None:
        """Forget the jobs that are gone, and plan when to submit others."""
        gone = [job for job in self._jobs.values() if job.gone]
        for job in gone:
            del self._jobs[job.id]
            self._ended(job)
        running = [job for job in self._jobs.values() if not job.waits]
        if any(job.ran_s >= HEALTHY_S for job in running):
            self._deaths = 0  # but a node may be bad: the pause goes on to grow
        if gone and self._deaths >= DEATHS_AT_START and not running:
            log = self._logs / f"{gone[-1].id}.log"
            no_log = "  (no log: is its directory shared with the nodes?)"
            said = tail(log) if log.exists() else no_log
            raise WorkerError(
                f"slurm: jobs must live, but {self._deaths} in a row ended at once "
                f"({gone[-1].state}), and none runs. The last one said:\n{said}\n"
                f"Its log: {log}"
            )
        if gone:
            self._vain_s = ASK_S[0]
            self._due_s = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_S[1])

    def _replace(self) -> None:
        """Submit jobs in place of those that are gone, as far as there is work for them."""
        missing = self._missing()
        self._due_s = time.monotonic() + self._vain_s
        self._vain_s = min(2 * self._vain_s, PAUSE_S[1])
        try:
            if missing > 0:
                self._submit(missing)
        except SlurmError as error:  # the other jobs go on
            self._due_s = time.monotonic() + PAUSE_S[1]
            self._events.append(f"{error} Trying again in {PAUSE_S[1]:.0f} s.")

    def _missing(self) -> int:
        """How many more jobs would find work."""
        return min(self._target, self._jobs_for(self._useful())) - len(self._jobs)

    def _ended(self, job: Job) -> None:
        """Free what a job held."""
        held = self._release(job.id, _OUT_OF_MEMORY if job.state == _OUT_OF_MEMORY else None)
        if held or job.ran_s >= HEALTHY_S:
            self._deaths, self._pause_s = 0, PAUSE_S[0]
        elif job.state not in _NO_FAULT and held is not None:
            self._deaths += 1
            self._deaths_on[job.node] += 1
            if job.node and self._deaths_on[job.node] == DEATHS_AT_START:
                self._events.append(
                    f"jobs end at once on {job.node}; avoid it: --slurm-option exclude={job.node}"
                )
        node = f" on {job.node}" if job.node else ""
        self._events.append(
            f"job {job.id} ended after {job.ran_s:.0f} s{node} ({job.state}); if there is work "
            f"left, the next one is submitted in {self._pause_s:.0f} s; "
            f"log: {self._logs / f'{job.id}.log'}"
        )

    # --- the probe -----------------------------------------------------------------------

    def _start_probe(self) -> None:
        """Submit a small job with the options of the others: what is accepted, is for them, too."""
        name = f"probe-{uuid.uuid4().hex[:8]}@slurm"
        order = replace(
            self._order(1),
            name=f"{self.name}-probe",
            command=slurm_script.crew(f"--probe={name}"),
            time=PROBE_TIME,
            log="%A_%a-probe.log",
        )
        number = slurm_script.submit(order, self._site, self._threads, self._url)
        job = Job(id=f"{number}_0", state="PENDING", reason="None", node="")
        self._probe = _Probe(name=name, job=job)
        self._events.append(
            f"probe job {job.id}: can a node reach the database? (--no-probe leaves it out)"
        )
        self._ask_soon()

    def _follow_probe(self, probe: _Probe) -> None:
        """Have the jobs submitted once the probe has been in the database.

        Raises:
            SlurmError: it has ended without.
        """
        now = time.monotonic()
        if self._probed(probe.name):
            with suppress(SlurmError):  # else the next time
                self._jobs = self._queued()  # of a launch that was faster
                self._probe = None
                self._events.append("a node reaches the database")
                self._due_s = 0.0
        elif probe.job.gone:
            probe.ended_s = probe.ended_s or now
            log = self._logs / f"{probe.job.id}-probe.log"
            what = f"the probe job {probe.job.id} ({probe.job.state} on {probe.job.node or 'none'})"
            if log.exists() and log.stat().st_size:
                raise SlurmError(
                    f"slurm: the database must be reachable from a node, but got, from {what}:\n"
                    f"{tail(log)}\nMend that, or skip the probe: --no-probe. Its log: {log}"
                )
            if now - probe.ended_s >= LATE_S:
                raise SlurmError(
                    "slurm: the logs and this installation must be on a file system that the nodes "
                    f"share, but got nothing from {what}: neither a sign in the database nor its "
                    f"log={log.absolute()}, and it was to run python={sys.executable}. Set "
                    "HPO_HOME to a directory that the nodes share, install the project in one."
                )


def _count(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"

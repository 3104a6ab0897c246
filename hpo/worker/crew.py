"""A crew: several workers on one machine, and the process that supervises them.

A cluster job runs a crew (``hpo worker --study S --workers N``), a Dask task runs one
with a single worker, and a launch runs one on its own machine. A crew assigns a GPU to
every worker, restarts workers that die after growing pauses, frees their trials, and
stops all of them cleanly. The scheduler supervises the crew itself: leases make workers
replaceable.

A crew uses little memory and holds no database connection. When a worker has died, it
opens one briefly to free the worker's trial, which then need not wait for its lease to
run out.
"""

from __future__ import annotations

import math
import os
import platform
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hpo import logs, settings
from hpo.console import later
from hpo.errors import HpoError, NothingYetError

GRACE_S = 10.0
"""Time to stop: a worker saves a checkpoint at its next epoch, mostly within this."""
TERM_GRACE_S = 20.0
"""Time to stop after SIGTERM in a job: SLURM (KillWait) and others kill after 30 s."""
ALONE_S = 100.0
"""Time to stop after SIGTERM without a crew; then the worker ends, even if it still
waits."""
RELEASE_S = 3.0
"""Longest wait for the database at the end."""
HEALTHY_S = 60.0
"""A worker that lived this long started correctly."""
PAUSE_S = (1.0, 60.0)
"""Shortest and longest pause before a worker is started again."""
DEATHS_AT_START = 3
"""Failed starts in a row after which a crew gives up."""
KEPT_DAYS = 30
"""Age at which logs of workers are removed, when others start."""
POLL_S = 0.2
STOP_POLL_S = 0.02
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""Signals that ask a crew or a worker to stop; SLURM sends SIGUSR2 before a time
limit."""
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
HASH_SEED = "PYTHONHASHSEED"
"""The variable that decides the hashes of texts when Python starts."""
OOM_S = 5.0
"""Longest time between the kernel's out-of-memory kill and the end of the process."""
IN_ORDER = 100
"""Exit status of a worker of a crew that has ended in order; 0 is what an objective
may end the process with."""
SPOILED = os.EX_SOFTWARE
"""Exit status of a worker that ended itself, since its objective hung, or has changed
the process for good."""
REFUSED = os.EX_NOPERM
"""Exit status of a worker of a crew that the database has never let in."""
_DEVICES = "CUDA_VISIBLE_DEVICES"
_FROM_OUTSIDE = {IN_ORDER, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR2}
"""Exit statuses that are not the worker's fault: somebody stopped or killed it."""
_VMSTAT = Path("/proc/vmstat")
"""Where Linux counts out-of-memory kills, in containers, too."""


class WorkerError(HpoError):
    """Workers die as soon as they are started."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What the workers of a crew, or of a launch, have in common."""

    study: str | None
    """Name of the study; None serves every open one."""
    storage_url: str | None = field(repr=False)
    """Passed in the environment, since anybody can read a command line."""
    logs: Path
    """Directory of the log files, one per worker."""
    threads: int = 1
    """CPU threads per worker."""
    lease_s: float = settings.LEASE_S
    confirm: bool = True
    """Whether they run confirmation trainings, too."""
    standing: bool = False
    """Whether the database has let in who starts them: then they wait for a role or
    rights that are missing."""

    @property
    def options(self) -> list[str]:
        """The options of every worker on its command line."""
        options = [f"--lease={self.lease_s:g}"]
        if not self.confirm:
            options.append("--no-confirm")
        return options

    def starting(self, n: int, where: str) -> str:
        """Return in words that ``n`` workers start, as a launch prints it."""
        workers = "1 worker starts" if n == 1 else f"{n} workers start"
        return f"{workers} {where}; logs in {self.logs}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a worker process."""
        environment = worker_environment(self.threads)
        if self.storage_url:
            environment["HPO_STORAGE"] = self.storage_url
        return environment


def worker_environment(threads: int = 1) -> dict[str, str]:
    """Return the environment in which a worker computes, from that of this process.

    The hashes of texts are the same in every worker, so a script that iterates over a
    set of texts repeats.
    """
    limits = dict.fromkeys(THREADS, str(threads))
    return {**os.environ, **limits, HASH_SEED: "0"}


@dataclass(kw_only=True)
class _Place:
    """The place of one worker: its current process, and the history of earlier ones."""

    log: Path
    device: str | None
    """The GPU of the worker, if each has its own."""
    process: subprocess.Popen[bytes] | None = None
    name: str = ""
    """Name of the worker in the ledger."""
    started_s: float = 0.0
    due_s: float = 0.0
    """Monotonic time to start the next process, once this one has ended."""
    pause_s: float = field(default_factory=lambda: PAUSE_S[0])
    """Pause before the next process."""
    deaths_at_start: int = 0
    standing: bool = False
    """Whether its next process waits for missing rights; see ``WorkerSetup``."""


class Crew:
    """Several ``python -m hpo.worker`` processes, each in a session of its own.

    Ctrl-C therefore reaches this process only, which stops its workers cleanly. If it
    is killed itself, they notice and stop (``--parent``). If ``CUDA_VISIBLE_DEVICES``
    lists several GPUs, every worker sees one of them.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        *,
        prefix: str | None = None,
        directory: Path | None = None,
        stays: bool = False,
    ) -> None:
        """Create a crew, which ``start`` starts.

        Args:
            setup: what its workers have in common.
            prefix: beginning of the log names; by default, the time and six letters.
            directory: working directory of the workers, if it exists (default: the
                current one).
            stays: restart workers that ended cleanly, too. Otherwise a clean end is
                final: the study is over, or somebody stopped the worker.
        """
        self._setup = setup
        self._prefix = prefix or f"{time.strftime('%Y%m%d-%H%M%S')}-{_random()}"
        self._directory = directory if directory and directory.is_dir() else None
        self._stays = stays
        self._places: list[_Place] = []
        self._oom_kills = oom_kills()
        self._oom_s = -math.inf
        self.until_s = math.inf

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        processes = [place.process for place in self._places]
        return [p.pid for p in processes if p is not None and p.poll() is None]

    @property
    def alive(self) -> int:
        """Number of running workers and of those that will be restarted."""
        return sum(p.process is None for p in self._places) + len(self.pids)

    @property
    def over(self) -> bool:
        """Return whether no worker runs or will be restarted."""
        return not self._places

    def where(self, n: int) -> str:
        """Return where the workers run and log, as a launch prints it."""
        return self._setup.starting(n, "here")

    def start(self, n: int) -> None:
        """Start ``n`` processes; make the folder of their logs, and remove old logs."""
        logs = self._setup.logs
        logs.mkdir(parents=True, exist_ok=True)
        remove_old_logs(logs)
        listed = os.environ.get(_DEVICES, "").split(",")
        devices = [device.strip() for device in listed if device.strip()]
        for _ in range(n):
            number = len(self._places)
            log = logs / f"{self._prefix}-{number + 1}.log"
            place = _Place(log=log, device=None, standing=self._setup.standing)
            if len(devices) > 1:
                place.device = devices[number % len(devices)]
            self._places.append(place)
            self._spawn(place)

    def poll(self) -> list[str]:
        """Restart processes that ended, after a pause that grows from 1 s to 60 s.

        Returns:
            Events for the log, one line each; mostly none.

        Raises:
            WorkerError: workers die at once; the message quotes the end of a log.
        """
        now = time.monotonic()
        kills = oom_kills()
        if kills > self._oom_kills:
            self._oom_kills = kills
            self._oom_s = now
        events = []
        for place in list(self._places):
            if place.process is None:
                if now >= place.due_s:
                    self._spawn(place)
                continue
            status = place.process.poll()
            if status == IN_ORDER and not self._stays:
                self._places.remove(place)
            elif status is not None:
                event = self._ended(place, status, now)
                if status != IN_ORDER:
                    events.append(event)
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """Send SIGTERM to all, then SIGKILL to the rest after ``grace_s`` (None:
        never)."""
        self.end_within(math.inf if grace_s is None else grace_s)
        processes = {p.name: p.process for p in self._places if p.process is not None}
        for process in processes.values():
            process.terminate()
        try:
            while time.monotonic() < self.until_s and self.pids:
                time.sleep(STOP_POLL_S)
        finally:  # also when a second Ctrl-C ends the waiting
            killed = [
                name for name, process in processes.items() if process.poll() is None
            ]
            for process in processes.values():
                process.kill()
            for process in processes.values():
                process.wait()
            self._places.clear()
            for name in killed:
                report_loss(name, None, self._setup.storage_url)

    def end_within(self, seconds: float) -> None:
        """Let ``stop`` kill the remaining processes after this time, or earlier if set
        before."""
        self.until_s = min(self.until_s, time.monotonic() + seconds)

    def _spawn(self, place: _Place) -> None:
        """Start a new worker process in a place; it appends to the log of the place."""
        study = self._setup.study
        place.name = new_name(study)
        command = [sys.executable, "-P", "-m", "hpo.worker"]
        if study:
            command += ["--study", study]
        command += ["--name", place.name, "--parent", str(os.getpid())]
        command += ["--log", str(place.log.absolute())]
        if place.standing:
            command.append("--standing")
        environment = self._setup.environment
        if place.device is not None:
            environment[_DEVICES] = place.device
        place.log.touch(mode=0o600)  # it may quote secrets
        with place.log.open("ab") as log:
            place.process = subprocess.Popen(
                [*command, *self._setup.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._directory,
                start_new_session=True,
            )
        place.started_s = time.monotonic()

    def _ended(self, place: _Place, status: int, now: float) -> str:
        """Plan the next process of a place after the last one has ended."""
        place.process = None
        out_of_memory = status == -signal.SIGKILL and now - self._oom_s < OOM_S
        if out_of_memory:
            how = "out of memory: killed by the kernel"
        elif status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        else:
            how = f"exit status {status}"
        if status == 0:
            how += ", without having finished: its objective may have ended it"
        is_own = out_of_memory or status not in _FROM_OUTSIDE
        why = how if is_own else None
        place.standing = self._setup.standing or status != REFUSED
        had_trial = report_loss(place.name, why, self._setup.storage_url)
        lived_s = now - place.started_s
        if lived_s >= HEALTHY_S or status == SPOILED:
            place.pause_s = PAUSE_S[0]
            place.deaths_at_start = 0
        elif is_own and had_trial:
            place.deaths_at_start = 0
        elif status == REFUSED or (is_own and had_trial is False):
            place.deaths_at_start += 1
        if place.deaths_at_start >= DEATHS_AT_START:
            raise WorkerError(
                f"{place.deaths_at_start} workers in a row died at once ({how})."
                f" The last one wrote:\n{tail(place.log)}\nIts log: {place.log}"
            )
        pause_s = place.pause_s
        place.due_s = now + pause_s
        place.pause_s = min(2 * pause_s, PAUSE_S[1])
        return (
            f"a worker ended after {lived_s:.0f} s ({how}); the next one starts in "
            f"{pause_s:.0f} s; log: {place.log}"
        )


def new_name(study: str | None) -> str:
    """Return a name that no other worker has; without @, it serves every study."""
    name = f"{platform.node()}-{_random()}"
    return f"{study}@{name}" if study else name


def _random() -> str:
    """Return six letters that no other process has."""
    return uuid.uuid4().hex[:6]


def serve(crew: Crew, workers: int, *, usr2_grace_s: float) -> int:
    """Run a crew until the study is over, or a signal asks to stop; handle the signals
    of this process from now on.

    Args:
        crew: the crew to start.
        workers: number of workers.
        usr2_grace_s: time to stop after SIGUSR2, which comes early; after SIGTERM and
            Ctrl-C it is 20 s. Then workers are killed, and their trials freed.
    """

    def hear(signum: int, frame: FrameType | None) -> None:
        grace_s = usr2_grace_s if signum == signal.SIGUSR2 else TERM_GRACE_S
        crew.end_within(grace_s)
        later(grace_s + RELEASE_S, os._exit, 0)  # even if the database hangs

    for signum in STOPPING:
        signal.signal(signum, hear)
    place = platform.node()
    job = settings.job()
    if job is not None:
        place = f"{job} on {place}"
    logs.say(f"{place}: {crew.where(workers)}")
    try:
        crew.start(workers)
        while not crew.over and crew.until_s == math.inf:
            for event in crew.poll():
                logs.say(event)
            time.sleep(POLL_S)
        stopped = crew.until_s < math.inf
    finally:
        crew.stop(usr2_grace_s)
    if stopped:
        logs.say("asked to stop: the workers have stopped")
    else:
        logs.say("all workers have ended")
    return 0


def report_loss(worker: str, why: str | None, storage_url: str | None) -> bool | None:
    """Report the death of a worker to the ledger, before another takes its place.

    That frees its slot, and may stop the study. ``why`` is the cause of death, None if
    somebody killed it. Return whether it held a trial; None if that is unknown.
    """
    from hpo.ledger.ledger import Ledger  # a late import keeps a crew small
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import MissingTablesError, may_come_back

    try:
        with open_storage(storage_url, creates=False) as storage:
            return Ledger(storage, creates=False).record_loss(worker, why)
    except (NothingYetError, MissingTablesError):  # a restore is under way
        return None
    except Exception as error:
        if may_come_back(error):
            return None  # its lease will run out all the same
        if isinstance(error, HpoError):  # the worker's own log says why
            return False
        raise


def remove_old_logs(directory: Path) -> None:
    """Remove logs and scripts of workers that are older than ``KEPT_DAYS``."""
    before = time.time() - 86400 * KEPT_DAYS
    for path in directory.glob("*"):
        if path.suffix in (".log", ".sh", ".kills"):
            with suppress(OSError):  # another launch was faster
                if path.stat().st_mtime < before:
                    path.unlink()


def oom_kills() -> int:
    """Return the number of out-of-memory kills of this host since it started.

    Containers count, too. 0 where the kernel does not say.
    """
    if not _VMSTAT.exists():
        return 0
    counts = dict(line.split() for line in _VMSTAT.read_text().splitlines())
    return int(counts.get("oom_kill", 0))


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented."""
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    return "\n".join(f"  {line}" for line in text[-lines:]) or "  (nothing)"

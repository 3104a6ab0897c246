"""Workers as processes on this machine."""

from __future__ import annotations

import math
import os
import platform
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpo.errors import HpoError
from hpo.launch.executors import GRACE_S, Executor, Release

HEALTHY_S = 60.0
"""A worker that lived for so long had nothing wrong from the start."""
PAUSE_S = (1.0, 60.0)
"""Shortest and longest pause before a worker is started again."""
DEATHS_AT_START = 3
"""After so many in a row there is no point in trying again."""
KEPT_LOGS = 40
KEPT_DAYS = 30
"""Logs of a cluster's workers that are older are removed when others are started."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_DEVICES = "CUDA_VISIBLE_DEVICES"
_FROM_OUTSIDE = {0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR2}
"""Exit statuses that say nothing against the worker: it was told to stop, or killed."""
OOM_S = 5.0
"""So long a process may take to end that was killed for want of memory."""
_VMSTAT = Path("/proc/vmstat")
"""Where Linux counts processes that were killed because a host, or a container, had no memory."""


class WorkerError(HpoError):
    """Workers die as soon as they are started."""


@dataclass(kw_only=True)
class _LocalWorker:
    """The place of one worker: its process, and those before it."""

    log: Path
    environment: Mapping[str, str]
    pause_s: float
    """How long to wait before the next process."""
    process: subprocess.Popen[bytes] | None = None
    name: str = ""
    """What the process is called in the ledger."""
    started_s: float = 0.0
    due_s: float = 0.0
    """When to start the next process, once this one is gone."""
    deaths_at_start: int = 0


class LocalExecutor(Executor):
    """Runs ``python -m hpo.worker`` processes; each in a session of its own.

    Ctrl-C therefore reaches the launcher only, which stops its workers in order. If the launcher
    itself is killed, they notice and stop by themselves (``--parent``). If several GPUs are to be
    used (``CUDA_VISIBLE_DEVICES``), every worker sees one of them.
    """

    def __init__(
        self,
        study: str,
        *,
        storage_url: str,
        logs: Path,
        threads: int = 1,
        options: Sequence[str] = (),
        job: str | None = None,
        directory: Path | None = None,
        release: Release = lambda name, why: False,
    ) -> None:
        """Nothing is started yet.

        Args:
            study: name of the study.
            storage_url: handed over in the environment, since anybody may read a command line.
            logs: directory of the log files, one per worker.
            threads: with so many threads computes every worker.
            options: more options for every worker.
            job: what workers of a cluster's job have in the names of their logs. They are not
                started again after exit status 0: the study is over, or they were told to stop.
                Without it logs are named by the time, and only the last ones are kept.
            directory: where workers start, if it is there; without it, where this process is.
            release: told of every worker that ended, before another takes its place.
        """
        self._study, self.logs = study, logs
        self._options, self._release = list(options), release
        self._job = job
        self._directory = directory if directory and directory.is_dir() else None
        self._environment = {
            **os.environ,
            **dict.fromkeys(_THREADS, str(threads)),
            "HPO_STORAGE": storage_url,
        }
        self._workers: list[_LocalWorker] = []
        self._oom_kills, self._oom_s = oom_kills(), -math.inf

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that live."""
        processes = [worker.process for worker in self._workers]
        return [p.pid for p in processes if p is not None and p.poll() is None]

    @property
    def alive(self) -> int:
        """Processes that live, and those that are about to be started again."""
        return sum(s.process is None or s.process.poll() is None for s in self._workers)

    @property
    def over(self) -> bool:
        """Whether no worker of a job will be started again."""
        return not self._workers

    def where(self, n: int) -> str:
        """This machine, as a launch tells where its workers are."""
        return f"{n} worker{'s start' if n > 1 else ' starts'} here; logs in {self.logs}"

    def start(self, n: int) -> None:
        """Start ``n`` processes."""
        self.logs.mkdir(parents=True, exist_ok=True)
        prefix = self._job
        if prefix is None:
            prefix = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            self._remove_old_logs(KEPT_LOGS - n)
        devices = [d.strip() for d in os.environ.get(_DEVICES, "").split(",") if d.strip()]
        for _ in range(n):
            i = len(self._workers)
            own = {_DEVICES: devices[i % len(devices)]} if len(devices) > 1 else {}
            log = self.logs / f"{prefix}-{i + 1}.log"
            environment = {**self._environment, **own}
            worker = _LocalWorker(log=log, environment=environment, pause_s=PAUSE_S[0])
            self._workers.append(worker)
            self._spawn(worker)

    def poll(self) -> list[str]:
        """Start processes that ended again, after a pause that grows from 1 s to 60 s."""
        now = time.monotonic()
        if (count := oom_kills()) > self._oom_kills:
            self._oom_kills, self._oom_s = count, now
        events = []
        for worker in list(self._workers):
            if worker.process is None:
                if now >= worker.due_s:
                    self._spawn(worker)
            elif (status := worker.process.poll()) == 0 and self._job is not None:
                self._workers.remove(worker)
            elif status is not None:
                out_of_memory = status == -signal.SIGKILL and now - self._oom_s < OOM_S
                events.append(self._ended(worker, status, now, out_of_memory=out_of_memory))
        return events

    def stop(self, grace_s: float | None = GRACE_S) -> None:
        """SIGTERM to all, then SIGKILL to those that are left after ``grace_s``."""
        processes = {w.name: w.process for w in self._workers if w.process is not None}
        for process in processes.values():
            process.terminate()
        deadline = None if grace_s is None else time.monotonic() + grace_s
        try:
            for process in processes.values():
                try:
                    process.wait(deadline and max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    break
        finally:  # also when a second Ctrl-C ends the waiting
            killed = [name for name, process in processes.items() if process.poll() is None]
            for process in processes.values():
                process.kill()
            for process in processes.values():
                process.wait()
            self._workers.clear()
            for name in killed:
                self._release(name, None)

    def _spawn(self, worker: _LocalWorker) -> None:
        worker.name = f"{self._study}@{platform.node()}-{uuid.uuid4().hex[:6]}"
        command = [sys.executable, "-P", "-m", "hpo.worker", "--study", self._study]
        command += ["--name", worker.name, "--parent", str(os.getpid()), "--log", str(worker.log)]
        worker.log.touch(mode=0o600)  # it may quote what nobody else is to read
        with worker.log.open("ab") as log:
            worker.process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=worker.environment,
                cwd=self._directory,
                start_new_session=True,
            )
        worker.started_s = time.monotonic()

    def _ended(self, worker: _LocalWorker, status: int, now: float, *, out_of_memory: bool) -> str:
        """Plan the next process of a worker whose process ended."""
        lived_s = now - worker.started_s
        worker.process = None
        how = "out of memory: killed by the kernel" if out_of_memory else _how(status)
        is_own = out_of_memory or status not in _FROM_OUTSIDE
        held = self._release(worker.name, how if is_own else None)
        if lived_s >= HEALTHY_S:
            worker.pause_s, worker.deaths_at_start = PAUSE_S[0], 0
        elif is_own and held is not None:
            worker.deaths_at_start = 0 if held else worker.deaths_at_start + 1
            if worker.deaths_at_start >= DEATHS_AT_START:
                raise WorkerError(
                    f"workers must live, but {worker.deaths_at_start} in a row ended at once "
                    f"({how}). The last one said:\n{tail(worker.log)}\nIts log: {worker.log}"
                )
        pause_s = worker.pause_s
        worker.due_s, worker.pause_s = now + pause_s, min(2 * pause_s, PAUSE_S[1])
        return (
            f"a worker ended after {lived_s:.0f} s ({how}); the next one starts in "
            f"{pause_s:.0f} s; log: {worker.log}"
        )

    def _remove_old_logs(self, keep: int) -> None:
        logs = sorted(self.logs.glob("*.log"), key=lambda path: path.name)
        for path in logs[: max(0, len(logs) - max(0, keep))]:
            path.unlink(missing_ok=True)


def remove_old_logs(directory: Path) -> None:
    """Remove what is older than ``KEPT_DAYS`` of the logs, and scripts, of a cluster's workers."""
    before = time.time() - 86400 * KEPT_DAYS
    for path in directory.glob("*") if directory.is_dir() else ():
        with suppress(OSError):  # another launch was faster
            if path.suffix in (".log", ".sh") and path.stat().st_mtime < before:
                path.unlink()


def oom_kills() -> int:
    """How many processes of this host were killed for want of memory since it started, so far.

    Those of containers count, too. 0 where the kernel does not say.
    """
    text = _VMSTAT.read_text() if _VMSTAT.exists() else ""
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))


def _how(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, indented."""
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    return "\n".join(f"  {line}" for line in text[-lines:]) or "  (nothing)"

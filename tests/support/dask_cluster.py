"""A real Dask cluster on this machine: a scheduler and Dask workers with nannies, as
processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
from processes import free_port, listens
from required import missing
from workers import wait_until


class Cluster:
    """A scheduler and its Dask workers, each with a number of threads for tasks."""

    def __init__(self, directory: Path) -> None:
        if find_spec("distributed") is None:
            missing(
                "dask", "the package distributed is not installed: pip install .[dask]"
            )
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.log = directory / "dask.txt"
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        scheduler = self._start("scheduler", *where)
        wait_until(lambda: listens(self.port))
        return scheduler

    def start_worker(self, threads: int = 1) -> subprocess.Popen[bytes]:
        space = (
            "--local-directory",
            str(self._directory),
            "--host",
            "127.0.0.1",
            "--no-dashboard",
        )
        return self._start("worker", self.address, "--nthreads", str(threads), *space)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                kill(process)


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster without Dask workers."""
    one = Cluster(directory)
    try:
        yield one
    finally:
        one.stop()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a Dask worker: its nanny and what that started, but no worker of ours."""
    family = [process.pid, *(p.pid for p in psutil.Process(process.pid).children())]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    process.wait()

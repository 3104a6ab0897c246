"""Workers on difficult hosts: short of memory, with a wrong clock, on a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from servers import connect
from workers import SUPPORT, start_worker, table, toy_spec, undisturbed, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded.client import Embedded
from hpo.study.trials import SlotState, StudyState
from hpo.worker.crew import Crew

LITTLE_MEMORY = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))"
WRONG_CLOCK = """
import datetime, time
true_time, true_ns, truth = time.time, time.time_ns, datetime.datetime
time.time = lambda: true_time() + {off_s}
time.time_ns = lambda: true_ns() + {off_s} * 10**9
class Wrong(truth):
    @classmethod
    def now(cls, tz=None):
        return truth.now(tz) + datetime.timedelta(seconds={off_s})
datetime.datetime = Wrong
"""


def start(url: str, name: str, code: str = "") -> subprocess.Popen[str]:
    return start_worker(url, "--study", "toy", "--name", name, "--lease=1", code=code)


# --- memory --------------------------------------------------------------------------------------


def test_a_host_with_little_memory_leaves_the_trial_to_one_with_more(
    ledger: Ledger, database_url: str
) -> None:
    one = {"budget": {"trials": 1}, "confirm": None}
    ledger.register(toy_spec(**one, fixed={"memory_gib": 3.0}))
    small = start(database_url, "small", LITTLE_MEMORY)
    wait_until(lambda: any(s.losses for s in ledger.snapshot("toy").search))
    os.kill(small.pid, signal.SIGSTOP)
    large = start(database_url, "large")
    _, heard = large.communicate(timeout=60)
    assert large.returncode == 0, heard
    os.kill(small.pid, signal.SIGCONT)
    _, said = small.communicate(timeout=60)
    assert small.returncode == 0, said
    assert "toy: trial 0: out of memory; leaving it to others for 1 s" in said
    snapshot = ledger.snapshot("toy", curves=True)
    assert (snapshot.state, snapshot.search[0].worker) == (StudyState.DONE, "large")
    assert table(snapshot) == undisturbed(database_url, toy_spec("alone", **one))


def test_too_little_memory_everywhere_stops_the_study_and_says_so(
    ledger: Ledger, database_url: str
) -> None:
    ledger.register(toy_spec(budget={"trials": 1}, confirm=None, fixed={"memory_gib": 3.0}))
    small = start(database_url, "small", LITTLE_MEMORY)
    _, said = small.communicate(timeout=60)
    assert small.returncode == 0, said
    snapshot = ledger.snapshot("toy")
    (slot,) = snapshot.search
    assert (snapshot.state, slot.state, slot.losses) == (StudyState.FAILED, SlotState.RUNNING, 10)
    assert snapshot.reason is not None
    assert snapshot.reason.startswith(
        "trial 0 has lost 10 workers in a row without progress, it alone; the last one, small: "
        "out of memory (Unable to allocate 3.00 GiB for an array with shape "
    )
    assert snapshot.reason.endswith(
        "Run fewer workers at a time, use hosts with more memory, or make the networks smaller."
    )


@pytest.fixture
def tiny_cgroup() -> Iterator[Path]:
    """The file that takes the process ids of a control group with 1 MiB of memory."""
    for root, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path("/sys/fs/cgroup", root, "hpo-test-tiny")
        with suppress(OSError):
            group.mkdir(exist_ok=True)
            (group / limit).write_text(str(2**20))
            yield group / "cgroup.procs"
            group.rmdir()
            return
    pytest.skip("no control group of memory can be made here: it takes root")


def test_what_ended_a_worker_is_known_where_it_can_be(
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    tiny_cgroup: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    hungry = {"objective": "odd_objectives:HungryObjective", "budget": {"epochs": 100}}
    ledger.register(toy_spec(fixed={"sleep_s": 0.2}, **hungry))
    told: list[str | None] = []

    def release(worker: str, why: str | None) -> bool:
        told.append(why)
        return ledger.release_lost(worker, why)

    crew = Crew("toy", storage_url=database_url, logs=tmp_path, release=release)
    ends = (
        lambda pid: os.kill(pid, signal.SIGKILL),
        lambda pid: os.kill(pid, signal.SIGSEGV),
        lambda pid: tiny_cgroup.write_text(str(pid)),
    )

    def polled(condition: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: crew.poll() is not None and condition()

    crew.start(1)
    for n, end in enumerate(ends, start=1):
        wait_until(polled(lambda: any(slot.held for slot in ledger.snapshot("toy").search)))
        end(crew.pids[0])
        wait_until(polled(lambda n=n: len(told) == n))
    crew.stop()
    assert told[:3] == [None, "killed by SIGSEGV", "out of memory: killed by the kernel"]
    assert ledger.snapshot("toy").search[0].losses == 3


# --- clock ---------------------------------------------------------------------------------------


def test_clocks_that_are_an_hour_off_move_no_lease(ledger: Ledger, database_url: str) -> None:
    budget = {"trials": 2, "members": 1}
    ledger.register(toy_spec(budget=budget, fixed={"sleep_s": 0.7}, confirm=None))
    workers = [
        start(database_url, "ahead", WRONG_CLOCK.format(off_s=3600)),
        start(database_url, "behind", WRONG_CLOCK.format(off_s=-3600)),
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
    snapshot = ledger.snapshot("toy")
    assert [(s.attempts, s.losses) for s in snapshot.search] == [(1, 0), (1, 0)]
    for slot in snapshot.search:
        assert slot.settled_at is not None
        assert 0 <= (slot.settled_at - slot.started_at).total_seconds() < 60


# --- disk ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(new_home: Path) -> Iterator[Path]:
    """HPO_HOME on a file system of 120 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=0711", "none", str(new_home)]
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield new_home
    finally:
        subprocess.run(["umount", "--lazy", str(new_home)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk; returns the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            while True:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    break
    return ballast


def test_a_full_disk_is_waited_for(small_disk: Path) -> None:
    with Embedded(small_disk) as server:
        url = server.acquire()
        with connect(url) as admin:  # so that the disk is full soon, and not only the next WAL file
            admin.execute(
                "CREATE TABLE room AS SELECT repeat('x', 1000) FROM generate_series(1, 9)"
            )
        with open_storage(url) as storage:
            patient = Ledger(storage, patience_s=60.0)
            spec = toy_spec(budget={"trials": 40, "members": 2, "epochs": 4}, confirm=None)
            patient.register(spec)
            ballast = fill(small_disk)
            worker = start(url, "worker")
            wait_until(lambda: "No space left on device" in log(small_disk), 60)
            time.sleep(1.0)
            assert worker.poll() is None
            ballast.unlink()
            _, said = worker.communicate(timeout=120)
            assert worker.returncode == 0, said
            assert "database unreachable for" in said
            snapshot = patient.snapshot("toy", curves=True)
            assert snapshot.state == StudyState.DONE
            alone = toy_spec(
                "alone", budget={"trials": 40, "members": 2, "epochs": 4}, confirm=None
            )
            assert table(snapshot) == undisturbed(url, alone)


def log(home: Path) -> str:
    return (home / "server" / "postgres.log").read_text(errors="replace")

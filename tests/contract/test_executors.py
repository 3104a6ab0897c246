"""Every executor keeps the same promises: real workers, a real database, SLURM and
Dask."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask_cluster
import pytest
from forkserver import genuine
from workers import ledger_at, table, toy_spec, undisturbed, wait_until

from hpo.config import SiteConfig
from hpo.errors import HpoError
from hpo.launch.executors import Executor, executor, slurm
from hpo.launch.options import LaunchOptions
from hpo.ledger.ledger import Ledger
from hpo.study.trials import StudyState, WorkerInfo

Make = Callable[..., Executor]
SLOW = {"sleep_s": 0.1}
CLUSTERS = ("slurm", "dask")


@pytest.fixture(scope="session")
def dask_scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster.cluster(tmp_path_factory.mktemp("dask")) as one:
        one.start_worker(threads=3)
        wait_until(
            lambda: one.log.read_text().count("Starting established connection") >= 2
        )
        yield one.address


@pytest.fixture(
    params=["local", *(pytest.param(k, marks=pytest.mark.slow) for k in CLUSTERS)]
)
def make(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
) -> Iterator[Make]:
    """Makes executors of one kind for the study ``toy``; what they left is ended after
    the test."""
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(slurm, "ASK_S", 0.5)
    site: dict[str, Any] = {"launch": {"executor": request.param, "lease": 60}}
    if request.param == "slurm":
        request.getfixturevalue("slurm_conf")
        site["slurm"] = {"partition": "debug", "probe": False}
    if request.param == "dask":
        site["dask"] = {"scheduler": request.getfixturevalue("dask_scheduler")}
    made: list[Executor] = []
    options = LaunchOptions(
        command="", site=SiteConfig.model_validate(site), storage=database_url
    )

    def make_one(url: str) -> Executor:
        made.append(executor(options, "toy", url))
        return made[-1]

    yield make_one
    for one in made:
        one.stop()


def follow(
    executor: Executor, over: Callable[[], bool], timeout_s: float = 120.0
) -> list[str]:
    """Poll until it is over; what the executor told."""
    told: list[str] = []
    deadline = time.monotonic() + timeout_s
    while not over():
        assert time.monotonic() < deadline, told
        told += executor.poll()
        time.sleep(0.1)
    return told


def done(ledger: Ledger) -> Callable[[], bool]:
    return lambda: ledger.snapshot("toy").state == StudyState.DONE


def at_work(ledger: Ledger) -> list[WorkerInfo]:
    return [
        worker
        for worker in ledger.workers()
        if worker.alive and worker.trial is not None
    ]


def test_a_killed_worker_is_replaced_and_the_table_is_that_of_one_worker(
    make: Make, database_url: str
) -> None:
    calm = undisturbed(database_url, toy_spec("calm", budget={"trials": 12}))
    executor = make(database_url)
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(fixed=SLOW, budget={"trials": 12}))
        executor.start(2)
        assert executor.alive == 2
        follow(executor, lambda: len(at_work(ledger)) == 2)
        os.kill(at_work(ledger)[0].pid, signal.SIGKILL)
        began_s = time.monotonic()
        follow(executor, done(ledger))
        assert time.monotonic() - began_s < 60, "its trial need not wait for its lease"
        found = ledger.snapshot("toy", curves=True)
    assert sum(slot.losses for slot in found.search) == 1
    assert table(found) == calm


def test_stop_ends_all_workers_in_order_and_their_logs_are_known(
    make: Make, database_url: str, tmp_path: Path
) -> None:
    executor = make(database_url)
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(fixed=SLOW, budget={"epochs": 20}))
        with genuine():  # whose environment is in /proc
            executor.start(2)
        follow(executor, lambda: len(at_work(ledger)) == 2)
        workers = at_work(ledger)
        logs = [Path(worker.log or "") for worker in workers]
        assert len(set(logs)) == 2
        assert all(str(log.parent) in executor.where(2) for log in logs)
        wait_until(lambda: all("trial" in log.read_text() for log in logs))
        assert "passfile" not in Path(f"/proc/{workers[0].pid}/cmdline").read_text()
        assert b"passfile" in Path(f"/proc/{workers[0].pid}/environ").read_bytes()
        executor.stop()
        assert executor.alive == 0
        assert not any(Path(f"/proc/{worker.pid}").exists() for worker in workers)
        slots = ledger.snapshot("toy").search
        assert not any(slot.held or slot.losses for slot in slots), "released, not lost"
        executor.stop()
    assert not any("passfile" in path.read_text() for path in tmp_path.rglob("*.*"))


def start_and_follow(executor: Executor) -> None:
    executor.start(2)
    follow(executor, lambda: False)


def test_workers_that_cannot_live_are_given_up_with_their_last_words(
    make: Make,
) -> None:
    executor = make("sqlite:///x.db")
    with pytest.raises(HpoError) as caught:
        start_and_follow(executor)
    said = str(caught.value)
    assert "expected the URL of a PostgreSQL database" in said
    if not said.startswith("storage URL: "):  # SLURM's executor reads it, and refuses
        assert re.search(r"must live, but |died at once", said)
        assert "Its log: " in said


def test_nothing_to_start_and_nothing_to_stop(make: Make, database_url: str) -> None:
    executor = make(database_url)
    executor.stop()
    executor.start(0)
    assert (executor.poll(), executor.alive) == ([], 0)
    executor.stop()
    if not executor.outlives:
        with pytest.raises(
            NotImplementedError, match="its workers end with the launch"
        ):
            executor.leave()

"""Workers that serve every open study: fair between them, and patient with those they
refuse."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from workers import kill, run_workers, start_worker, table, toy_spec, wait_until

from benchmarks.service import window
from hpo.errors import StudyError
from hpo.ledger import backup, interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import StudySnapshot, StudyState
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

NAMES = ("a", "b", "c")


@contextmanager
def at_work(worker: Worker) -> Iterator[None]:
    """It runs meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.run)
        try:
            yield
        finally:
            worker.stop()
        running.result()


def test_one_worker_serves_three_studies_in_turn(
    ledger: Ledger, storage: Storage
) -> None:
    for name in NAMES:
        ledger.register(toy_spec(name, budget={"trials": 5}, confirm=None))
    worker = Worker(storage, WorkerOptions(lease_s=1.0), "fair")
    with at_work(worker):
        wait_until(
            lambda: all(ledger.snapshot(n).state == StudyState.DONE for n in NAMES), 120
        )
    slots = [
        (slot.started_at, name)
        for name in NAMES
        for slot in ledger.snapshot(name).search
    ]
    assert [name for _, name in sorted(slots)] == [*NAMES] * 5


def test_a_refused_study_is_tried_again(
    storage: Storage, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objective is missing on this host, and is installed while the worker runs."""
    module = tmp_path / "fleeting.py"
    module.write_text("from toy_objective import ToyObjective as Gone")
    monkeypatch.syspath_prepend(tmp_path)
    ledger.register(toy_spec("gone", objective="fleeting:Gone", budget={"trials": 2}))
    monkeypatch.delitem(sys.modules, "fleeting")
    module.rename(tmp_path / "elsewhere.py")
    importlib.invalidate_caches()
    worker = Worker(storage, WorkerOptions(refusal_s=1.0, lease_s=0.3), "patient")
    with at_work(worker):
        wait_until(lambda: "; refuses gone" in doing(ledger), 30)
        time.sleep(1.5)
        wait_until(lambda: "; refuses gone" in doing(ledger), 30)
        (tmp_path / "elsewhere.py").rename(module)
        importlib.invalidate_caches()
        wait_until(lambda: ledger.snapshot("gone").state == StudyState.DONE, 60)
        wait_until(lambda: doing(ledger) == "waits: no study is open", 30)


def doing(ledger: Ledger) -> str:
    return ", ".join(worker.doing for worker in ledger.workers())


def test_the_heartbeat_file_is_touched_while_the_database_answers(
    ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    worker = start_worker(database_url, "--lease", "0.6", "--heartbeat-file", str(file))
    wait_until(file.exists, 60)
    for _ in range(3):
        before = file.stat().st_mtime_ns
        wait_until(lambda before=before: file.stat().st_mtime_ns > before)  # type: ignore[misc]
    os.kill(worker.pid, signal.SIGSTOP)
    before = file.stat().st_mtime_ns
    time.sleep(1.0)
    assert file.stat().st_mtime_ns == before
    os.kill(worker.pid, signal.SIGCONT)
    kill(worker, signal.SIGTERM)
    assert worker.returncode == 0


# --- priorities: nothing else depends on them ---

SMALL = {"budget": {"trials": 12, "seeds": 1, "epochs": 3}, "confirm": None}


def begun(*snapshots: StudySnapshot) -> list[tuple[datetime, str]]:
    """When every trial was begun, and its study, in that order."""
    return sorted(
        (slot.started_at, s.spec.name) for s in snapshots for slot in s.search
    )


def test_a_priority_set_in_the_middle_counts_from_the_next_trial_on(
    ledger: Ledger, database_url: str, hpo: Callable[..., str]
) -> None:
    for name in ("a", "b"):
        ledger.register(toy_spec(name, **SMALL, fixed={"sleep_s": 0.05}))
    worker = start_worker(database_url)
    wait_until(lambda: ledger.snapshot("b").finished >= 3, 120)
    before = ledger.snapshot("b").now
    assert hpo("resume", "b", "--priority", 2) == "b: priority 2 (was 0)\n"
    after = ledger.snapshot("b").now
    wait_until(lambda: all(s.state == StudyState.DONE for s in ledger.studies()), 120)
    kill(worker, signal.SIGTERM)
    a, b = (ledger.snapshot(name, curves=True) for name in ("a", "b"))
    shared = [name for at, name in begun(a, b) if at < before]
    assert shared == (["a", "b"] * 12)[: len(shared)], "equal priorities share"
    rest = [name for at, name in begun(a, b) if at > after][
        1:
    ]  # the first was chosen before
    assert rest == sorted(rest, reverse=True) != [], "b first, until it is done"
    ledger.register(toy_spec("alone", **SMALL))
    run_workers(database_url, "alone", 1)
    assert table(b) == table(ledger.snapshot("alone", curves=True)), "scheduling alone"


def test_it_is_shown_noted_and_travels_with_backups(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str], tmp_path: Path
) -> None:
    ledger.register(toy_spec())
    assert "priority" not in hpo("status", "--all")
    set_to = json.loads(hpo("resume", "toy", "--priority", -3, "--json"))
    assert (set_to["priority"], set_to["was"]) == (-3, 0)
    same = hpo("resume", "toy", "--priority", -3)
    assert same.startswith("toy: priority -3\n"), "nothing has changed"
    assert hpo("status", "--all").splitlines()[0].split()[-1] == "priority"
    assert json.loads(hpo("status", "--json"))["studies"][0]["priority"] == -3
    assert [e.what for e in ledger.events(9)] == ["submitted", "priority -3 (was 0)"]
    ledger.register(toy_spec(tags=["paper", "warm"]))  # may be changed later
    assert hpo("status", "--tag", "warm").splitlines()[1].split()[-2:] == [
        "paper",
        "warm",
    ]
    assert "has no such study" in hpo("status", "--tag", "war")
    backup.export(storage, "toy", tmp_path / "toy.jsonl")
    backup.restore(storage, tmp_path / "toy.jsonl", "copy")
    set_to = hpo("resume", "--study", "copy", "--priority", 0)
    assert set_to.startswith("copy: priority 0 (was -3)\n")
    assert {s.name: s.priority for s in ledger.studies()} == {"toy": -3, "copy": 0}
    with pytest.raises(StudyError) as caught:
        interventions.prioritise(ledger, "toy", 1001)
    assert (
        str(caught.value)
        == "study 'toy': priority=1001 is out of range. Take a number from -1000 to"
        " 1000: their order counts."
    )


@pytest.mark.slow  # it must see trials that differ by seconds
def test_real_workers_wait_as_simulated(storage: Storage) -> None:
    """As docs/explanation/pure-function.md says: four workers; every fifth trial is ten
    times as long."""
    small, large = (
        window.check(storage, [0.15, 0.18, 0.21, 0.24, 1.8], 4, size, 40)
        for size in (4, 16)
    )
    for found in (small, large):
        assert found.measured == pytest.approx(found.simulated, abs=0.15)
    assert small.measured > large.measured + 0.1

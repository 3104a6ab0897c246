"""Workers that serve every open study: fair between them, and patient with those they refuse."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from workers import kill, start_worker, toy_spec, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import StudyState
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


def test_one_worker_serves_three_studies_in_turn(ledger: Ledger, storage: Storage) -> None:
    for name in NAMES:
        ledger.register(toy_spec(name, budget={"trials": 5}, confirm=None))
    worker = Worker(storage, WorkerOptions(lease_s=1.0), "fair")
    with at_work(worker):
        wait_until(lambda: all(ledger.snapshot(n).state == StudyState.DONE for n in NAMES), 120)
    slots = [(slot.started_at, name) for name in NAMES for slot in ledger.snapshot(name).search]
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
        wait_until(lambda: "; refuses gone: study " in doing(ledger), 30)
        time.sleep(1.5)
        wait_until(lambda: "; refuses gone: study " in doing(ledger), 30)
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

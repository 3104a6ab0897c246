"""A real worker process in trouble: signals, pauses, failures, a database that goes away."""

from __future__ import annotations

import os
import signal
import time

import pytest
import sqlalchemy as sa
from servers import connect
from workers import kill, start_worker, table, toy_spec, undisturbed, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.worker import loop
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker


def test_sigterm_stops_within_seconds_and_keeps_the_training(
    ledger: Ledger, database_url: str
) -> None:
    spec = toy_spec("toy", fixed={"sleep_s": 0.1}, budget={"trials": 2, "members": 1, "epochs": 40})
    ledger.register(spec)
    worker = start_worker(database_url, "--study", "toy")
    wait_until(lambda: bool(ledger.snapshot("toy").search))
    time.sleep(1.5)
    began = time.monotonic()
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0, said
    assert time.monotonic() - began < 5
    assert "trial 0 is left to the next worker" in said
    claim = ledger.claim("toy", "next", lease_s=60)
    checkpoint = getattr(claim, "checkpoint", None)
    assert checkpoint is not None, "the trial would have to start anew"
    assert len(checkpoint.curve) >= 5
    assert ledger.snapshot("toy").search[0].losses == 0


def test_paused_worker_finds_its_slot_taken_and_goes_on(ledger: Ledger, database_url: str) -> None:
    alone = undisturbed(database_url, toy_spec("alone", budget={"trials": 6}))
    spec = toy_spec("toy", fixed={"sleep_s": 0.05}, budget={"trials": 6})
    ledger.register(spec)
    paused = start_worker(database_url, "--study", "toy", "--lease", "1", "--name", "paused")
    wait_until(lambda: any(s.worker == "paused" for s in ledger.snapshot("toy").search))

    held = "SELECT FROM hpo_ledger.slots WHERE worker = 'paused' AND settled_at IS NULL"

    def count(query: str) -> int:
        with connect(database_url) as connection:
            return len(connection.execute(query).fetchall())

    def caught_at_work() -> bool:
        os.kill(paused.pid, signal.SIGSTOP)
        if count(f"{held} FOR UPDATE SKIP LOCKED"):  # not in a transaction of its own
            return True
        os.kill(paused.pid, signal.SIGCONT)  # between two trials: try again
        return False

    wait_until(caught_at_work)
    heir = start_worker(database_url, "--study", "toy", "--lease", "1", "--name", "heir")
    wait_until(lambda: not count(held))
    os.kill(paused.pid, signal.SIGCONT)
    _, said = paused.communicate(timeout=60)
    _, heard = heir.communicate(timeout=60)
    assert (paused.returncode, heir.returncode) == (0, 0), said + heard
    assert "the lease of paused has passed to another worker" in said
    assert "taking other work" in said
    assert table(ledger.snapshot("toy", curves=True)) == alone


def test_a_worker_whose_objective_hangs_says_where_and_ends(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec(fixed={"sleep_s": 100.0}))
    monkeypatch.setenv("HPO_EPOCH_LIMIT", "2")
    worker = start_worker(database_url, "--study", "toy", "--lease", "1.5")
    said = worker.communicate(timeout=60)[1]
    assert worker.returncode == os.EX_SOFTWARE
    assert "no sign of life for 2 s (HPO_EPOCH_LIMIT) from toy: trial 0: ending." in said
    assert "toy_objective.py" in said
    assert ledger.snapshot("toy").search[0].losses == 1, "with its reason, and at once"
    monkeypatch.setenv("HPO_EPOCH_LIMIT", "4h")
    worker = start_worker(database_url, "--study", "toy")
    assert worker.communicate(timeout=60)[1] == (
        "error: HPO_EPOCH_LIMIT: it must be a number of seconds above 0, but got '4h'. Set it to "
        "several times what the longest epoch takes.\n"
    )


def test_a_worker_told_to_stop_before_it_could_enlist_ends_quietly(
    ledger: Ledger, database_url: str, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STOP_PATIENCE_S", 0.2)
    name = sa.make_url(database_url).database
    with open_storage(database_url) as storage, connect(server_url) as admin:
        worker = Worker(storage, WorkerOptions())
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        worker.stop()
        worker.run()
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert ledger.workers() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--study", "nope"], "error: study 'nope': the database must hold it, but it holds no"),
        (
            ["--name", "a\x1b[2J"],
            r"200 characters, all of which can be printed, but got name='a\x1b",
        ),
        (["--lease", "nan"], "must be above 0 and finite, but got nan"),
        (["--storage", "sqlite:///x.db"], "error: storage URL: the storage must be a PostgreSQL"),
    ],
)
def test_errors_are_one_message(database_url: str, arguments: list[str], text: str) -> None:
    worker = start_worker(database_url, *arguments)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode in (1, 2)  # 2: the command line itself
    assert text in said
    assert "Traceback" not in said

"""A database that goes away and comes back: nobody's work is taken, nothing is done
twice."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import cut_off
from workers import ended, kill, ledger_at, start_worker, toy_spec, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded import Embedded, stop
from hpo.study.trials import StudyState
from hpo.worker.heartbeat import Heartbeat, WorkerOptions

LEASE_S = 2.0
BUDGET = {"trials": 2, "seeds": 2, "epochs": 10}


@pytest.fixture
def url(hpo_home: Path) -> Iterator[str]:
    """A database on a server that may be stopped."""
    with Embedded(hpo_home) as server:
        yield server.acquire()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Its ledger, which waits for it."""
    with open_storage(url) as storage:
        yield Ledger(storage, patience_s=60.0)


def start(url: str, name: str) -> subprocess.Popen[str]:
    return start_worker(url, "--study", "toy", "--name", name, f"--lease={LEASE_S}")


def check_untouched(ledger: Ledger) -> None:
    """Every trial was claimed once, by who finished it."""
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.DONE
    assert [(s.attempts, s.losses) for s in snapshot.search] == [(1, 0), (1, 0)]


def test_results_are_delivered_after_an_outage_longer_than_the_lease(
    ledger: Ledger, url: str, hpo_home: Path
) -> None:
    ledger.register(toy_spec(budget=BUDGET, fixed={"sleep_s": 0.3}, confirm=None))
    workers = [start(url, name) for name in ("one", "two")]
    wait_until(
        lambda: {"one", "two"} == {s.worker for s in ledger.snapshot("toy").search}
    )
    stop(hpo_home, force=True)
    time.sleep(1.5 * LEASE_S)
    with Embedded(hpo_home) as server:
        server.acquire()
        ended(start(url, "late"))  # it must leave alone what it finds
        said = [line for worker in workers for line in ended(worker).splitlines()]
        check_untouched(ledger)
    lines = [line for line in said if "database unreachable for" in line]
    assert 2 <= len(lines) <= 4 * len(workers), (
        "a line at first, and more if it is long"
    )
    assert all(len(line) < 300 for line in lines)


def test_a_worker_is_in_touch_after_a_lease_without_an_outage(
    database_url: str,
) -> None:
    began_s = time.monotonic()
    heart = Heartbeat("w", WorkerOptions(lease_s=1.0))
    with ExitStack() as stack:
        heart.begin(stack.enter_context(ledger_at(database_url)))
        stack.callback(heart.end)
        assert not heart.in_touch()
        wait_until(heart.in_touch)
        assert time.monotonic() - began_s > 0.9
        with cut_off(database_url):
            wait_until(lambda: not heart.in_touch())
        back_s = time.monotonic()
        assert not heart.in_touch(), "the others could not renew their leases"
        wait_until(heart.in_touch)
        assert (
            time.monotonic() - back_s > 0.5
        )  # the last beat that failed was a third lease ago


def test_sigterm_ends_a_worker_within_seconds_though_the_database_is_away(
    ledger: Ledger, url: str, hpo_home: Path
) -> None:
    ledger.register(
        toy_spec(budget={"trials": 2, "epochs": 10}, fixed={"sleep_s": 0.2})
    )
    worker = start(url, "one")
    wait_until(lambda: bool(ledger.snapshot("toy").search))
    stop(hpo_home, force=True)
    began_s = time.monotonic()
    said = kill(worker, signal.SIGTERM)
    assert time.monotonic() - began_s < 5, said
    assert worker.returncode == 0, said
    assert "stopped while the database is unreachable; the lease will run out" in said

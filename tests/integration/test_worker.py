"""A real worker process in trouble: a signal, an objective that hangs, options that are
wrong."""

from __future__ import annotations

import os
import signal
import time

import pytest
from workers import kill, run_workers, start_worker, toy_spec, wait_until

from hpo.ledger.ledger import Ledger


def test_sigterm_stops_within_seconds_and_keeps_the_training(
    ledger: Ledger, database_url: str
) -> None:
    spec = toy_spec(
        "toy", fixed={"sleep_s": 0.1}, budget={"trials": 2, "seeds": 1, "epochs": 40}
    )
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


def test_a_worker_whose_objective_hangs_says_where_and_ends(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec(fixed={"sleep_s": 100.0}))
    monkeypatch.setenv("HPO_EPOCH_LIMIT", "4")
    worker = start_worker(database_url, "--study", "toy", "--lease", "1.5")
    wait_until(lambda: bool(ledger.snapshot("toy").search))
    time.sleep(2.5)
    assert ledger.snapshot("toy").search[0].held, (
        "its lease is renewed while an epoch runs"
    )
    said = worker.communicate(timeout=60)[1]
    assert worker.returncode == os.EX_SOFTWARE
    assert (
        "no sign of life for 4 s (HPO_EPOCH_LIMIT) from toy: trial 0: ending." in said
    )
    assert "toy_objective.py" in said
    assert ledger.snapshot("toy").search[0].losses == 1, "with its reason, and at once"
    monkeypatch.setenv("HPO_EPOCH_LIMIT", "4h")
    worker = start_worker(database_url, "--study", "toy")
    assert (
        worker.communicate(timeout=60)[1]
        == "error: HPO_EPOCH_LIMIT: expected a number of seconds above 0, got '4h'. Set"
        " it to several times the length of the longest epoch.\n"
    )


def test_a_name_that_cannot_be_printed_is_refused(database_url: str) -> None:
    worker = start_worker(database_url, "--name", "a\x1b[2J")
    _, said = worker.communicate(timeout=30)
    assert (worker.returncode, "Traceback" in said) == (1, False)
    assert r"at most 200 printable characters, got 'a\x1b" in said


def test_a_worker_computes_with_one_thread(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one worker per core."""
    for library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    budget = {"trials": 1, "seeds": 1, "epochs": 1}
    ledger.register(
        toy_spec(
            objective="odd_objectives:ThreadsObjective", budget=budget, confirm=None
        )
    )
    run_workers(database_url, "toy", 1)
    [slot] = ledger.snapshot("toy").search
    assert slot.members, slot.message
    assert dict(slot.members[0].info) == {"torch": 1, "numba": 1}

"""A worker computes with one thread: there is one worker per core."""

from __future__ import annotations

import pytest
from workers import ledger_at, run_workers, toy_spec


def test_a_worker_uses_one_thread(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    spec = toy_spec(
        "threads",
        objective="odd_objectives:ThreadsObjective",
        budget={"trials": 1, "window": 1, "members": 1, "epochs": 1},
        space={"x": {"low": 0.0, "high": 1.0}},
        sampler={"name": "random"},
        pruner={"name": "none"},
        confirm=None,
    )
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, "threads", 1)
        [slot] = ledger.snapshot("threads").search
    assert slot.members, slot.message
    assert dict(slot.members[0].info) == {"torch": 1, "numba": 1}

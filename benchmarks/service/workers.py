"""Throughput of one worker and of two, on a small real study."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.file import validate

TRIALS = 32
EPOCHS = 12
REPEATS = 3
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Trials per minute, once every worker is at work; the best of a few runs."""

    one: float
    two: float


def measure(storage: Storage) -> Throughput:
    """Studies that take turns; what else the machine does makes a run slower, never
    faster."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for repeat in range(REPEATS):
        for workers in rates:
            rates[workers].append(
                _rate(storage, f"workers-{workers}-{repeat}", workers)
            )
    return Throughput(one=max(rates[1]), two=max(rates[2]))


def _rate(storage: Storage, name: str, workers: int) -> float:
    ledger = Ledger(storage)
    raw: dict[str, Any] = {
        "name": name,
        "objective": "spintronic",
        "budget": {"trials": TRIALS, "window": 8, "seeds": 1, "epochs": EPOCHS},
        "task": {"name": "sequential-digits"},
        "fixed": {"thermal_power": 0.0, "drive_limit": "none"},
        "space": {"tau_ns": {"low": 5.0, "high": 30.0}},
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
    }
    ledger.register(validate(raw, where="benchmark"))
    environment = {**os.environ, **_ONE_THREAD, "HPO_STORAGE": storage.url}
    command = [sys.executable, "-m", "hpo.worker", "--study", name, "--no-confirm"]
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    for worker in running:
        if worker.wait() != 0:
            raise RuntimeError(f"a worker ended with exit status {worker.returncode}")
    slots = ledger.snapshot(name).search
    ends = sorted(slot.finished_at for slot in slots if slot.finished_at is not None)
    counted = ends[
        workers - 1 :
    ]  # every worker is at work by then: starting is no throughput
    return 60.0 * (len(counted) - 1) / (counted[-1] - counted[0]).total_seconds()

"""Real studies on a real database, run by real worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import of_this_test

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import StudySnapshot

SUPPORT = Path(__file__).parent


def toy_spec(name: str = "toy", **tables: Any) -> StudySpec:
    """A small study of the toy; tables given are merged into the defaults, None leaves
    one out."""
    raw: dict[str, Any] = {
        "name": name,
        "objective": "toy_objective:ToyObjective",
        "seed": 3,
        "budget": {"trials": 24, "window": 4, "seeds": 2, "epochs": 6},
        "space": {
            "x": {"low": 0.0, "high": 1.0},
            "k": {"low": 1, "high": 8},
            "rate_per_ns": {"low": 1e-3, "high": 10.0, "log": True},
            "colour": {"choices": ["red", "green"]},
        },
        "sampler": {"name": "tpe", "n_startup_trials": 4},
        "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 2},
        "confirm": {"top": 2, "seeds": 3},
    }
    for key, value in tables.items():
        value = False if key == "confirm" and value is None else value
        merge = isinstance(value, dict) and key in ("budget", "fixed")
        raw[key] = {**raw.get(key, {}), **value} if merge else value
    raw["budget"] = {
        key: value for key, value in raw["budget"].items() if value is not None
    }
    return validate(
        {k: table for k, table in raw.items() if table is not None}, where="test"
    )


@contextmanager
def ledger_at(url: str) -> Iterator[Ledger]:
    """The ledger of a database."""
    with open_storage(url) as storage:
        yield Ledger(storage)


def start_worker(url: str, *arguments: str, code: str = "") -> subprocess.Popen[str]:
    """A real worker process.

    Args:
        url: its database.
        arguments: its command line.
        code: what it does first, to be on another kind of host.
    """
    start = f"{code}\nimport runpy; runpy.run_module('hpo.worker', run_name='__main__')"
    return of_this_test(
        subprocess.Popen(
            [
                sys.executable,
                *(["-c", start] if code else ["-m", "hpo.worker"]),
                *arguments,
            ],
            env={**os.environ, "HPO_STORAGE": url},
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def run_workers(
    url: str, study: str, count: int, *arguments: str, timeout_s: float = 280
) -> None:
    """Run a study to its end with ``count`` workers."""
    line = ("--study", study, *arguments)
    workers = [start_worker(url, *line) for _ in range(count)]
    for worker in workers:
        ended(worker, timeout_s)


def ended(worker: subprocess.Popen[str], timeout_s: float = 120) -> str:
    """Wait for the end of a worker, which is in order, and return what it had said."""
    _, said = worker.communicate(timeout=timeout_s)
    assert worker.returncode == 0, said
    return said


def kill(worker: subprocess.Popen[str], signum: int = signal.SIGKILL) -> str:
    """Send a signal, wait for the end, and return what the worker had said."""
    worker.send_signal(signum)
    return worker.communicate(timeout=30)[1]


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for a condition; to ask for it takes a fifth of the time at most."""
    deadline = time.monotonic() + timeout_s
    asked_s = time.monotonic()
    while not condition():
        now_s = time.monotonic()
        assert now_s < deadline, "it did not come true in time"
        time.sleep(min(max(0.02, 4 * (now_s - asked_s)), 0.2))
        asked_s = time.monotonic()


def table(snapshot: StudySnapshot) -> list[tuple[Any, ...]]:
    """Return all that must not depend on the workers: the search, then the
    confirmations."""
    return [
        (
            slot.phase,
            slot.number,
            dict(slot.params),
            slot.state,
            slot.score,
            slot.steps,
            [(m.member, m.seed, m.score, m.curve, m.loss_curve) for m in slot.members],
            slot.costs,
        )
        for slot in (*snapshot.search, *snapshot.confirm)
    ]


def undisturbed(url: str, spec: StudySpec) -> list[tuple[Any, ...]]:
    """Return the table of one undisturbed worker."""
    with ledger_at(url) as ledger:
        ledger.register(spec)
        run_workers(url, spec.name, 1)
        return table(ledger.snapshot(spec.name, curves=True))

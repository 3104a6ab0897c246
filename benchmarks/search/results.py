"""Searches that were run on the surrogate: kept in a file, and run where they are
missing."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.search import peers, surrogate
from benchmarks.search.simulate import Search, Step
from benchmarks.search.strategies import STRATEGIES
from benchmarks.search.tasks import HERE, SEQDIGITS

RESULTS = HERE / "results.json"
RULES = {"kriging-believer": 3}
"""By sampler (else 2): raise it when searches come out differently from the same study
file."""
_DIGITS = 4
_KEPT = ("trial", "epochs", "claimed", "true")
"""What is kept of a ``Step``."""


@dataclass(frozen=True)
class Job:
    """One search to be run."""

    strategy: str
    seed: int


@cache
def fingerprint(name: str) -> str:
    """What the searches of a strategy on the table depend on, as 16 hex digits."""
    own = STRATEGIES[name]
    rules = 1 if own.peer else RULES.get(own.raw()["sampler"]["name"], 2)
    how = [own.how(), own.raw()["space"], SEQDIGITS.budget, rules]
    parts = [json.dumps(how).encode(), _world()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def _world() -> bytes:
    """The table and the kernels; how well they do on points held back changes
    nothing."""
    kernels = json.loads(surrogate.KERNELS.read_text(encoding="utf-8"))["kernels"]
    parts = (surrogate.TABLE.read_bytes(), json.dumps(kernels).encode())
    return b"".join(hashlib.sha256(part).digest() for part in parts)


def load() -> dict[str, dict[int, Search]]:
    """Return the searches that are still right, by strategy and seed."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        name: {int(seed): _read(search) for seed, search in entry["searches"].items()}
        for name, entry in stored.items()
        if name in STRATEGIES and entry["of"] == fingerprint(name)
    }


def save(by_strategy: Mapping[str, Mapping[int, Search]]) -> None:
    """Write them, a line for each search."""
    lines = []
    for name in sorted(by_strategy):
        searches = ",\n".join(
            f'  "{seed}": {json.dumps(_written(search))}'
            for seed, search in sorted(by_strategy[name].items())
        )
        of = fingerprint(name)
        lines.append(
            f' {json.dumps(name)}: {{"of": "{of}", "searches": {{\n{searches}}}}}'
        )
    new = RESULTS.with_suffix(".new")
    new.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    new.replace(RESULTS)


def missing(
    by_strategy: Mapping[str, Mapping[int, Search]],
    names: Iterable[str],
    repetitions: int,
) -> list[Job]:
    """What is still to be run, as far as its library is installed."""
    return [
        Job(name, seed)
        for name in names
        if not STRATEGIES[name].peer or peers.usable(name, SEQDIGITS.spec())
        for seed in range(repetitions)
        if seed not in by_strategy.get(name, {})
    ]


def execute(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, Search]]:
    """Run searches, as they come."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(processes, _begin) as pool:
        yield from pool.imap_unordered(_execute, jobs)


def _begin() -> None:
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")  # of the libraries, of every search again


def _execute(job: Job) -> tuple[Job, Search]:
    return job, STRATEGIES[job.strategy].run(job.seed, surrogate.load())


def _written(search: Search) -> dict[str, Any]:
    return {
        "steps": [
            [_short(getattr(step, name)) for name in _KEPT] for step in search.steps
        ],
        "trials": search.trials,
        "complete": search.complete,
        "good": _short(search.good),
        "lost": _short(search.lost),
        "suggestion_s": round(search.suggestion_s, 2),
    }


def _short(value: float) -> float:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _read(stored: Mapping[str, Any]) -> Search:
    steps = [
        Step(**dict(zip(_KEPT, values, strict=True))) for values in stored["steps"]
    ]
    return Search(**{**stored, "steps": steps})

"""What the window costs: idle workers if it is small, a poorer search if it is
large."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.service.waiting import Poll, Turn, idle, simulate
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.search import suggest
from hpo.settings import LEASE_S
from hpo.study import file
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState
from hpo.worker.loop import _POLL_S

DURATIONS = Path(__file__).with_name("durations.json")
SEARCH = Path(__file__).parents[2] / "reproduction" / "seqdigits-tpe.toml"
WORKERS = (2, 4, 8, 16, 32, 64, 128, 256)
FACTORS = (1, 2, 4, 8)
"""Windows, as multiples of the workers."""
LARGEST = 1024
"""Window that a study may have."""
BUDGETS = (200, 1000)
EIGHT = 8
"""Workers of the variants and of the check against reality."""
MINUTE_S = 60.0
DRAWS = 20
"""Searches in a mean of idle shares."""
REPEATS = 12
"""Searches in a comparison of quality."""
WINDOWS = (1, 4, 8, 16, 32, 64, 128)
LENGTHS = (100, 300)
"""Trials after which a search is judged."""
NOISE = 0.008
"""Standard deviation of a score that the search sees."""
_REAL_TRIALS = 160
_REAL_MEAN_S = 0.6
_REAL_KINDS = 16


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Idle shares of the workers' time."""

    workers: int
    window: int
    steady: float
    """While the search goes on."""
    whole: Mapping[int, float]
    """From the first trial's start to the last one's end, by budget."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Steady idle shares of eight workers."""

    window: int
    as_they_were: float
    all_complete: float
    """With trials that were not pruned alone."""
    two_speeds: float
    """With every other worker at half the speed."""
    polling: tuple[float, float]
    """With the pauses of real workers: trials as they were, and of a minute in the
    mean."""
    lost_s: float
    """By how much a lost worker delays the search, trials as they were, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Real workers beside their simulation: idle shares."""

    window: int
    measured: float
    simulated: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """True value of the trial that scored best: quartiles over the repetitions."""

    function: str
    sampler: str
    window: int
    trials: int
    quartiles: tuple[float, float, float]


# --- idle workers ---


def durations(*, complete: bool = False) -> list[float]:
    """Seconds of real trials; without the first, in which the worker also loaded its
    kernels.

    Args:
        complete: those alone that were not pruned.
    """
    trials = json.loads(DURATIONS.read_text(encoding="utf-8"))["trials"][1:]
    return [seconds for state, seconds in trials if not complete or state == "complete"]


def costs() -> Iterator[Cost]:
    """Every number of workers with every window, trials drawn from the real ones."""
    pool = durations()
    for workers in WORKERS:
        for window in (
            factor * workers for factor in FACTORS if factor * workers <= LARGEST
        ):
            yield Cost(
                workers=workers,
                window=window,
                steady=steady(pool, workers, window),
                whole={
                    budget: _whole(pool, workers, window, budget) for budget in BUDGETS
                },
            )


def variants() -> Iterator[Variant]:
    """Eight workers under other circumstances."""
    pool = durations()
    minutes = [seconds * MINUTE_S / statistics.fmean(pool) for seconds in pool]
    for window in (factor * EIGHT for factor in FACTORS):
        yield Variant(
            window=window,
            as_they_were=steady(pool, EIGHT, window),
            all_complete=steady(durations(complete=True), EIGHT, window),
            two_speeds=steady(pool, EIGHT, window, slowness=(1.0, 2.0)),
            polling=(
                steady(pool, EIGHT, window, poll=_POLL_S),
                steady(minutes, EIGHT, window, poll=_POLL_S),
            ),
            lost_s=_lost_s(pool, window),
        )


def steady(
    pool: Sequence[float],
    workers: int,
    window: int,
    *,
    slowness: Sequence[float] = (1.0,),
    poll: Poll | None = None,
) -> float:
    """Idle share of a long search, away from its start and its end; see
    ``simulate``."""
    trials = max(4000, 20 * window)
    seconds = random.Random(0).choices(pool, k=trials)
    turns = simulate(seconds, window, [0.0] * workers, slowness=slowness, poll=poll)
    return idle(turns, workers, turns[trials // 10].began, turns[-1].began)


def _whole(pool: Sequence[float], workers: int, window: int, budget: int) -> float:
    """Idle share of a whole search, the mean of many."""
    shares = []
    for seed in range(DRAWS):
        seconds = random.Random(seed).choices(pool, k=budget)
        turns = simulate(seconds, window, [0.0] * workers)
        shares.append(idle(turns, workers, 0.0, max(turn.ended for turn in turns)))
    return statistics.fmean(shares)


def _lost_s(pool: Sequence[float], window: int) -> float:
    """Delay by a worker that is lost half-way through a trial and comes back with its
    lease's end.

    Its trial is begun anew then: for the others, it takes so much longer.
    """
    delays = []
    for seed in range(DRAWS):
        seconds = random.Random(seed).choices(pool, k=BUDGETS[0])
        ends = []
        for _ in range(2):
            turns = simulate(seconds, window, [0.0] * EIGHT)
            ends.append(max(turn.ended for turn in turns))
            lost = BUDGETS[0] // 2
            seconds[lost] += seconds[lost] / 2 + LEASE_S
        delays.append(ends[1] - ends[0])
    return statistics.fmean(delays)


# --- the same for real ---


def checks(storage: Storage) -> Iterator[Check]:
    """Run eight real workers; trials sleep as long as real ones, scaled down."""
    pool = sorted(durations())
    scale = _REAL_MEAN_S / statistics.fmean(pool)
    middles = ((2 * k + 1) * len(pool) // (2 * _REAL_KINDS) for k in range(_REAL_KINDS))
    choices = [round(scale * pool[middle], 3) for middle in middles]
    for window in (factor * EIGHT for factor in FACTORS[:3]):
        yield check(storage, choices, EIGHT, window, _REAL_TRIALS)


def check(
    storage: Storage, choices: Sequence[float], workers: int, window: int, trials: int
) -> Check:
    """Run a study of trials that sleep for one of ``choices`` (s), then simulate these
    trials.

    Idle shares are those between the start of the last worker and that of the last
    trial.
    """
    real = run(storage, choices, workers, window, trials)
    starts = sorted({turn.worker: turn.began for turn in reversed(real)}.values())
    seconds = [turn.ended - turn.began for turn in real]
    ideal = simulate(seconds, window, starts, poll=_POLL_S)
    shares = [
        idle(turns, workers, starts[-1], turns[-1].began) for turns in (real, ideal)
    ]
    return Check(window=window, measured=shares[0], simulated=shares[1])


def run(
    storage: Storage, choices: Sequence[float], workers: int, window: int, trials: int
) -> list[Turn]:
    """Run a study of trials that sleep for one of ``choices`` (s), by real workers."""
    ledger = Ledger(storage)
    raw: dict[str, Any] = {
        "name": f"window-{workers}-{window}",
        "objective": "benchmarks.service.instant:InstantObjective",
        "budget": {"trials": trials, "window": window, "seeds": 1, "epochs": 1},
        "task": {"name": "instant"},
        "space": {"sleep_s": {"choices": list(dict.fromkeys(choices))}},
        "sampler": {"name": "random"},
        "pruner": {"name": "none"},
    }
    spec = validate(raw, where="benchmark")
    ledger.register(spec)
    environment = {**os.environ, "HPO_STORAGE": storage.url}
    command = [sys.executable, "-m", "hpo.worker", "--study", spec.name, "--no-confirm"]
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    for worker in running:
        if worker.wait() != 0:
            raise RuntimeError(f"a worker ended with exit status {worker.returncode}")
    return _turns(ledger, spec)


def _turns(ledger: Ledger, spec: StudySpec) -> list[Turn]:
    """What the ledger says of a search that is over."""
    slots = ledger.snapshot(spec.name).search
    names = sorted({slot.worker for slot in slots if slot.worker is not None})
    zero = slots[0].started_at
    return [
        Turn(
            worker=names.index(slot.worker),
            number=slot.number,
            began=(slot.started_at - zero).total_seconds(),
            ended=(slot.finished_at - zero).total_seconds(),
        )
        for slot in slots
        if slot.worker is not None and slot.finished_at is not None
    ]


# --- quality ---


def qualities() -> Iterator[Quality]:
    """Searches by ``hpo.search.suggest`` of ``SEARCH``, on functions that are known."""
    for function in FUNCTIONS:
        for window in WINDOWS:
            yield from _quality(function, "tpe", window)
        yield from _quality(function, "random", 1)


def _quality(function: str, sampler: str, window: int) -> Iterator[Quality]:
    searches = [search(function, sampler, window, seed) for seed in range(REPEATS)]
    for trials in LENGTHS:
        best = [values[trials] for values in searches]
        low, median, high = statistics.quantiles(best, n=4, method="inclusive")
        yield Quality(
            function=function,
            sampler=sampler,
            window=window,
            trials=trials,
            quartiles=(low, median, high),
        )


def search(function: str, sampler: str, window: int, seed: int) -> dict[int, float]:
    """Return the true values of the best trial of one search, by number of trials."""
    spec = _spec(sampler, window, seed)
    noise = random.Random(seed)
    trials: list[Past] = []
    values: list[float] = []
    for number in range(max(LENGTHS)):
        suggestion = suggest.suggest(spec, number, trials)
        values.append(FUNCTIONS[function](_unit(spec, suggestion.params)))
        score = values[-1] + noise.gauss(0.0, NOISE)
        trials.append(
            Past(suggestion=suggestion, state=SlotState.COMPLETE, score=score)
        )
    scores = [trial.score or 0.0 for trial in trials]
    return {n: values[max(range(n), key=scores.__getitem__)] for n in LENGTHS}


def _spec(sampler: str, window: int, seed: int) -> StudySpec:
    overrides = [f"budget.window={window}", f"budget.trials={max(LENGTHS)}"]
    spec = file.load(str(SEARCH), overrides=overrides, values={"seed": seed})
    if sampler == "tpe":
        return spec
    return spec.model_copy(update={"sampler": type(spec.sampler)(name=sampler)})


def _unit(spec: StudySpec, params: Mapping[str, Any]) -> list[float]:
    """Where the parameters lie in their ranges, from 0 to 1."""
    unit = []
    for name, dimension in spec.space.items():
        low = dimension.low
        high = dimension.high
        assert low is not None
        assert high is not None
        scale = math.log if dimension.log else float
        unit.append((scale(params[name]) - scale(low)) / (scale(high) - scale(low)))
    return unit


def _bowl(u: Sequence[float]) -> float:
    """A quadratic with the optimum 0.95; every variable matters half as much as the one
    before."""
    centre = (0.3, 0.7, 0.5, 0.35, 0.65, 0.45, 0.6)
    return 0.95 - sum(
        2.0**-k * (x - c) ** 2 for k, (x, c) in enumerate(zip(u, centre, strict=True))
    )


def _hartmann(u: Sequence[float]) -> float:
    """Hartmann's function of six variables, its optimum scaled to 0.95; the seventh is
    idle."""
    alpha = (1.0, 1.2, 3.0, 3.2)
    a = (
        (10, 3, 17, 3.5, 1.7, 8),
        (0.05, 10, 17, 0.1, 8, 14),
        (3, 3.5, 1.7, 10, 17, 8),
        (17, 8, 0.05, 10, 0.1, 14),
    )
    p = (
        (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
        (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
        (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
        (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
    )
    total = 0.0
    for weight, scales, centre in zip(alpha, a, p, strict=True):
        total += weight * math.exp(
            -sum(s * (x - c) ** 2 for s, x, c in zip(scales, u, centre, strict=False))
        )
    return 0.95 * total / 3.32237


FUNCTIONS = {"bowl": _bowl, "Hartmann": _hartmann}

"""``python -m benchmarks centre``: capacity of one PostgreSQL, for up to 10,000
workers.

The cost of every message is measured on a real database. Then a database with a number
of cores is simulated, message by message: a worker claims a trial, stores its
parameters, trains, settles it, and claims again; every third of its lease it renews the
lease. Messages wait for a core. A claim also waits for its study, since trials of a
study are opened one by one. Networks delay a message by half of a round trip each way.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import re
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import scale, service, window
from benchmarks.results import row
from benchmarks.waiting import Turn
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.settings import LEASE_S
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREEN, ORANGE, VERMILLION
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "centre.md"
CORES = 4
WORKERS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
TRIALS_S = (1.0, 10.0, 60.0, 600.0)
"""Mean lengths of a trial."""
ROUND_TRIPS_S = (1e-3, 2e-2)
STUDIES = (1, 20)
CHECKED, CHECKED_TRIALS = (1, 2, 4, 8), 25
"""Real workers beside which the simulation is held, and trials of each."""
SPREAD = 0.5
"""Deviation of the logarithm of a trial's length."""
_MESSAGES = 300
"""Of each kind, that are timed."""
_LEAST_S = 30.0
"""Simulated before it counts; twice as long it does."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Core seconds of the database per message of each kind."""

    claim: float
    """As long is the study held."""
    suggestion: float
    """Read what happened so far, and write down the parameters."""
    settle: float
    """Store the network, end the trial."""
    beat: float


@dataclass(frozen=True, kw_only=True)
class Centre:
    """Throughput of a number of workers on one database."""

    workers: int
    studies: int
    trial_s: float
    round_trip_s: float
    trials_per_s: float
    at_work: float
    """Share of the workers' time that they train."""


def costs() -> Costs:
    """Time the messages of a lone worker, medians: they include the network of one
    machine."""
    with service._database() as storage:
        spec = scale._spec("centre", _MESSAGES, "random", 8)
        Ledger(storage).register(spec)
        worker = Worker(storage, WorkerOptions(study=spec.name, confirm=False))
        took = defaultdict[str, list[float]](list)
        own: Any = worker._ledger
        for name in ("claim", "history", "store_suggestion", "store_member", "settle"):
            setattr(own, name, _timed(getattr(own, name), took[name]))
        worker.run()
        renew = _timed(own.renew, took["renew"])
        for _ in range(_MESSAGES):
            renew(worker.name, None, doing="waits", lease_s=LEASE_S)
    median = {
        name: statistics.median(seconds or [0.0]) for name, seconds in took.items()
    }
    return Costs(
        claim=median["claim"],
        suggestion=median["history"] + median["store_suggestion"],
        settle=median["store_member"] + median["settle"],
        beat=median["renew"],
    )


def _timed(call: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - began_s)

    return timed


class Simulation:
    """Workers, messages that wait for a core, and claims that wait for their study
    before."""

    def __init__(
        self,
        costs: Costs,
        *,
        workers: int,
        studies: int,
        trial_s: float,
        round_trip_s: float,
    ) -> None:
        """Nobody has begun."""
        self._costs, self._cores, self._trip_s = costs, CORES, round_trip_s
        self._trial_s, self._rng = trial_s, random.Random(0)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ready = deque[tuple[float, Callable[[], None]]]()
        self._claims = [deque[Callable[[], None]]() for _ in range(studies)]
        self._held = [False] * studies
        self.now, self.settled, self.waited_s = 0.0, 0, 0.0
        self._idle_since = [0.0] * workers
        self._workers = workers

    def begin(self) -> None:
        """All workers are in the midst of a trial: of such, long ones are more
        frequent."""
        for worker in range(self._workers):
            seconds = self._trial_s * self._rng.lognormvariate(SPREAD**2 / 2, SPREAD)
            left_s = self._rng.uniform(0.0, seconds)
            self._at(left_s, partial(self._trained, worker))
            self._at(self._rng.uniform(0.0, LEASE_S / 3), self._beat)

    def run(self, until_s: float) -> None:
        """Go on until then."""
        while self._events and self._events[0][0] <= until_s:
            self.now, _, happens = heapq.heappop(self._events)
            happens()

    def _at(self, when_s: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), happens))

    def _message(self, seconds: float, then: Callable[[], None]) -> None:
        """Send a message; ``then`` happens when its answer is there."""
        self._at(self.now + self._trip_s / 2, partial(self._arrives, seconds, then))

    def _arrives(self, seconds: float, then: Callable[[], None]) -> None:
        self._ready.append((seconds, partial(self._answered, then)))
        self._serve()

    def _answered(self, then: Callable[[], None]) -> None:
        self._at(self.now + self._trip_s / 2, then)

    def _serve(self) -> None:
        while self._cores and self._ready:
            seconds, done = self._ready.popleft()
            self._cores -= 1
            self._at(self.now + seconds, partial(self._served, done))

    def _served(self, done: Callable[[], None]) -> None:
        self._cores += 1
        done()
        self._serve()

    def _claim(self, worker: int) -> None:
        self._at(self.now + self._trip_s / 2, partial(self._claim_arrives, worker))

    def _claim_arrives(self, worker: int) -> None:
        study = worker % len(self._held)
        self._claims[study].append(partial(self._claimed, worker))
        self._open(study)

    def _open(self, study: int) -> None:
        if not self._held[study] and self._claims[study]:
            self._held[study] = True
            then = self._claims[study].popleft()
            self._ready.append((self._costs.claim, partial(self._opened, study, then)))
            self._serve()

    def _opened(self, study: int, then: Callable[[], None]) -> None:
        self._held[study] = False
        self._answered(then)
        self._open(study)

    def _claimed(self, worker: int) -> None:
        self._message(self._costs.suggestion, partial(self._trains, worker))

    def _trains(self, worker: int) -> None:
        self.waited_s += self.now - self._idle_since[worker]
        seconds = self._trial_s * self._rng.lognormvariate(-(SPREAD**2) / 2, SPREAD)
        self._at(self.now + seconds, partial(self._trained, worker))

    def _trained(self, worker: int) -> None:
        self._idle_since[worker] = self.now
        self._message(self._costs.settle, partial(self._settled, worker))

    def _settled(self, worker: int) -> None:
        self.settled += 1
        self._claim(worker)

    def _beat(self) -> None:
        self._message(self._costs.beat, lambda: None)
        self._at(self.now + LEASE_S / 3, self._beat)


def centre(
    costs: Costs, *, workers: int, studies: int, trial_s: float, round_trip_s: float
) -> Centre:
    """Simulate until queues are as long as they get, and twice as long again, which
    counts."""
    own = {"trial_s": trial_s, "round_trip_s": round_trip_s}
    simulation = Simulation(costs, workers=workers, studies=studies, **own)
    begin_s = max(_LEAST_S, trial_s, 3 * workers * costs.claim / studies)
    simulation.begin()
    simulation.run(begin_s)
    settled, waited_s = simulation.settled, simulation.waited_s
    simulation.run(3 * begin_s)
    seconds = 2 * begin_s
    return Centre(
        workers=workers,
        studies=studies,
        **own,
        trials_per_s=(simulation.settled - settled) / seconds,
        at_work=1.0 - (simulation.waited_s - waited_s) / seconds / workers,
    )


@dataclass(frozen=True, kw_only=True)
class Check:
    """Real workers beside their simulation: trials per second."""

    workers: int
    measured: float
    simulated: float


def checks(storage: Storage, costs: Costs) -> Iterator[Check]:
    """Run a few real workers on one database; their trials sleep for a second in the
    mean."""
    places = ((2 * k + 1) / 32 for k in range(16))
    draws = [
        statistics.NormalDist(-(SPREAD**2) / 2, SPREAD).inv_cdf(place)
        for place in places
    ]
    choices = [round(math.exp(draw), 3) for draw in draws]
    for workers in CHECKED:
        turns = window.run(
            storage, choices, workers, 4 * workers, CHECKED_TRIALS * workers
        )
        since, until = max(_starts(turns)), turns[-1].began
        measured = sum(since < turn.ended <= until for turn in turns) / (until - since)
        own = {"trial_s": statistics.fmean(choices), "round_trip_s": 0.0}
        simulated = centre(costs, workers=workers, studies=1, **own).trials_per_s
        yield Check(workers=workers, measured=measured, simulated=simulated)


def _starts(turns: Sequence[Turn]) -> list[float]:
    """When each worker began its first trial."""
    return list({turn.worker: turn.began for turn in reversed(turns)}.values())


def centres(costs: Costs) -> Iterator[Centre]:
    """Every point of the page."""
    for studies, trip_s, trial_s, workers in itertools.product(
        STUDIES, ROUND_TRIPS_S, TRIALS_S, WORKERS
    ):
        own = {"trial_s": trial_s, "round_trip_s": trip_s}
        yield centre(costs, workers=workers, studies=studies, **own)


def write(costs: Costs, results: Sequence[Centre]) -> None:
    """Write the table and the figure of ``docs/explanation/centre.md``."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.compile(r"(<!-- centre -->\n).*?(<!-- end -->)", re.DOTALL)
    made = "\n".join(_lines(costs, results))
    PAGE.write_text(
        block.sub(lambda match: f"{match[1]}{made}\n{match[2]}", text), "utf-8"
    )
    _draw([one for one in results if one.round_trip_s == ROUND_TRIPS_S[0]])


def _lines(costs: Costs, results: Sequence[Centre]) -> Iterator[str]:
    claim, suggestion, settle, beat = (
        f"{1e3 * seconds:.1f}"
        for seconds in (costs.claim, costs.suggestion, costs.settle, costs.beat)
    )
    yield (
        f"Measured: a claim takes the database {claim} ms, storing the parameters"
        f" {suggestion}, the end of a trial {settle}, a sign of life {beat}."
    )
    yield ""
    trip = f"{1e3 * ROUND_TRIPS_S[0]:g} ms"
    least = min(
        after.at_work - before.at_work
        for before, after in _pairs(results)
        if before.trial_s >= TRIALS_S[1]
    )
    yield (
        "Trials per second, and the share of the workers' time in training; round"
        f" trips of {trip}. With {1e3 * ROUND_TRIPS_S[1]:g} ms the share falls by"
        f" {-100 * least:.1f} points at most, for trials of {TRIALS_S[1]:g} s or"
        " longer."
    )
    yield ""
    yield row(
        ["mean trial", "studies", *(f"{workers:,} workers" for workers in WORKERS[2:])]
    )
    yield row(["---"] * (len(WORKERS)))
    for trial_s, studies in itertools.product(TRIALS_S, STUDIES):
        cells = [_cell(results, trial_s, studies, workers) for workers in WORKERS[2:]]
        yield row([f"{trial_s:g} s", str(studies), *cells])


def _pairs(results: Sequence[Centre]) -> Iterator[tuple[Centre, Centre]]:
    known = {(c.workers, c.studies, c.trial_s, c.round_trip_s): c for c in results}
    for (workers, studies, trial_s, trip_s), one in known.items():
        if trip_s == ROUND_TRIPS_S[0]:
            yield one, known[workers, studies, trial_s, ROUND_TRIPS_S[1]]


def _cell(results: Sequence[Centre], trial_s: float, studies: int, workers: int) -> str:
    (one,) = (
        c
        for c in results
        if (c.trial_s, c.studies, c.workers) == (trial_s, studies, workers)
        and c.round_trip_s == ROUND_TRIPS_S[0]
    )
    pace = (
        f"{one.trials_per_s:,.0f}"
        if one.trials_per_s >= 10
        else f"{one.trials_per_s:.2g}"
    )
    return f"{pace}; {100 * one.at_work:.0f} %"


def _draw(results: Sequence[Centre]) -> None:
    with pictures.style():
        figure = pictures.canvas(7.2, 2.9)
        panels = figure.subplots(1, len(STUDIES), sharey=True)
        for axes, studies in zip(panels, STUDIES, strict=True):
            for trial_s, colour in zip(
                TRIALS_S, (VERMILLION, ORANGE, GREEN, BLUE), strict=True
            ):
                own = [
                    c for c in results if c.studies == studies and c.trial_s == trial_s
                ]
                shares = [100 * c.at_work for c in own]
                axes.plot(
                    WORKERS, shares, color=colour, marker="o", label=f"{trial_s:g} s"
                )
            axes.set_xscale("log")
            axes.set_title("one study" if studies == 1 else f"{studies} studies")
        panels[0].set_ylabel("workers' time in training (%)")
        panels[0].legend(title="trials of", loc="lower left")
        figure.supxlabel("workers", fontsize="medium")
        pictures.save(figure, PAGE.with_suffix(".svg"))

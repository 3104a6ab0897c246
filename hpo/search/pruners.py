"""The pruners by name, and where they may end a trial."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import optuna
from optuna.pruners import BasePruner

from hpo.study.spec import StudySpec
from hpo.study.tables import Pruner

PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "successive-halving": optuna.pruners.SuccessiveHalvingPruner,
}


def complete_options(choice: Pruner) -> dict[str, Any]:
    """Return the options of a pruner, with Optuna's defaults."""
    given = inspect.signature(PRUNERS[choice.name]).bind(**choice.options)
    given.apply_defaults()
    return given.arguments


def next_end(spec: StudySpec, trained: int, *, ended: bool) -> int:
    """Return after how many epochs a trial that has trained ``trained`` may end.

    They count over all its networks, as if none ended by itself. ``ended``: it has
    ended; else it goes on.
    """
    most = spec.budget.most_epochs
    least = trained if ended else trained + 1
    if not spec.pruner.prunes or least >= most:
        return most
    epochs = spec.planned_epochs
    if least > epochs:
        return math.ceil(least / epochs) * epochs
    options = complete_options(spec.pruner)
    first = options.get("min_resource", options.get("n_warmup_steps"))
    every = spec.budget.score_every or 1
    if isinstance(first, int):
        least = max(least, first)
        if "min_resource" in options:
            least = _rung(options, least, every)
    return min(epochs, math.ceil(least / every) * every)


def _rung(options: dict[str, Any], least: int, every: int) -> int:
    """Return the first rung of successive halving that is judged after ``least``
    epochs or more."""
    factor = options["reduction_factor"]
    rung = options["min_resource"] * factor ** options["min_early_stopping_rate"]
    while math.ceil(rung / every) * every < least:
        rung *= factor
    return int(rung)

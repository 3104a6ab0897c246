"""Finished studies of Optuna, written by Optuna."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

X = FloatDistribution(-1.0, 1.0)


def optuna_trial(
    value: float | Sequence[float], x: float = 0.5, **more: Any
) -> FrozenTrial:
    """Return a complete trial with one parameter."""
    values = [value] if isinstance(value, float) else list(value)
    return create_trial(values=values, params={"x": x}, distributions={"x": X}, **more)


def parabola(trials: int) -> list[FrozenTrial]:
    """Return trials whose values lie about (x - 0.3)², with one lucky outlier."""
    made = []
    for number in range(trials):
        x = -1.0 + 2.0 * (number * 0.618 % 1.0)
        noise = 0.05 * math.cos(17.0 * number)
        made.append(optuna_trial((x - 0.3) ** 2 + noise, x))
    made[1] = optuna_trial(-0.3, -0.8)
    return made


def every_state() -> list[FrozenTrial]:
    """Return trials in every state, with what is hard to store."""
    odd = CategoricalDistribution([None, 1.5, "a"])
    return [
        create_trial(
            value=math.inf,
            params={"x": 0.5, "odd": None},
            distributions={"x": X, "odd": odd},
            user_attrs={"note": "ünïcode", "nan": math.nan, "chip_scores": 3},
            intermediate_values={2: math.nan, 0: 0.25, 5: -math.inf},
        ),
        create_trial(state=TrialState.RUNNING, params={}, distributions={}),
        create_trial(
            state=TrialState.PRUNED,
            params={"x": -0.5},
            distributions={"x": X},
            intermediate_values={0: 0.5, 3: 0.75},
        ),
        create_trial(
            state=TrialState.FAIL, system_attrs={"fail_reason": "out of memory"}
        ),
        create_trial(state=TrialState.WAITING),
        optuna_trial(0.125),
    ]


def journal(path: Any) -> JournalStorage:
    """Open a journal file."""
    return JournalStorage(JournalFileBackend(str(path)))


def write(
    storage: Any, name: str, trials: Sequence[FrozenTrial], **options: Any
) -> optuna.Study:
    """Write a study of these trials."""
    study = optuna.create_study(storage=storage, study_name=name, **options)
    study.add_trials(trials)
    return study

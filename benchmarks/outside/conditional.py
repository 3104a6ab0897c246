"""Three problems of scikit-learn whose parameters depend on a choice.

A trial is scored on one split of the data, by the seed of the search; the truth is the
mean over eight other splits. The optimum is the best that any search has found.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from optuna.trial import BaseTrial, FixedTrial
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.outside.problem import Params, Problem, Space

_TRUTHS = range(1000, 1008)
"""Splits that no search sees."""
_N_DIGITS = 500


def make_svc(trial: BaseTrial) -> Any:
    """A kernel, with its own parameters."""
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf", "poly"])
    options: dict[str, Any] = {"C": trial.suggest_float("C", 1e-3, 1e3, log=True)}
    if kernel in ("rbf", "poly"):
        options["gamma"] = trial.suggest_float("gamma", 1e-5, 1e1, log=True)
    if kernel == "poly":
        options["degree"] = trial.suggest_int("degree", 2, 5)
    return make_pipeline(StandardScaler(), SVC(kernel=kernel, **options))


_SVC: Space = {
    "kernel": {"choices": ["linear", "rbf", "poly"]},
    "C": {"low": 1e-3, "high": 1e3, "log": True},
    "gamma": {
        "low": 1e-5,
        "high": 1e1,
        "log": True,
        "when": {"kernel": ["rbf", "poly"]},
    },
    "degree": {"low": 2, "high": 5, "when": {"kernel": ["poly"]}},
}


def make_trees(trial: BaseTrial) -> Any:
    """Boosting or a forest."""
    model = trial.suggest_categorical("model", ["boosting", "forest"])
    trees = trial.suggest_int("trees", 5, 60)
    if model == "boosting":
        return GradientBoostingRegressor(
            n_estimators=trees,
            learning_rate=trial.suggest_float("rate", 1e-3, 1.0, log=True),
            max_depth=trial.suggest_int("boosting_depth", 1, 6),
            subsample=trial.suggest_float("subsample", 0.3, 1.0),
            random_state=0,
        )
    return RandomForestRegressor(
        n_estimators=trees,
        max_depth=trial.suggest_int("forest_depth", 1, 12),
        max_features=trial.suggest_float("features", 0.1, 1.0),
        random_state=0,
    )


_BOOSTING = {"model": ["boosting"]}
_FOREST = {"model": ["forest"]}
_TREES: Space = {
    "model": {"choices": ["boosting", "forest"]},
    "trees": {"low": 5, "high": 60},
    "rate": {"low": 1e-3, "high": 1.0, "log": True, "when": _BOOSTING},
    "boosting_depth": {"low": 1, "high": 6, "when": _BOOSTING},
    "subsample": {"low": 0.3, "high": 1.0, "when": _BOOSTING},
    "forest_depth": {"low": 1, "high": 12, "when": _FOREST},
    "features": {"low": 0.1, "high": 1.0, "when": _FOREST},
}


def make_neighbours(trial: BaseTrial) -> Any:
    """Nearest neighbours or a linear model."""
    model = trial.suggest_categorical("model", ["neighbours", "linear"])
    if model == "neighbours":
        own = KNeighborsClassifier(
            n_neighbors=trial.suggest_int("neighbours", 1, 40),
            weights=trial.suggest_categorical("weights", ["uniform", "distance"]),
            p=trial.suggest_float("power", 1.0, 4.0),
        )
    else:
        regularisation = trial.suggest_float("C", 1e-4, 1e3, log=True)
        own = LogisticRegression(C=regularisation, max_iter=200)
    return make_pipeline(StandardScaler(), own)


_NEIGHBOURS: Space = {
    "model": {"choices": ["neighbours", "linear"]},
    "neighbours": {"low": 1, "high": 40, "when": {"model": ["neighbours"]}},
    "weights": {
        "choices": ["uniform", "distance"],
        "when": {"model": ["neighbours"]},
    },
    "power": {"low": 1.0, "high": 4.0, "when": {"model": ["neighbours"]}},
    "C": {"low": 1e-4, "high": 1e3, "log": True, "when": {"model": ["linear"]}},
}
_MODELS: dict[str, tuple[Callable[[BaseTrial], Any], Space]] = {
    "svc": (make_svc, _SVC),
    "trees": (make_trees, _TREES),
    "neighbours": (make_neighbours, _NEIGHBOURS),
}


def list_problems() -> list[str]:
    """Return the names of the problems."""
    return [f"scikit-learn/{name}" for name in _MODELS]


def load(name: str, seed: int) -> Problem:
    """Return a problem whose trials are scored on the split of a seed."""
    own = name.partition("/")[2]
    make, space = _MODELS[own]

    def true(params: Params) -> float:
        model = make(FixedTrial(dict(params)))
        return statistics.fmean(_score(own, model, split) for split in _TRUTHS)

    return Problem(
        name=name,
        space=space,
        objective=lambda trial: _score(own, make(trial), seed),
        true=true,
        metric="rmse" if own == "trees" else "accuracy",
        maximize=own != "trees",
    )


def _score(name: str, model: Any, split: int) -> float:
    x, y = _data(name)
    parts = train_test_split(x, y, test_size=0.3, random_state=split)
    train_x, test_x, train_y, test_y = parts
    model.fit(train_x, train_y)
    if name == "trees":
        return float(root_mean_squared_error(test_y, model.predict(test_x)))
    return float(model.score(test_x, test_y))


@cache
def _data(name: str) -> tuple[Any, Any]:
    loaders = {
        "svc": load_digits,
        "trees": load_diabetes,
        "neighbours": load_breast_cancer,
    }
    x, y = loaders[name](return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(y))[:_N_DIGITS]
    return x[chosen], y[chosen]

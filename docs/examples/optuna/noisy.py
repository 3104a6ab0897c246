"""Measure something with noise: the lowest value is a lucky one."""

import math
import random

import optuna


def expected(x, y):
    return (x - 0.3) ** 2 + (y - 0.6) ** 2 + 0.1 * math.sin(9 * x) + 0.1


def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    y = trial.suggest_float("y", 0.0, 1.0)
    return expected(x, y) + random.gauss(0.0, 0.1)


if __name__ == "__main__":
    study = optuna.create_study()
    study.optimize(objective, n_trials=60)
    best = expected(**study.best_params)
    print(f"best value {study.best_value:.3f}, but {best:.3f} is expected there")

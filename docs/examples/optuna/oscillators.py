"""Train a network of spintronic oscillators in a plain Optuna function."""

import optuna

import hpo
from hpo import objectives


def objective(trial):
    params = {
        "tau_ns": trial.suggest_float("tau_ns", 1.0, 100.0, log=True),
        "lr0": trial.suggest_float("lr0", 0.01, 0.5, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "width": 16,
        "epochs": 12,
    }
    seed = hpo.seed(trial)
    confirm = hpo.confirming(trial)
    return objectives.train("spintronic", params, seed=seed, confirm=confirm).claimed


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=20)
    print(f"{study.best_value:.3f} with {study.best_params}")

"""Cross-validate a support vector machine on digits."""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

X, Y = load_digits(return_X_y=True)
X, Y = X[:600], Y[:600]


def objective(trial):
    c = trial.suggest_float("c", 1e-2, 1e2, log=True)
    gamma = trial.suggest_float("gamma", 1e-5, 1e-1, log=True)
    folds = StratifiedKFold(n_splits=3, shuffle=True)
    scores = cross_val_score(SVC(C=c, gamma=gamma), X, Y, cv=folds)
    trial.set_user_attr("std", float(scores.std()))
    return scores.mean()


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=30)
    print(f"{study.best_value:.3f} with {study.best_params}")

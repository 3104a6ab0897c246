"""Fit a linear classifier pass by pass, and stop those that do not keep up."""

import optuna
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split


def objective(trial):
    x, y = load_digits(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(x / 16, y, test_size=0.5)
    alpha = trial.suggest_float("alpha", 1e-6, 1.0, log=True)
    penalty = trial.suggest_categorical("penalty", ["l2", "l1", "elasticnet"])
    classifier = SGDClassifier(alpha=alpha, penalty=penalty)
    for step in range(20):
        classifier.partial_fit(x_train, y_train, classes=range(10))
        error = 1.0 - classifier.score(x_valid, y_valid)
        trial.report(error, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return error


if __name__ == "__main__":
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=40)
    print(study.best_trial)

"""Choose between two classifiers, each with parameters of its own."""

import optuna
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def build(trial):
    kind = trial.suggest_categorical("classifier", ["svc", "forest"])
    if kind == "forest":
        return RandomForestClassifier(
            n_estimators=trial.suggest_int("n_estimators", 2, 30, log=True),
            max_depth=trial.suggest_int("max_depth", 1, 8),
        )
    kernel = trial.suggest_categorical("kernel", ["rbf", "poly"])
    c = trial.suggest_float("c", 1e-3, 1e3, log=True)
    degree = trial.suggest_int("degree", 2, 4) if kernel == "poly" else 3
    return make_pipeline(StandardScaler(), SVC(C=c, kernel=kernel, degree=degree))


def objective(trial):
    x, y = load_wine(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5)
    return build(trial).fit(x_train, y_train).score(x_test, y_test)


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=40)
    print(study.best_trial)

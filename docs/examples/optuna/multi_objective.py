"""Trade the error of a decision tree for its size."""

import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

X, Y = load_breast_cancer(return_X_y=True)


def objective(trial):
    tree = DecisionTreeClassifier(
        criterion=trial.suggest_categorical("criterion", ["gini", "entropy"]),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 2, 40, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 30),
    )
    error = 1.0 - cross_val_score(tree, X, Y, cv=3).mean()
    return error, tree.fit(X, Y).get_n_leaves()


if __name__ == "__main__":
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(objective, n_trials=40)
    for best in study.best_trials:
        print(best.values, best.params)

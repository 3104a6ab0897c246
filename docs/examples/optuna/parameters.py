"""Parameters of every kind: steps, logarithms, choices of None, booleans and tuples."""

import optuna
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_diabetes(return_X_y=True)
Y = (Y - Y.mean()) / Y.std()


def objective(trial):
    sizes = trial.suggest_categorical("hidden_layer_sizes", [(4,), (8,), (4, 4)])
    model = MLPRegressor(
        hidden_layer_sizes=sizes,
        alpha=trial.suggest_float("alpha", 1e-5, 1e1, log=True),
        beta_1=trial.suggest_float("beta_1", 0.5, 0.95, step=0.05),
        batch_size=trial.suggest_int("batch_size", 32, 128, step=32),
        max_iter=trial.suggest_int("max_iter", 4, 32, log=True),
        nesterovs_momentum=trial.suggest_categorical("nesterov", [True, False]),
        random_state=trial.suggest_categorical("random_state", [None, 0]),
        learning_rate_init=0.01,
        tol=0.0,
    )
    scores = cross_val_score(make_pipeline(StandardScaler(), model), X, Y, cv=3)
    return scores.mean()


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=30)
    print(study.best_value, study.best_params)

"""Solve an equation by Newton's method, which fails or diverges from some starts."""

import math

import optuna

N_STEPS = 30


def cubic(x):
    return x**3 - 2 * x + 2


def objective(trial):
    x = trial.suggest_float("start", -4.0, 4.0)
    damping = trial.suggest_float("damping", 0.1, 2.0)
    path = [x]
    while len(path) < N_STEPS and abs(cubic(x)) > 1e-9:
        slope = 3 * x**2 - 2
        if abs(slope) < 0.05:
            raise ValueError(f"the curve is flat at {x}")
        x -= damping * cubic(x) / slope
        if abs(x) > 20:
            return math.nan
        path.append(x)
    trial.set_user_attr("root", x)
    trial.set_user_attr("first_steps", path[:3])
    return len(path) + abs(cubic(x))


if __name__ == "__main__":
    study = optuna.create_study()
    study.optimize(objective, n_trials=60, catch=(ValueError,))
    print(study.best_value, study.best_trial.user_attrs)

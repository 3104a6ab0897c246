"""``hpo dashboard``: optuna-dashboard on our storage, behind a guard, and within bounds."""

__all__ = ["app", "guard", "passwords", "publish", "server"]

"""``hpo dashboard``: our pages, and the unchanged optuna-dashboard, behind a guard."""

__all__ = ["app", "guard", "password", "server"]

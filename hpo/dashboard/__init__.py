"""``hpo dashboard``: our pages, and optuna-dashboard as it comes, behind a guard."""

__all__ = ["app", "guard", "server"]

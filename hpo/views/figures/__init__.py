"""Interactive figures, by plotly: one a file."""

__all__ = [
    "confirmed",
    "confusion",
    "convergence",
    "front",
    "importance",
    "learning_curves",
    "parameters",
    "study_figure",
    "style",
]

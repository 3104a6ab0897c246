"""Interactive figures, by plotly: one a file, for the report and as a card of the dashboard."""

__all__ = [
    "cards",
    "confirmed",
    "confusion",
    "convergence",
    "front",
    "importance",
    "learning_curves",
    "parallel",
    "parameters",
    "study_figure",
    "style",
]

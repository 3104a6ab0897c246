"""Interactive figures, by plotly: one a file."""

__all__ = [
    "confirmed",
    "convergence",
    "declared",
    "front",
    "importance",
    "learning_curves",
    "parameters",
    "style",
]

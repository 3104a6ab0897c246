"""Interactive figures, by plotly, and the same as files, by Matplotlib."""

__all__ = [
    "convergence",
    "declared",
    "front",
    "importance",
    "networks",
    "palette",
    "parameters",
    "pictures",
    "scores",
    "style",
]

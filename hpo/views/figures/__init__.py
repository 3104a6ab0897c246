"""Interactive figures, by plotly, and the same as files, by Matplotlib."""

__all__ = [
    "convergence",
    "declared",
    "front",
    "importance",
    "main",
    "networks",
    "palette",
    "parameters",
    "pictures",
    "plotted",
    "style",
    "traces",
]

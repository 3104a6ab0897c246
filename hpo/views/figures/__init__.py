"""Interactive figures, by plotly, and the same as files, by Matplotlib."""

__all__ = [
    "contour",
    "convergence",
    "declared",
    "fits",
    "front",
    "importance",
    "main",
    "networks",
    "palette",
    "parallel",
    "parameters",
    "pictures",
    "plotted",
    "redrawn",
    "replication",
    "style",
    "tolerances",
    "traces",
]

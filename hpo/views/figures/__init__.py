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
    "replication",
    "style",
    "tolerances",
    "traces",
]

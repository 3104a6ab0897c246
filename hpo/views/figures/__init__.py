"""Interactive figures, by plotly."""

__all__ = [
    "convergence",
    "declared",
    "front",
    "importance",
    "networks",
    "parameters",
    "style",
]

"""Statistics of scores: standard errors, comparisons and scales."""

__all__ = ["intervals", "scales"]

"""Figures as files for a paper, by Matplotlib."""

__all__ = ["convergence", "front", "study_figure"]

"""Figures as files for a paper, by Matplotlib."""

__all__ = ["front", "study_figure"]

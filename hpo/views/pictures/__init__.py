"""Figures as files for a paper, by Matplotlib."""

__all__ = ["declared", "front"]

"""Figures as files for a paper, by Matplotlib."""

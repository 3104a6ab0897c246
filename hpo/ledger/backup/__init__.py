"""Backups: a whole study in one file."""

__all__ = ["rows", "study"]

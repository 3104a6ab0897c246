"""Backups: a whole study in one file."""

__all__ = ["check", "file", "study"]

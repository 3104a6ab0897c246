"""Backups: a whole study in one file."""

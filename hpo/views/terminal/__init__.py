"""A study on a terminal: tables, charts, and views that are redrawn."""

__all__ = ["chart", "dry_run", "live", "screen", "status", "text_tables"]

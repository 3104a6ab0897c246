"""A study on a terminal: tables, charts, and the live view of a launch."""

__all__ = ["chart", "dry_run", "live", "status", "text_tables"]

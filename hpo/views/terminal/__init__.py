"""A study on a terminal: tables, charts, and what a launch shows while it runs."""

__all__ = ["chart", "live", "status", "text_tables"]

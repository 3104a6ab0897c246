"""The report of a study: one HTML file."""

__all__ = ["html", "page", "summary"]

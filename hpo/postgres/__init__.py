"""Reaching a PostgreSQL database: by its URL, or an embedded server; and outliving its restarts."""

__all__ = ["connect", "embedded", "retry"]

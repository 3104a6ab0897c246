"""Access to PostgreSQL by URL or on an embedded server, with retries across its
restarts."""

__all__ = ["connect", "embedded", "locks", "retry", "sessions", "urls"]

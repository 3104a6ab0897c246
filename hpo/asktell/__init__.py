"""Studies whose trials somebody outside evaluates: ask for a trial, tell its values."""

__all__ = ["client", "session"]

"""A launch: a study from its file to its result; starts workers, follows them, reports."""

__all__ = ["executors", "plan"]

"""The rules of a study file that need more than one key."""

__all__ = ["check", "parameters"]

"""What a trial gets, when it ends, and what is expected of it: pure functions of a study."""

__all__ = [
    "constraints",
    "expectation",
    "history",
    "options",
    "pruning",
    "seeds",
    "space",
    "stopping",
    "suggest",
]

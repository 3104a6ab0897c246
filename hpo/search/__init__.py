"""Which parameters a trial gets, when it ends, what is expected of it: pure functions of a study."""

__all__ = ["expectation", "history", "options", "pruning", "seeds", "space", "stopping", "suggest"]

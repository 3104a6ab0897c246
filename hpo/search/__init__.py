"""Which parameters a trial gets, and when it ends: pure functions of study and earlier trials."""

__all__ = ["history", "options", "pruning", "seeds", "space", "stopping", "suggest"]

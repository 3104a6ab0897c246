"""Plain text on a study: scores, verdict, caveats, tables of the best trials."""

__all__ = [
    "caveats",
    "comparison",
    "fits",
    "formatting",
    "incomplete",
    "progress",
    "ranking",
    "refusals",
    "replication",
    "splits",
    "task_data",
    "tolerances",
    "uncompiled",
    "untaken",
    "verdict",
    "winner",
]

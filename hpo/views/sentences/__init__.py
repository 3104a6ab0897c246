"""Plain text on a study: scores, verdict, caveats, tables of the best trials."""

__all__ = ["caveats", "formatting", "ranking", "task_data", "verdict"]

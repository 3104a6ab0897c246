"""A snapshot of a study as people see it: texts, records, figures, the report, the terminal."""

__all__ = [
    "figures",
    "formatting",
    "note",
    "numbers",
    "palette",
    "pictures",
    "records",
    "report",
    "terminal",
    "verdict",
]

"""A result of a study as people see it: texts, records, figures, the report, the terminal."""

__all__ = [
    "figures",
    "formatting",
    "json_records",
    "note",
    "numbers",
    "overview",
    "palette",
    "pictures",
    "report",
    "terminal",
    "verdict",
]

"""A result of a study as people see it: texts, records, figures, the report, the terminal."""

__all__ = [
    "caveats",
    "confusion",
    "figures",
    "formatting",
    "json_records",
    "overview",
    "palette",
    "pictures",
    "report",
    "terminal",
    "verdict",
]

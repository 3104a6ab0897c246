"""Views of a result: texts, records, figures, the report, the terminal."""

__all__ = [
    "caveats",
    "figures",
    "formatting",
    "json_records",
    "overview",
    "page",
    "palette",
    "pictures",
    "report",
    "side_by_side",
    "terminal",
    "verdict",
]

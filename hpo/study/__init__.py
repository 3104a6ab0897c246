"""What a study is: its file, its rules, its trials, and what it looks like at one moment."""

__all__ = [
    "caveats",
    "confirmation",
    "dimensions",
    "edges",
    "effort",
    "endings",
    "file",
    "messages",
    "parameters",
    "pareto",
    "rules",
    "score_text",
    "snapshot",
    "spec",
    "summary",
    "tables",
    "thermal_power",
    "trials",
]

"""What a study is: its file, its rules, its trials, and what it looks like at one moment."""

__all__ = [
    "confirmation",
    "dimensions",
    "edges",
    "effort",
    "file",
    "messages",
    "parameters",
    "pareto",
    "result",
    "rules",
    "spec",
    "tables",
    "thermal_power",
    "trials",
]

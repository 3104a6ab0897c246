"""What a study is: its file, its rules, its trials, and what it looks like at one moment."""

__all__ = [
    "confirmation",
    "dimensions",
    "edges",
    "effort",
    "endings",
    "file",
    "messages",
    "parameters",
    "pareto",
    "result",
    "rules",
    "snapshot",
    "spec",
    "tables",
    "thermal_power",
    "trials",
]

"""What a study is: its file, its rules, its trials, and what it looks like at one
moment."""

__all__ = [
    "dimensions",
    "edges",
    "effort",
    "file",
    "messages",
    "networks",
    "parameters",
    "pareto",
    "progress",
    "result",
    "rules",
    "spec",
    "tables",
    "trials",
]

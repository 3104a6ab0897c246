"""What a study is: its file, its rules, its trials, and what it looks like at one
moment."""

__all__ = [
    "ask_and_tell",
    "dimensions",
    "edges",
    "effort",
    "failed_trainings",
    "file",
    "functions",
    "hashing",
    "messages",
    "networks",
    "parameters",
    "pareto",
    "progress",
    "python_values",
    "replication",
    "result",
    "rules",
    "seeds",
    "spec",
    "splits",
    "tables",
    "tolerances",
    "trials",
    "values",
]

"""Studies for programs: records of plain values."""

__all__ = [
    "exporters",
    "json_records",
    "kept_network",
    "optuna_records",
    "plan",
    "trial_tables",
]

"""Studies for programs: records of plain values."""

__all__ = [
    "exporters",
    "fits",
    "json_records",
    "kept_network",
    "optuna_records",
    "plan",
    "trial_tables",
]

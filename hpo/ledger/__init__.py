"""The record of studies in PostgreSQL, which workers share by slots under leases."""

__all__ = [
    "backup",
    "backup_file",
    "backup_lines",
    "backup_sources",
    "claim_records",
    "confirming",
    "events",
    "imports",
    "interventions",
    "ledger",
    "optuna_source",
    "optuna_tables",
    "optuna_trials",
    "overview",
    "pins",
    "reader",
    "schema",
    "snapshots",
    "telling",
    "workers",
]

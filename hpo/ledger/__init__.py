"""The record of studies in PostgreSQL, which workers share by slots under leases."""

__all__ = [
    "backup",
    "backup_file",
    "claims",
    "interventions",
    "ledger",
    "optuna_tables",
    "pins",
    "reader",
    "schema",
    "snapshots",
]

"""The record of studies in PostgreSQL, which workers share by slots under leases."""

__all__ = [
    "backup",
    "backup_file",
    "backup_lines",
    "claim_records",
    "events",
    "interventions",
    "ledger",
    "optuna_tables",
    "overview",
    "pins",
    "reader",
    "schema",
    "snapshots",
    "workers",
]

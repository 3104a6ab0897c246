"""What is written down of studies, and how workers share it: slots under leases, in PostgreSQL."""

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

"""What is written down of studies, and how workers share it: slots under leases, in PostgreSQL."""

__all__ = [
    "backup",
    "claims",
    "events",
    "interventions",
    "ledger",
    "optuna_tables",
    "overview",
    "reader",
    "reading",
    "snapshots",
    "tables",
    "warm_start",
]

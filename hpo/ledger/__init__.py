"""What is written down of studies, and how workers share it: slots under leases, in PostgreSQL."""

__all__ = [
    "backup",
    "claims",
    "events",
    "interventions",
    "lease",
    "ledger",
    "optuna_reading",
    "optuna_tables",
    "overview",
    "reader",
    "reading",
    "tables",
    "warm_start",
]

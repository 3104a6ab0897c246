"""What is written down of studies, and how workers share it: slots under leases, in PostgreSQL."""

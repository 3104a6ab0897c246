"""The service: its overhead, many workers, large databases, and the window."""

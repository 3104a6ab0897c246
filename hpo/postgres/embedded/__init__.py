"""A PostgreSQL server for those who have none: started on demand, gone with its last user."""

__all__ = ["client"]

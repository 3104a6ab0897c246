"""A PostgreSQL server for those who have none: started on demand, gone with its last user."""

from hpo.postgres.embedded.client import Embedded, EmbeddedStatus, status, stop

__all__ = ["Embedded", "EmbeddedStatus", "status", "stop"]

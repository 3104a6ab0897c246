"""Gates in the database: a worker's own SQL stops at a chosen statement until the test
lets it go.

Nothing in the worker knows of them: a trigger asks for an advisory lock that the test
holds.
"""

from __future__ import annotations

import itertools
from typing import Self

from servers import connect
from workers import wait_until

_KEY = 4711
_numbers = itertools.count()


class Gate:
    """A gate before a statement; use it in ``with``.

    Args:
        url: the database.
        statement: as in ``UPDATE OF params ON hpo_ledger.slots``.
        when: condition on the rows OLD and NEW under which the gate is shut.
    """

    def __init__(self, url: str, statement: str, when: str = "true") -> None:
        self._url, self._name = url, f"gate_{next(_numbers)}"
        self._key = _KEY + next(_numbers)
        name = self._name
        with connect(url) as connection:
            connection.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" PERFORM pg_advisory_xact_lock({self._key}); RETURN NEW; END $$"
            )
            connection.execute(
                f"CREATE TRIGGER {name} BEFORE {statement} FOR EACH ROW WHEN ({when}) "
                f"EXECUTE FUNCTION {name}()"
            )
        self._holder = connect(url)
        self._holder.execute(f"SELECT pg_advisory_lock({self._key})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.open()

    def wait(self) -> None:
        """Return when somebody stands before the gate."""
        query = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid ="
            f" {self._key}"
        )
        with connect(self._url) as connection:
            count = f"{query} AND NOT granted"
            wait_until(lambda: connection.execute(count).fetchone() != (0,))

    def cut(self) -> None:
        """End the sessions that stand before the gate: what they were at is undone."""
        with connect(self._url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                f"WHERE locktype = 'advisory' AND objid = {self._key} AND NOT granted"
            )

    def open(self) -> None:
        """Let everybody through."""
        self._holder.close()

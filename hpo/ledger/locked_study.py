"""A study under the lock on its row, which a transaction takes before its slots."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from hpo.errors import StudyError
from hpo.ledger import events, snapshots
from hpo.ledger.past import StudyVersion
from hpo.ledger.schema import Row, Rows, ask
from hpo.ledger.statements import studies as sql
from hpo.study.spec import StudySpec
from hpo.study.trials import StudyState


class LockedStudy:
    """A study whose row is locked until the transaction ends."""

    def __init__(self, connection: Connection, row: Row) -> None:
        """Take the locked row."""
        self.connection = connection
        self.row = row
        self.name: str = row.name

    @cached_property
    def spec(self) -> StudySpec:
        """The spec; raises SpecError if it does not fit this version."""
        return snapshots.restore_spec(self.row)

    @property
    def version(self) -> StudyVersion:
        """What its finished trials depend on."""
        return StudyVersion(self.row.id, self.row.timeline, self.row.amendments)

    def ask(self, statement: str, **values: Any) -> Rows:
        """Run a statement with the parameter ``:study_id`` and others."""
        return ask(self.connection, statement, study_id=self.row.id, **values)

    def turn(self, state: StudyState, reason: str | None = None) -> None:
        """Set the state of the study."""
        self.ask(sql.SET_STATE, state=state, reason=reason)

    def note(self, what: str) -> None:
        """Record what the user of this process does to the study, and count it."""
        events.note(self.connection, self.name, what)
        self.ask(sql.COUNT_AMENDMENT)

    def progress(self, above: int = -1) -> Row:
        """Return the progress of the search; see ``COUNT_PROGRESS``."""
        return self.ask(sql.COUNT_PROGRESS, above=above).one()

    def refusal(self, why: str) -> StudyError:
        """Return the error that says why the study does not allow this."""
        return StudyError(f"study {self.name!r}: {why}")


def lock_study(connection: Connection, name: str) -> LockedStudy:
    """Lock a study until the transaction ends.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = snapshots.find_study(connection, name, sql.LOCK_STUDY)
    return LockedStudy(connection, row)


def lock_study_by_id(connection: Connection, study_id: int) -> LockedStudy | None:
    """Lock a study until the transaction ends; return None if it was deleted."""
    row = ask(connection, sql.LOCK_STUDY_BY_ID, study_id=study_id).one_or_none()
    return None if row is None else LockedStudy(connection, row)

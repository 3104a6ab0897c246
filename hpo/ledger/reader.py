"""The ledger for those who only look: studies, their trials, their workers."""

from __future__ import annotations

from typing import Unpack

from hpo.ledger import events, overview, reading, snapshots
from hpo.ledger.tables import schema
from hpo.postgres.connect import Storage, prepare_database
from hpo.postgres.retry import Patience, Transactional, transaction
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.trials import Listed, StudySnapshot


class LedgerReader(Transactional):
    """What the ledger tells; ``Ledger`` writes, too, and takes longer to import."""

    def __init__(self, storage: Storage, **patience: Unpack[Patience]) -> None:
        """Open the ledger of a database; create its tables if there are none.

        Methods wait with ``patience`` for a database that is away; see ``Transactional``.

        Raises:
            StorageError: the tables are those of another version of this software.
        """
        super().__init__(storage.engine, **patience)
        self._overview: overview.Overview[Result] = overview.Overview(Result.of)
        self._retry(lambda: prepare_database(storage, schema))

    _fetched = transaction(snapshots.fetched)
    studies = transaction(overview.listed)
    network = transaction(reading.network)
    open_studies = transaction(snapshots.open_studies)
    events = transaction(events.newest)
    workers = transaction(snapshots.seen_workers)

    def snapshot(self, name: str, *, curves: bool = False) -> StudySnapshot:
        """Return a study as it is now; without ``curves``, members come without their curves.

        Raises:
            StudyError: there is no such study; the message lists those that exist.
        """
        return snapshots.built(self._fetched(name, curves=curves))

    def result(self, name: str, *, curves: bool = False) -> Search | Front | Sweep:
        """Return what a study has found as it is now; see ``snapshot``.

        Raises:
            StudyError: there is no such study.
        """
        return Result.of(self.snapshot(name, curves=curves))

    def results(self) -> list[tuple[Listed, Result | None]]:
        """Return every study, oldest first; None of one that cannot be read here.

        Those that have not changed since the last time are not read again.
        """

        def read() -> list[tuple[Listed, Result | None]]:
            with self._engine.begin() as connection:
                return self._overview.read(connection)

        return self._retry(read)

    def overlays(self, spec: StudySpec) -> list[Result]:
        """The other studies that a study's figure asks for, as far as they are there."""
        wanted = spec.figure.overlay if spec.figure else ()
        there = {summary.name for summary in self.studies()} if wanted else set()
        return [self.result(name) for name in wanted if name in there]

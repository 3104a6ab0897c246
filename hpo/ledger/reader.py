"""Read access to the ledger: studies, their trials, their workers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Unpack

from hpo.errors import SpecError, StudyError
from hpo.ledger import events, one_trial, overview, snapshots, workers
from hpo.ledger.schema import schema
from hpo.postgres.connect import Storage, require_tables
from hpo.postgres.retry import Patience, Transactional, statement, transaction
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.trials import Listed, StudySnapshot


class LedgerReader(Transactional):
    """Read access to the ledger; ``Ledger`` also writes, and takes longer to import."""

    def __init__(self, storage: Storage, **patience: Unpack[Patience]) -> None:
        """Open the ledger of a database, and create nothing in it.

        Methods retry with ``patience`` while the database is unreachable; see
        ``Transactional``.

        Raises:
            NothingYetError: it has no tables yet.
            StorageError: the tables belong to another version of hpo.
        """
        super().__init__(storage.engine, **patience)
        self.storage = storage
        self._overview = overview.Overview[Result](Result.of, most=0)
        self._retry(lambda: self._require_tables(storage))

    def _require_tables(self, storage: Storage) -> None:
        require_tables(storage, schema)

    # no transaction idles while rows are read
    _fetch = statement(snapshots.fetch)
    _fetch_drawn = statement(snapshots.fetch_drawn)
    _add_steps = statement(snapshots.add_steps)
    studies = transaction(overview.list_studies)
    native_studies = transaction(overview.list_native)
    network = transaction(snapshots.read_network)
    trial = transaction(one_trial.read_trial)
    open_studies = transaction(snapshots.list_open_studies)
    events = transaction(events.newest_events)
    workers = transaction(workers.read_workers)

    def named(self, name: str | None) -> str:
        """Return the name, or that of the only study of the database.

        Raises:
            StudyError: no name is given, and there is no study or several; the message
                lists them.
        """
        if name is not None:
            return name
        names = [study.name for study in self.studies()]
        if len(names) != 1:
            raise StudyError(
                f"name one of the studies: {', '.join(names) or 'there is none yet'}."
            )
        return names[0]

    def snapshot(self, name: str, *, curves: bool = False) -> StudySnapshot:
        """Return a study as it is now, or one that Optuna has made in this database;
        without ``curves``, members come without their curves.

        Raises:
            StudyError: there is no such study; the message lists those that exist.
        """
        return self._build(name, lambda: self._fetch(name, curves=curves))

    def drawn(self, name: str, *, curves: bool = True) -> Search | Front | Sweep:
        """Return the current result of a study as a report draws it: of very many
        trials with the steps of some, and with their curves unless others draw them.

        Raises:
            StudyError: there is no such study.
        """

        def fetch() -> snapshots.Fetched:
            return self._fetch_drawn(name, curves=curves)

        result = Result.of(self._build(name, fetch))
        lacking = snapshots.lack_steps(result) if curves else []
        if not lacking:
            return result
        return Result.of(self._add_steps(result.snapshot, lacking))

    def _build(
        self, name: str, fetch: Callable[[], snapshots.Fetched]
    ) -> StudySnapshot:
        """Build the snapshot of what is fetched; Optuna's of one of Optuna."""
        try:
            rows = fetch()
        except snapshots.NativeStudyError:
            from hpo.ledger import imports  # Optuna, a slow import

            return imports.read_native(self.storage, name)
        return snapshots.build(rows)

    def result(self, name: str, *, curves: bool = False) -> Search | Front | Sweep:
        """Return the current result of a study; see ``snapshot``.

        Raises:
            StudyError: there is no such study.
        """
        return Result.of(self.snapshot(name, curves=curves))

    def results(
        self, finished: int | None = None
    ) -> list[tuple[Listed, Result | None]]:
        """Return every study with its result, oldest first; None if it cannot be read.

        Unchanged studies are not read again. Of the studies that are done, only the
        newest ``finished`` are read; the others have None.
        """
        read = statement(self._overview.read)
        return self._overview.made(read(self, finished))

    def overlays(self, spec: StudySpec) -> list[Result]:
        """Return the other studies that a study's figure shows, if they can be
        read."""
        results: list[Result] = []
        if spec.figure is None:
            return results
        for name in spec.figure.overlay:
            with suppress(SpecError, StudyError):
                results.append(self.drawn(name, curves=False))
        return results

"""The ledger: studies, slots, leases, members and workers, in PostgreSQL.

A study has slots 0 .. trials-1. A worker *claims* a slot under a lease that it keeps
renewing; when a lease expires, the next worker claims the same slot and continues.
Every method is one transaction or two, and safe to repeat when its answer was lost.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Unpack

from sqlalchemy import Connection

from hpo.ledger import (
    claiming,
    earlier,
    events,
    failures,
    heartbeats,
    optuna_tables,
    past,
    pins,
    ranking,
    snapshots,
    telling,
    writing,
)
from hpo.ledger.claim_records import Claim, Claimant, End, Over, Wait
from hpo.ledger.locked_study import LockedStudy, lock_study
from hpo.ledger.past import Known
from hpo.ledger.reader import LedgerReader
from hpo.ledger.schema import Row, ask, check_version, require_whole, schema
from hpo.ledger.statements.studies import (
    CREATE_STUDY,
    FORGET_POSTERIOR,
    LOCK_NAME,
    LOCK_STUDY,
    SET_SPEC,
)
from hpo.postgres.connect import Storage, prepare_database, require_tables
from hpo.postgres.retry import Patience, statement, transaction
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, StudyState

Registered = Literal["created", "continued", "extended"]


def _register(connection: Connection, spec: StudySpec, pinned: StudySpec) -> Registered:
    """Register a study, or find the registered one; ``pinned`` has what it takes from
    earlier ones."""
    ask(connection, LOCK_NAME, name=spec.name)
    require_whole(connection)
    row = ask(connection, LOCK_STUDY, name=spec.name).one_or_none()
    if row is None:
        _create(connection, earlier.pin(connection, pinned))
        return "created"
    study = LockedStudy(connection, row)
    old = study.spec
    spec = earlier.pin(connection, spec)
    optuna_tables.require_study(study)
    pins.pin(study)
    extended = file.extends(old, spec)
    if not extended and row.spec == spec.stored():
        return "continued"
    study.ask(SET_SPEC, spec=json.dumps(spec.stored()))
    if extended:
        study.ask(FORGET_POSTERIOR)
    if extended and row.state == StudyState.DONE:
        study.turn(StudyState.OPEN)
    optuna_tables.publish_spec(connection, row.optuna_study_id, spec)
    if extended:
        study.note(f"extended to {spec.budget.trials:,} trials")
        return "extended"
    study.note("changed words or views")
    return "continued"


def _create(connection: Connection, spec: StudySpec) -> None:
    """Write a new study, in Optuna's tables, too, and pin its source."""
    created = ask(
        connection,
        CREATE_STUDY,
        name=spec.name,
        spec=json.dumps(spec.stored()),
        about=json.dumps(spec.about.stored()),
        spec_hash=spec.hash,
        optuna_study_id=optuna_tables.create_study(connection, spec),
    )
    study = LockedStudy(connection, created.one())
    pins.pin(study)
    study.note("submitted")


class Ledger(LedgerReader):
    """Reading and writing studies."""

    def __init__(
        self,
        storage: Storage,
        *,
        token: str | None = None,
        creates: bool = True,
        **patience: Unpack[Patience],
    ) -> None:
        """Open the ledger of a database; create missing tables if it ``creates``.

        ``token`` is that of its claims; default: one that no other process has. Methods
        retry with ``patience`` while the database is unreachable; see
        ``Transactional``.

        Raises:
            NothingYetError: it has no tables, and none may be created.
            StorageError: the tables belong to another version of hpo.
        """
        self._creates = creates
        super().__init__(storage, **patience)
        self._token = token or uuid.uuid4().hex
        self._codes: dict[str, str] = {}
        self._specs: dict[int, tuple[Any, StudySpec]] = {}
        self._known = Known()

    def _require_tables(self, storage: Storage) -> None:
        if self._creates:
            prepare_database(storage, schema)
        else:
            require_tables(storage, schema)

    # --- studies ---

    def register(self, spec: StudySpec) -> Registered:
        """Register a study, or continue or extend an existing one.

        Raises:
            StudyError: a study of this name has another spec; only a larger budget of
                trials is accepted. The message names the keys that differ. Or its
                objective's source has changed.
        """
        pins.hash_modules(
            spec
        )  # computed without a lock, like what it takes from earlier studies
        return self._register(spec, self.pinned(spec))

    _register = transaction(_register)
    pinned = statement(earlier.pin)
    find_earlier = statement(earlier.find)

    @contextmanager
    def locked(self, name: str) -> Iterator[LockedStudy]:
        """Open a transaction that locks a study: no slot is claimed meanwhile.

        Raises:
            StudyError: there is no such study.
        """
        with self._engine.begin() as connection:
            yield lock_study(connection, name)

    # --- workers ---

    register_worker = transaction(heartbeats.register_worker)
    renew = transaction(heartbeats.renew)
    deregister_worker = transaction(heartbeats.deregister_worker)
    record_loss = transaction(heartbeats.record_loss)
    explain_losses_of = transaction(failures.explain_losses_of)
    note_left_out = transaction(events.note_left_out)
    due_notices = transaction(events.due_notices)
    claim_notice = transaction(events.claim_notice)
    settle_notice = transaction(events.settle_notice)
    lacks_baselines = transaction(writing.lacks_baselines)
    store_baselines = transaction(writing.store_baselines)
    lacks_differences = transaction(writing.lacks_differences)
    store_differences = transaction(writing.store_differences)

    # --- slots ---

    def claim(
        self,
        study: str,
        worker: str,
        *,
        lease_s: float,
        confirm: bool = True,
        in_touch: Callable[[datetime | None], bool] = lambda _: True,
        at_work: int | None = None,
        numerics: str = "",
    ) -> Claim | Wait | Over:
        """Claim the next slot of a study; see ``claiming.claim`` and ``Claimant``.

        ``in_touch`` gives ``Claimant.take_over``: called again after every outage, and
        with the database's time before a slot is taken over.

        Raises:
            StudyError: there is no such study.
            StorageError: the tables belong to another version of hpo.
        """

        def once() -> Claim | Wait | Over:
            who = Claimant(
                worker=worker,
                token=self._token,
                known=self._known,
                lease_s=lease_s,
                take_over=in_touch(None),
                at_work=at_work,
                code=self.code_of(study),
            )
            with self._autocommit.connect() as connection:
                opened = claiming.try_open(connection, study, who, self._spec)
            if opened is not None:
                return opened
            with self._engine.begin() as connection:
                check_version(connection)
                locked = lock_study(connection, study)
                locked.spec = self._spec(locked.row)
                answer = self._claim_locked(locked, who, in_touch, numerics, confirm)
            if answer is not None:
                return answer
            with self._autocommit.connect() as connection:
                ranking.compute(connection, locked.row, locked.spec)
            return once()

        return self._retry(once)

    def _claim_locked(
        self,
        study: LockedStudy,
        who: Claimant,
        in_touch: Callable[[datetime], bool],
        numerics: str,
        confirm: bool,
    ) -> Claim | Wait | Over | None:
        who = replace(who, take_over=who.take_over and in_touch(study.row.now))
        if study.row.state == StudyState.OPEN:
            self._codes[study.name] = pins.pin(study)
            if study.spec.require_same_numerics:
                pins.check_numerics(study, numerics)
            who = replace(who, code=self._codes[study.name])
        return claiming.claim(study, who, confirm=confirm)

    def code_of(self, study: str) -> str:
        """Return the hash of the objective's source on this host, computed without a
        lock.

        Raises:
            SpecError: it cannot be imported here, or refuses the study.
        """
        if study not in self._codes:
            with self._autocommit.connect() as connection:
                check_version(connection)
                row = snapshots.find_study(connection, study)
            where = f"study {study!r} in the database"
            self._codes[study] = pins.fingerprint(file.validate(row.spec, where=where))
        return self._codes[study]

    def _spec(self, row: Row) -> StudySpec:
        """Return the spec of a study's row, validated once per version."""
        stored = (row.spec, row.about)
        cached = self._specs.get(row.id)
        if cached is None or cached[0] != stored:
            cached = self._specs[row.id] = (stored, snapshots.restore_spec(row))
        return cached[1]

    def history(self, claim: Claim) -> list[Past]:
        """Return trials 0 .. number-1 of the claimed trial's study, as they are now."""
        return self._known.first(claim.number, claim.version, self.read_past)

    read_past = statement(past.read)
    read_members = statement(snapshots.read_members_of_trial)
    unsuggested = statement(snapshots.count_unsuggested)
    store_suggestion = statement(writing.store_suggestion)
    store_bound = statement(writing.store_bound)
    store_member = statement(writing.store_member)
    store_checkpoint = statement(writing.store_checkpoint)
    release = transaction(writing.release)
    lose = transaction(writing.lose)

    def settle(self, claim: Claim, end: End) -> None:
        """Settle a slot in one statement; if a slot has failed, apply the failure
        policy.

        Raises:
            LeaseLostError: another worker holds the slot now.
        """
        if self._finish(claim, end):
            self._judge_failures(claim.study_id)

    tell = transaction(telling.tell)
    renew_asked = transaction(telling.renew)
    refuse_ask_and_tell = statement(telling.refuse_ask_and_tell)
    read_asked_state = statement(telling.read_asked_state)

    _finish = statement(writing.finish)
    _judge_failures = transaction(failures.judge_failures)

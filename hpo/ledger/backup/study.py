"""Backups: a whole study in one file, and back again, in any database and under any name.

A backup holds every column of the ledger but its keys and leases, and what others added to the
study in Optuna's tables (notes of optuna-dashboard, say); our rows there are made anew. Trials that
were running are released: who claims them next goes on from their checkpoints.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import Connection, Row, Table, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError

from hpo.errors import StudyError
from hpo.ledger import events, optuna_tables, reading, writing
from hpo.ledger.backup import file
from hpo.ledger.backup.rows import (
    CHANGED,
    Additions,
    BackupError,
    Header,
    Record,
    SlotRules,
    Study,
    parsed,
)
from hpo.ledger.claims import End
from hpo.ledger.tables import checkpoints, members, networks, schema, slots, studies
from hpo.postgres.connect import Storage, prepare_database
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState

BATCH = 50
"""So many slots are in memory at a time."""
_ADDED: dict[str, tuple[Any, str]] = {
    "user": (models.StudyUserAttributeModel, r"^(?!hpo:(spec|spec_hash|reported)$)"),
    "system": (models.StudySystemAttributeModel, rf"^(?!{optuna_tables.METRIC_NAMES}$)"),
    "trial_user": (models.TrialUserAttributeModel, optuna_tables.TRIAL_USER_OF_OTHERS),
    "trial_system": (models.TrialSystemAttributeModel, optuna_tables.TRIAL_SYSTEM_OF_OTHERS),
}
"""Where others add to a study, and the keys that are not ours."""
_OF_TRIAL = re.compile(r"^dashboard:(\d+):")
"""Where optuna-dashboard keeps what it knows of a trial, by Optuna's id: among the study's
attributes. In a file, such keys name trials by number."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup file that was found sound."""

    header: Header
    spec: StudySpec
    """Under its new name."""
    states: Counter[str]
    """How many search slots are in which state."""


def export(storage: Storage, study: str, path: Path) -> None:
    """Write a study to a backup file, as it is at one moment; its workers need not stop.

    Raises:
        StudyError: there is no such study.
        BackupError: the file cannot be written.
    """
    prepare_database(storage, schema)
    with storage.engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        row = reading.study(connection, study)
        header = Header(
            software=importlib.metadata.version("hpo-dynamics"),
            written_at=row.now,
            study=Study.model_validate(row, strict=False),
            additions=_additions(connection, row.optuna_study_id),
        )
        file.write(path, header, _records(connection, row.id))


def _records(connection: Connection, study_id: int) -> Iterator[Record]:
    """The record of every slot: the search by numbers, then the confirmations."""
    order = (slots.c.phase.desc(), slots.c.number)
    query = select(slots.c.id).where(slots.c.study_id == study_id).order_by(*order)
    ids = connection.scalars(query).all()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rows = connection.execute(select(slots).where(slots.c.id.in_(batch)).order_by(*order)).all()
        tables = (members, checkpoints, networks)
        trained, saved, kept = (_by_slot(connection, table, batch) for table in tables)
        for row in rows:
            yield Record.model_validate(
                {
                    "slot": row,
                    "members": trained.get(row.id, []),
                    "checkpoint": next(iter(saved.get(row.id, [])), None),
                    "network": kept[row.id][0].data if row.id in kept else None,
                },
                strict=False,
            )


def _by_slot(connection: Connection, table: Table, ids: Any) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    query = select(table).where(table.c.slot_id.in_(ids)).order_by(*table.primary_key)
    for row in connection.execute(query):
        found.setdefault(row.slot_id, []).append(row)
    return found


def check(path: Path, name: str | None = None) -> Backup:
    """Read a backup file to its end; the study may get another ``name``.

    Raises:
        BackupError: it cannot be trusted; the message says at which line, and why.
        SpecError: the spec in it does not fit this version of the software.
    """
    lines = file.read(path)
    where, line = next(lines)
    header = parsed(Header, line, where)
    study = header.study
    if study.spec.get("name") != study.name:
        raise BackupError(
            f"{where}: the study must have the name of its spec, but got name={study.name!r} and "
            f"spec.name={study.spec.get('name')!r}. {CHANGED}"
        )
    spec = validate({**study.spec, "name": name or study.name}, where=f"{where}: spec")
    rules, states = SlotRules(spec), Counter[str]()
    for where, line in lines:
        record = parsed(Record, line, where)
        rules.check(record, where)
        states[record.slot.state] += record.slot.phase == Phase.SEARCH
    return Backup(header=header, spec=spec, states=+states)


def restore(storage: Storage, path: Path, name: str | None = None) -> Backup:
    """Write the study of a backup file into a database, maybe under another name: all or nothing.

    Raises:
        BackupError: the file cannot be trusted.
        SpecError: the spec in it does not fit this version of the software.
        StudyError: the database holds a study of this name.
    """
    backup = check(path, name)
    spec = backup.spec
    prepare_database(storage, schema)
    with storage.engine.begin() as connection:
        # as `Ledger.register` does: one of a name at a time
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(spec.name))))
        known = select(studies).where(studies.c.name == spec.name)
        if (row := connection.execute(known).one_or_none()) is not None:
            raise StudyError(_taken(row, backup, path))
        optuna_id = optuna_tables.create_study(connection, spec)
        values = {**dict(backup.header.study), "name": spec.name, "optuna_study_id": optuna_id}
        values["spec"] = {**backup.header.study.spec, "name": spec.name}
        new = insert(studies).values(values).returning(studies.c.id)
        study_id = connection.execute(new).scalar_one()
        lines = file.read(path)
        next(lines)
        for where, line in lines:
            try:
                _insert(connection, spec, parsed(Record, line, where), study_id, optuna_id)
            except (DataError, IntegrityError) as error:
                raise BackupError(
                    f"{where}: the slot must fit the database, but got: {error.orig}."
                ) from error
        _add(connection, optuna_id, backup.header.additions)
        events.note(connection, spec.name, "imported")
    return backup


def _insert(
    connection: Connection, spec: StudySpec, record: Record, study_id: int, optuna_id: int
) -> None:
    """Write a slot with all that hangs on it, into Optuna's tables, too."""
    own = record.slot
    values = {**dict(own), "study_id": study_id}
    if own.phase == Phase.SEARCH:
        trial = optuna_tables.open_trial(connection, optuna_id, own.number, own.started_at)
        values |= {"optuna_trial_id": trial, "state": SlotState.RUNNING}  # until it is settled
    slot = connection.execute(insert(slots).values(values).returning(slots)).one()
    owner = {"slot_id": slot.id}
    if record.members:
        connection.execute(insert(members), [owner | dict(member) for member in record.members])
    if record.checkpoint is not None:
        connection.execute(insert(checkpoints).values(owner | dict(record.checkpoint)))
    if record.network is not None:
        connection.execute(insert(networks).values(owner | {"data": record.network}))
    if own.phase == Phase.SEARCH:
        named = ("state", "score", "costs", "steps", "attrs", "message", "lineage", "settled_at")
        end = End(**{name: getattr(own, name) for name in named})
        writing.restore(connection, spec, slot, end)


def _taken(study: Row[Any], backup: Backup, path: Path) -> str:
    """Why a name cannot be used: what is there already."""
    theirs = backup.header.study.spec_hash
    if study.spec_hash == theirs:
        what, todo = "a study of the same spec", f"Look at it: `hpo status {study.name}`. Keep both"
    else:
        what = f"another study under it (spec {study.spec_hash}, in the file {theirs})"
        todo = "Choose another"
    return (
        f"study {study.name!r}: the name must be free for {path}, but the database holds {what}. "
        f"{todo}: --name NEW."
    )


def _additions(connection: Connection, study_id: int) -> Additions:
    """What others added to a study, given by Optuna's id of it."""
    numbers = {trial_id: number for number, trial_id in _trial_ids(connection, study_id).items()}
    found: dict[str, dict[Any, Any]] = {kind: {} for kind in _ADDED}
    for kind, (model, pattern) in _ADDED.items():
        table = model.__table__
        of_trial = kind.startswith("trial")
        own = table.c.trial_id.in_(numbers) if of_trial else table.c.study_id == study_id
        for row in connection.execute(select(table).where(own, table.c.key.regexp_match(pattern))):
            owned = found[kind]
            owned = owned.setdefault(numbers[row.trial_id], {}) if of_trial else owned
            owned[_renamed(row.key, numbers)] = row.value_json
    return Additions.model_validate(found)


def _add(connection: Connection, study_id: int, additions: Additions) -> None:
    """Add them to a study that has all its trials; keys that are ours are passed over."""
    ids = _trial_ids(connection, study_id)
    for kind, (model, pattern) in _ADDED.items():
        given = getattr(additions, kind)
        owned = given.items() if kind.startswith("trial") else [(None, given)]
        for number, texts in owned:
            own = {
                _renamed(key, ids): text for key, text in texts.items() if re.match(pattern, key)
            }
            owner = study_id if number is None else ids.get(number)
            if owner is not None:
                optuna_tables.set_attrs(connection, model, owner, own)


def _trial_ids(connection: Connection, study_id: int) -> dict[int, int]:
    """Optuna's ids of the trials of a study, by number."""
    table = models.TrialModel.__table__
    query = select(table.c.number, table.c.trial_id).where(table.c.study_id == study_id)
    return {row.number: row.trial_id for row in connection.execute(query)}


def _renamed(key: str, names: Mapping[int, int]) -> str:
    return _OF_TRIAL.sub(lambda m: f"dashboard:{names.get(int(m[1]), m[1])}:", key)

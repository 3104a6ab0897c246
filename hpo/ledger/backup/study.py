"""Backups: a whole study in one file, and back again, in any database and under any name.

A backup holds every column of the ledger but its keys and leases, and what others added to the
study in Optuna's tables (notes of optuna-dashboard, say); our rows there are made anew. Trials that
were running are released: who claims them next goes on from their checkpoints.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError

from hpo.errors import StudyError
from hpo.ledger import events, optuna_tables, reading, writing
from hpo.ledger.backup import additions, file
from hpo.ledger.backup.check import Backup, Record, check, records
from hpo.ledger.backup.codec import encode
from hpo.ledger.backup.file import BackupError
from hpo.ledger.claims import End
from hpo.ledger.tables import SCHEMA_VERSION, checkpoints, members, networks, schema, slots, studies
from hpo.postgres.connect import Storage, prepare_database
from hpo.study.trials import Phase, SlotState

BATCH = 50
"""So many slots are in memory at a time."""


def export(storage: Storage, study: str, path: Path) -> dict[str, int]:
    """Write a study to a backup file, as it is at one moment; its workers need not stop.

    Returns:
        How many slots, members and checkpoints there are.

    Raises:
        StudyError: there is no such study.
        BackupError: the file cannot be written.
    """
    prepare_database(storage, schema)
    with storage.engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        row = reading.study(connection, study)
        header = _header(connection, row)
        file.write(path, header, _slots(connection, row))
    counts: dict[str, int] = header["counts"]
    return counts


def _header(connection: Connection, study: Row[Any]) -> dict[str, Any]:
    own = slots.c.study_id == study.id
    counts = {
        "slots": select(func.count()).select_from(slots).where(own),
        "members": select(func.count()).select_from(members.join(slots)).where(own),
        "checkpoints": select(func.count()).select_from(checkpoints.join(slots)).where(own),
    }
    return {
        "schema": SCHEMA_VERSION,
        "software": importlib.metadata.version("hpo-dynamics"),
        "written_at": connection.execute(select(func.now())).scalar_one().isoformat(),
        "counts": {name: connection.scalar(query) for name, query in counts.items()},
        "study": encode(studies, study),
        "additions": additions.find(connection, study.optuna_study_id),
    }


def _slots(connection: Connection, study: Row[Any]) -> Iterator[dict[str, Any]]:
    """The record of every slot: the search by numbers, then the confirmations."""
    order = (slots.c.phase.desc(), slots.c.number)
    query = select(slots.c.id).where(slots.c.study_id == study.id).order_by(*order)
    ids = connection.scalars(query).all()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rows = connection.execute(select(slots).where(slots.c.id.in_(batch)).order_by(*order)).all()
        tables = (members, checkpoints, networks)
        trained, saved, kept = (_by_slot(connection, table, batch) for table in tables)
        for row in rows:
            record: dict[str, Any] = {"slot": encode(slots, row)}
            record["members"] = trained.get(row.id, [])
            if row.id in saved:
                record["checkpoint"] = saved[row.id][0]
            if row.id in kept:
                record["network"] = kept[row.id][0]
            yield record


def _by_slot(connection: Connection, table: Table, ids: Any) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    query = select(table).where(table.c.slot_id.in_(ids)).order_by(*table.primary_key)
    for row in connection.execute(query):
        found.setdefault(row.slot_id, []).append(encode(table, row))
    return found


def restore(storage: Storage, path: Path, name: str | None = None) -> Backup:
    """Write the study of a backup file into a database, maybe under another name: all or nothing.

    Raises:
        BackupError: the file cannot be trusted.
        SpecError: the spec in it does not fit this version of the software.
        StudyError: the database holds a study of this name.
    """
    backup = check(path, name)
    prepare_database(storage, schema)
    with storage.engine.begin() as connection:
        # as `Ledger.register` does: one of a name at a time
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(backup.spec.name))))
        known = select(studies).where(studies.c.name == backup.spec.name)
        if (row := connection.execute(known).one_or_none()) is not None:
            raise StudyError(_taken(connection, row, backup, path))
        optuna_id = optuna_tables.create_study(connection, backup.spec)
        new = insert(studies).values(**backup.study, optuna_study_id=optuna_id)
        study_id = connection.execute(new.returning(studies.c.id)).scalar_one()
        for record in records(path):
            try:
                _insert(connection, backup, record, study_id, optuna_id)
            except (DataError, IntegrityError) as error:
                raise BackupError(
                    f"{record.where}: the slot must fit the database, but got: {error.orig}."
                ) from error
        additions.add(connection, optuna_id, backup.additions)
        events.note(connection, backup.spec.name, "imported")
    return backup


def _insert(
    connection: Connection, backup: Backup, record: Record, study_id: int, optuna_id: int
) -> None:
    """Write a slot with all that hangs on it, into Optuna's tables, too."""
    values = {**record.slot, "study_id": study_id}
    if values["phase"] == Phase.SEARCH:
        number, began = values["number"], values["started_at"]
        values["optuna_trial_id"] = optuna_tables.open_trial(connection, optuna_id, number, began)
    ends = ("score", "costs", "steps", "attrs", "message", "lineage", "settled_at")
    facts = {key: values[key] for key in ends if key in values}  # an older file lacks some
    end = End(state=SlotState(values["state"]), **facts)
    if values["phase"] == Phase.SEARCH:
        values["state"] = SlotState.RUNNING  # until `writing.restore` settles it
    slot = connection.execute(insert(slots).values(values).returning(slots)).one()
    owner = {"slot_id": slot.id}
    if record.members:
        connection.execute(insert(members), [owner | member for member in record.members])
    if record.checkpoint is not None:
        connection.execute(insert(checkpoints).values(owner | record.checkpoint))
    if record.network is not None:
        connection.execute(insert(networks).values(owner | record.network))
    if slot.phase == Phase.SEARCH:
        writing.restore(connection, backup.spec, slot, end)


def _taken(connection: Connection, study: Row[Any], backup: Backup, path: Path) -> str:
    """Why a name cannot be used: what is there already."""
    where = f"study {study.name!r}: the name must be free for {path}, but"
    if study.spec_hash != backup.study["spec_hash"]:
        return (
            f"{where} the database holds another study under it (spec {study.spec_hash}, in the "
            f"file {backup.study['spec_hash']}). Choose another: --name NEW."
        )
    ours, theirs = _slots(connection, study), file.read(path)
    next(theirs)
    same = encode(studies, study) == backup.header["study"]
    if same and all(mine == other for mine, other in zip_longest(ours, theirs)):
        return (
            f"{where} the database holds this very study, the same in every slot. Nothing is left "
            f"to do."
        )
    return (
        f"{where} the database holds a study of the same spec in another state. Look at it: `hpo "
        f"status {study.name}`. Keep both: --name NEW."
    )

"""Backups: export a whole study to one file; import it into any database, under any
name.

A backup holds every column of the ledger except keys and leases, and what other tools
added to the study in Optuna's tables, such as notes of optuna-dashboard. An import
recreates our rows there. Running trials are released: the next worker continues from
their checkpoints.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from hpo.errors import StudyError
from hpo.ledger import (
    backup_file,
    backup_sources,
    events,
    optuna_tables,
    snapshots,
    writing,
)
from hpo.ledger.backup_file import BackupError, BackupLine
from hpo.ledger.backup_lines import Addition, Backup, Header, Record, open_backup
from hpo.ledger.backup_sources import Sources
from hpo.ledger.claim_records import End
from hpo.ledger.rows import from_row
from hpo.ledger.schema import Row, ask, schema
from hpo.ledger.statements import backups as sql
from hpo.ledger.statements import optuna
from hpo.ledger.statements.studies import LOCK_NAME, SELECT_STUDY
from hpo.postgres.connect import Storage, prepare_database, require_tables
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Phase,
    SlotState,
    read_steps,
)

_JSON_LISTS = ("code", "baselines", "differences", "amendments", "steps")
BATCH = 50
"""Number of slots in memory at a time."""
_ADD = {"user": optuna.SET_STUDY_USER_ATTRS, "system": optuna.SET_STUDY_SYSTEM_ATTRS}
"""Statements that add an attribute to a study, by its kind."""
_OURS = f"^({'|'.join((*optuna_tables.SPEC_KEYS, optuna_tables.METRIC_NAMES))})$"
"""Pattern of the keys of attributes that hpo writes itself."""
_OF_TRIAL = re.compile(r"^dashboard:(\d+):")
"""Keys of optuna-dashboard for a trial, by Optuna's id, among the study's attributes.
In a file, such keys name trials by number."""


# --- out ---


def export(storage: Storage, study: str, path: Path) -> Sources:
    """Write a snapshot of a study to a backup file; its workers need not stop.

    Return the source of its own modules, which the file holds as far as it is found.

    Raises:
        StudyError: there is no such study.
        BackupError: the file cannot be written.
    """
    require_tables(storage, schema)
    with storage.engine.connect() as connection:
        connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        row = snapshots.find_study(connection, study)
        sources = backup_sources.collect(snapshots.restore_spec(row), row.code)
        header = {
            "software": importlib.metadata.version("hpo-dynamics"),
            "written_at": row.now,
            "study": row,
            "additions": list(_read_additions(connection, row.optuna_study_id)),
            "sources": list(sources.found),
        }
        lines = _read_records(connection, row.id)
        backup_file.write(path, Header.model_validate(header, strict=False), lines)
    return sources


def _read_records(connection: Connection, study_id: int) -> Iterator[Record]:
    """Yield the record of every slot: the search in order, then the confirmations."""
    ids = ask(connection, sql.SELECT_SLOT_IDS, study_id=study_id).scalars().all()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        trained = _group_by_slot(connection, sql.SELECT_MEMBERS, batch)
        saved = _group_by_slot(connection, sql.SELECT_CHECKPOINTS, batch)
        kept = _group_by_slot(connection, sql.SELECT_NETWORKS, batch)
        for row in ask(connection, sql.SELECT_SLOTS, ids=batch).all():
            record = {
                "slot": row,
                "members": trained[row.id],
                "checkpoint": saved[row.id][0] if saved[row.id] else None,
                "network": kept[row.id][0].data if kept[row.id] else None,
            }
            yield Record.model_validate(record, strict=False)


def _group_by_slot(
    connection: Connection, statement: str, ids: Sequence[int]
) -> defaultdict[int, list[Row]]:
    groups: defaultdict[int, list[Row]] = defaultdict(list)
    for row in ask(connection, statement, ids=ids):
        groups[row.slot_id].append(row)
    return groups


def _read_additions(connection: Connection, study_id: int) -> Iterator[Addition]:
    """Yield what other tools added to a study, by Optuna's id of the study."""
    ids = _read_trial_ids(connection, study_id)
    numbers = {trial_id: number for number, trial_id in ids.items()}
    for row in ask(connection, optuna.SELECT_ADDITIONS, id=study_id, ours=_OURS):
        key = _rename_trial(row.key, numbers)
        yield Addition(kind=row.kind, key=key, text=row.value_json)


# --- in ---


def check(path: Path, name: str | None = None) -> Backup:
    """Check a backup file to its end; the study may get another ``name``.

    Raises:
        BackupError: the file is damaged or inconsistent; the message names line and
            reason.
        SpecError: the spec in it does not fit this version of the software.
    """
    backup, records = open_backup(path, name)
    for _ in records:
        pass
    return backup


def restore(storage: Storage, path: Path, name: str | None = None) -> Backup:
    """Import the study of a backup file, perhaps under another name, completely or not
    at all.

    Raises:
        BackupError: the file is damaged or inconsistent.
        SpecError: the spec in it does not fit this version of the software.
        StudyError: the database has a study of this name.
    """
    backup, records = open_backup(path, name)
    prepare_database(storage, schema)
    try:
        with storage.engine.begin() as connection:
            _refuse_taken_name(connection, backup, path)
            _insert_study(connection, backup, records)
    except (DataError, IntegrityError) as error:
        raise BackupError(
            f"{backup.place}: the database refuses this: {error.orig}."
        ) from error
    return backup


def _refuse_taken_name(connection: Connection, backup: Backup, path: Path) -> None:
    """Lock the name of the study until the transaction ends, and refuse a taken one.

    Raises:
        StudyError: there is a study of this name.
    """
    name = backup.spec.name
    ask(connection, LOCK_NAME, name=name)
    row = ask(connection, SELECT_STUDY, name=name).one_or_none()
    if row is None:
        return
    other = "another study"
    if row.spec_hash == backup.header.study.spec_hash:
        other = "a study of the same spec"
    raise StudyError(
        f"study {name!r}: the name for {path} is taken by {other}. "
        "Keep both: --name NEW."
    )


def _insert_study(
    connection: Connection, backup: Backup, records: Iterable[Record]
) -> None:
    """Write a study with its slots, in Optuna's tables, too."""
    spec = backup.spec
    line = backup.header.study
    optuna_id = optuna_tables.create_study(connection, spec)
    values = _list_values(line)
    values["name"] = spec.name
    values["spec"] = json.dumps({**line.spec, "name": spec.name})
    study = ask(connection, sql.INSERT_STUDY, **values, optuna_study_id=optuna_id).one()
    for record in records:
        _insert_slot(connection, spec, record, study)
    ids = _read_trial_ids(connection, optuna_id)
    added: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for item in backup.header.additions:
        if not re.match(_OURS, item.key):
            added[_ADD[item.kind]][_rename_trial(item.key, ids)] = item.text
    for statement, texts in added.items():
        optuna_tables.set_attrs(connection, statement, optuna_id, texts)
    events.note(connection, spec.name, "imported")


def _insert_slot(
    connection: Connection, spec: StudySpec, record: Record, study: Row
) -> None:
    """Write a slot with its members, checkpoint and network, in Optuna's tables,
    too."""
    line = record.slot
    values = _list_values(line)
    values["optuna_trial_id"] = None
    if line.phase == Phase.SEARCH:
        values["state"] = SlotState.RUNNING  # until it is finished
        values["optuna_trial_id"] = optuna_tables.open_trial(
            connection, study.optuna_study_id, line.number, line.started_at
        )
    slot = ask(connection, sql.INSERT_SLOT, study_id=study.id, **values).one()
    for member in record.members:
        ask(connection, sql.INSERT_MEMBER, slot_id=slot.id, **_list_values(member))
    if record.checkpoint is not None:
        saved = _list_values(record.checkpoint)
        ask(connection, sql.INSERT_CHECKPOINT, slot_id=slot.id, **saved)
    if record.network is not None:
        ask(connection, sql.INSERT_NETWORK, slot_id=slot.id, data=record.network)
    if line.phase == Phase.SEARCH:
        # its message unchanged
        end = from_row(
            End,
            line,
            steps=read_steps(line.steps),
            trained=None,
            last=None,
            network=None,
            is_suggested=False,
            message=line.message,
        )
        writing.restore(connection, spec, slot, end)


def _list_values(line: BackupLine) -> dict[str, Any]:
    """Return the values of a row, JSON as text."""
    values = dict(line)
    for name, value in line:
        is_list = name in _JSON_LISTS and isinstance(value, list)
        if is_list or isinstance(value, dict):
            values[name] = json.dumps(value)
    return values


def _read_trial_ids(connection: Connection, study_id: int) -> dict[int, int]:
    """Return Optuna's ids of a study's trials, by number."""
    rows = ask(connection, optuna.SELECT_TRIAL_IDS, id=study_id)
    return {row.number: row.trial_id for row in rows}


def _rename_trial(key: str, names: Mapping[int, int]) -> str:
    return _OF_TRIAL.sub(lambda m: f"dashboard:{names.get(int(m[1]), m[1])}:", key)

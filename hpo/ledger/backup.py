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
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from annotated_types import Ge, Le
from optuna.storages._rdb import models
from pydantic import AfterValidator, AllowInfNan, AwareDatetime, Strict, create_model
from sqlalchemy import Connection, Row, Table, insert, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.exc import DataError, IntegrityError

from hpo.contract import MAX_SCORE
from hpo.errors import StudyError
from hpo.ledger import backup_file, optuna_tables, snapshots, statements, writing
from hpo.ledger.backup_file import CHANGED, BackupError, Line, parsed
from hpo.ledger.claims import End
from hpo.ledger.schema import (
    SCHEMA_VERSION,
    ask,
    checkpoints,
    members,
    networks,
    schema,
    slots,
    studies,
)
from hpo.postgres.connect import Storage, prepare_database
from hpo.search import space
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import FIXED_PARAMS, Amendment, Phase, SlotState, StudyState

BATCH = 50
"""Number of slots in memory at a time."""
_ADDED: dict[str, Any] = {
    "user": models.StudyUserAttributeModel,
    "system": models.StudySystemAttributeModel,
}
"""Optuna's tables for attributes of a study."""
_OURS = rf"^(hpo:(spec|spec_hash|reported)|{optuna_tables.METRIC_NAMES})$"
"""Keys of attributes that hpo writes itself."""
_OF_TRIAL = re.compile(r"^dashboard:(\d+):")
"""Keys of optuna-dashboard for a trial, by Optuna's id, among the study's attributes.
In a file, such keys name trials by number."""


# --- format of a file ---


def _json(value: Any) -> Any:
    json.dumps(value, allow_nan=False)
    return value


def _json_text(text: str) -> str:
    json.loads(text)
    return text


def _amendment(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Amendment.restored(value)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not an amendment: {error}") from error
    return value


Count = Annotated[int, Ge(0), Le(2**31 - 1)]
Json = Annotated[dict[str, Any], AfterValidator(_json)]
Score = Annotated[float, Ge(-MAX_SCORE), Le(MAX_SCORE)]
Finite = Annotated[float, AllowInfNan(False)]
Number = Annotated[float, Strict(False)]
"""A value of a curve; inf and NaN are strings, since JSON has neither."""
_KEYS = {"id", "study_id", "slot_id", "lease_until", "lease_s", "optuna_study_id"}
_KEYS |= {"optuna_trial_id", "cost", "expected"}
_OF_TYPE: dict[type[Any], Any] = {
    sa.Integer: Count,
    sa.BigInteger: int,
    sa.Text: str,
    sa.Float: Finite,
    sa.Boolean: bool,
    sa.DateTime: AwareDatetime,
    sa.LargeBinary: bytes,
    sa.dialects.postgresql.ARRAY: list[Number],
    JSON: Json,
}
_OF_COLUMN: dict[Any, Any] = {
    studies.c.state: StudyState,
    studies.c.priority: int,
    studies.c.code: list[Json],
    studies.c.baselines: list[Json],
    slots.c.phase: Phase,
    slots.c.state: SlotState,
    slots.c.score: Score,
    slots.c.costs: list[Finite],
    slots.c.amendments: list[Annotated[Json, AfterValidator(_amendment)]],
    members.c.score: Score,
}
"""Columns with stricter types than the database's."""


def _line_of(table: Table) -> Any:
    """Return the model of a row in a file, without keys, lease and computed columns."""
    fields: dict[str, Any] = {}
    for column in table.c:
        kind = _OF_COLUMN.get(column, _OF_TYPE[type(column.type)])
        if column.name not in _KEYS:
            fields[column.name] = kind | None if column.nullable else kind, ...
    return create_model(table.name, __base__=Line, **fields)


_RECORD: dict[str, Any] = {
    "slot": (_line_of(slots), ...),
    "members": (GenericAlias(list, _line_of(members)), ...),
    "checkpoint": (_line_of(checkpoints) | None, ...),
    "network": (bytes | None, ...),
}
Record = create_model("Record", __base__=Line, **_RECORD)
"""A slot with its members, checkpoint and network."""


class Addition(Line):
    """A JSON text that another tool added to the study in Optuna's tables."""

    kind: Literal["user", "system"]
    key: str
    text: Annotated[str, AfterValidator(_json_text)]


Header = create_model(
    "Header",
    __base__=Line,
    hpo_backup=(int, SCHEMA_VERSION),
    software=(str, ...),
    written_at=(AwareDatetime, ...),
    study=(_line_of(studies), ...),
    additions=(list[Addition], ...),
)
"""The first line of a file."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup file with a valid header."""

    header: Any
    spec: StudySpec
    """The spec under its new name."""
    states: Counter[str] = field(default_factory=Counter)
    """Number of search slots per state, of those read so far."""


# --- out ---


def export(storage: Storage, study: str, path: Path) -> None:
    """Write a snapshot of a study to a backup file; its workers need not stop.

    Raises:
        StudyError: there is no such study.
        BackupError: the file cannot be written.
    """
    prepare_database(storage, schema)
    with storage.engine.connect() as connection:
        connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        row = snapshots.study(connection, study)
        header = {
            "software": importlib.metadata.version("hpo-dynamics"),
            "written_at": row.now,
            "study": row,
            "additions": list(_additions(connection, row.optuna_study_id)),
        }
        lines = _records(connection, row.id)
        backup_file.write(path, Header.model_validate(header, strict=False), lines)


def _records(connection: Connection, study_id: int) -> Iterator[Line]:
    """Yield the record of every slot: the search in order, then the confirmations."""
    order = (slots.c.phase.desc(), slots.c.number)
    query = select(slots.c.id).where(slots.c.study_id == study_id).order_by(*order)
    ids = connection.scalars(query).all()
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rows = connection.execute(
            select(slots).where(slots.c.id.in_(batch)).order_by(*order)
        ).all()
        tables = (members, checkpoints, networks)
        trained, saved, kept = (_by_slot(connection, table, batch) for table in tables)
        for row in rows:
            record: dict[str, Any] = {"slot": row, "members": trained.get(row.id, [])}
            record["checkpoint"] = next(iter(saved.get(row.id, [])), None)
            record["network"] = kept[row.id][0].data if row.id in kept else None
            yield Record.model_validate(record, strict=False)


def _by_slot(
    connection: Connection, table: Table, ids: Any
) -> dict[int, list[Row[Any]]]:
    rows: dict[int, list[Row[Any]]] = {}
    query = select(table).where(table.c.slot_id.in_(ids)).order_by(*table.primary_key)
    for row in connection.execute(query):
        rows.setdefault(row.slot_id, []).append(row)
    return rows


def _additions(connection: Connection, study_id: int) -> Iterator[Addition]:
    """Yield what other tools added to a study, by Optuna's id of the study."""
    numbers = {
        trial_id: number
        for number, trial_id in _trial_ids(connection, study_id).items()
    }
    for kind, model in _ADDED.items():
        theirs = (
            f"FROM {model.__tablename__} WHERE study_id = :id AND key !~ :ours ORDER"
            " BY key"
        )
        for row in ask(
            connection, f"SELECT key, value_json {theirs}", id=study_id, ours=_OURS
        ):
            addition = {
                "kind": kind,
                "key": _renamed(row.key, numbers),
                "text": row.value_json,
            }
            yield Addition.model_validate(addition)


# --- in ---


def check(path: Path, name: str | None = None) -> Backup:
    """Check a backup file to its end; the study may get another ``name``.

    Raises:
        BackupError: the file is damaged or inconsistent; the message names line and
            reason.
        SpecError: the spec in it does not fit this version of the software.
    """
    backup, records = _opened(path, name)
    for _ in records:
        pass
    return backup


def _opened(path: Path, name: str | None) -> tuple[Backup, Iterator[tuple[str, Any]]]:
    """Return the header's content, and an iterator of checked records with their
    places."""
    lines = backup_file.read(path)
    where, line = next(lines)
    header: Any = parsed(Header, line, where)
    study = header.study
    if study.spec.get("name") != study.name:
        raise BackupError(
            f"{where}: the study's name differs from its spec's: name={study.name!r}, "
            f"spec.name={study.spec.get('name')!r}. {CHANGED}"
        )
    spec = validate({**study.spec, "name": name or study.name}, where=f"{where}: spec")
    backup = Backup(header=header, spec=spec)
    return backup, _records_in(backup, lines)


def _records_in(
    backup: Backup, lines: Iterator[tuple[str, bytes]]
) -> Iterator[tuple[str, Any]]:
    budget, confirm = backup.spec.budget, backup.spec.confirm
    fresh, seen, last = confirm.members if confirm else 1, 0, -1
    for where, line in lines:
        record: Any = parsed(Record, line, where)
        slot = record.slot
        if slot.phase == Phase.SEARCH:
            right = slot.number == seen < budget.trials and last < 0
            _require(
                right, f"{where}: slot.number", "search slots in order", slot.number
            )
            seen += 1
            backup.states[slot.state] += 1
        else:
            right = confirm is not None and slot.number > last
            right = right and slot.source == slot.number // fresh < seen
            _require(
                right, f"{where}: slot.number", "confirmations in order", slot.number
            )
            last = slot.number
        _check(backup.spec, slot, f"{where}: slot")
        yield where, record


def _check(spec: StudySpec, slot: Any, where: str) -> None:
    """Check the fields of a slot against each other and the spec."""
    right = (slot.settled_at is None) == (slot.state == SlotState.RUNNING)
    _require(
        right, f"{where}.settled_at", "a time for settled slots alone", slot.settled_at
    )
    right = slot.score is not None or slot.state not in (
        SlotState.COMPLETE,
        SlotState.PRUNED,
    )
    _require(right, f"{where}.score", f"a score of {slot.state} slots", slot.score)
    right = len(slot.costs) in space.n_costs(spec, slot.state)
    _require(right, f"{where}.costs", "a number for each cost of the study", slot.costs)
    fixed = slot.attrs.get(FIXED_PARAMS, {})
    right = isinstance(fixed, dict) and space.contains(spec, fixed)
    _require(right, f"{where}.attrs", f"{FIXED_PARAMS} in the study's space", fixed)
    if slot.params or slot.score is not None:
        right = space.contains(spec, slot.params or {}, whole=True)
        _require(
            right, f"{where}.params", "parameters in the study's space", slot.params
        )


def _require(holds: bool, where: str, rule: str, got: Any) -> None:
    if not holds:
        raise BackupError(f"{where}: expected {rule}, got {str(got)[:60]}. {CHANGED}")


def restore(storage: Storage, path: Path, name: str | None = None) -> Backup:
    """Import the study of a backup file, perhaps under another name, completely or not
    at all.

    Raises:
        BackupError: the file is damaged or inconsistent.
        SpecError: the spec in it does not fit this version of the software.
        StudyError: the database has a study of this name.
    """
    backup, records = _opened(path, name)
    spec, header = backup.spec, backup.header
    prepare_database(storage, schema)
    where = f"{path}: line 1"
    try:
        with storage.engine.begin() as connection:
            ask(connection, statements.LOCK_NAME, name=spec.name)
            row = ask(connection, statements.STUDY, name=spec.name).one_or_none()
            if row is not None:
                same = row.spec_hash == header.study.spec_hash
                raise StudyError(
                    f"study {spec.name!r}: the name for {path} is taken by "
                    f"{'a study of the same spec' if same else 'another study'}. "
                    "Keep both: --name NEW."
                )
            optuna_id = optuna_tables.create_study(connection, spec)
            values = {
                **dict(header.study),
                "name": spec.name,
                "optuna_study_id": optuna_id,
            }
            values["spec"] = {**header.study.spec, "name": spec.name}
            new = insert(studies).values(values).returning(studies.c.id)
            study_id = connection.execute(new).scalar_one()
            for where, record in records:  # noqa: B007
                _insert(connection, spec, record, study_id, optuna_id)
            _add(connection, optuna_id, header.additions)
            writing.note(connection, spec.name, "imported")
    except (DataError, IntegrityError) as error:
        raise BackupError(
            f"{where}: the database refuses this: {error.orig}."
        ) from error
    return backup


def _insert(
    connection: Connection, spec: StudySpec, record: Any, study_id: int, optuna_id: int
) -> None:
    """Write a slot with its members, checkpoint and network, in Optuna's tables,
    too."""
    line = record.slot
    values = {**dict(line), "study_id": study_id}
    if line.phase == Phase.SEARCH:
        trial = optuna_tables.open_trial(
            connection, optuna_id, line.number, line.started_at
        )
        values |= {
            "optuna_trial_id": trial,
            "state": SlotState.RUNNING,
        }  # until it is settled
    slot = connection.execute(insert(slots).values(values).returning(slots)).one()
    network = [] if record.network is None else [{"data": record.network}]
    saved = [] if record.checkpoint is None else [record.checkpoint]
    for table, rows in (
        (members, record.members),
        (checkpoints, saved),
        (networks, network),
    ):
        if rows:
            connection.execute(
                insert(table), [{"slot_id": slot.id, **dict(row)} for row in rows]
            )
    if line.phase == Phase.SEARCH:
        text = {"message": line.message}  # unchanged
        end = snapshots.from_row(
            End, line, trained=None, last=None, network=None, **text
        )
        writing.restore(connection, spec, slot, end)


def _add(connection: Connection, study_id: int, additions: list[Addition]) -> None:
    """Add attributes to a study that has all its trials; skip keys that hpo writes
    itself."""
    ids = _trial_ids(connection, study_id)
    for item in additions:
        if not re.match(_OURS, item.key):
            texts = {_renamed(item.key, ids): item.text}
            optuna_tables.set_attrs(connection, _ADDED[item.kind], study_id, texts)


def _trial_ids(connection: Connection, study_id: int) -> dict[int, int]:
    """Return Optuna's ids of a study's trials, by number."""
    query = "SELECT number, trial_id FROM trials WHERE study_id = :id"
    return {row.number: row.trial_id for row in ask(connection, query, id=study_id)}


def _renamed(key: str, names: Mapping[int, int]) -> str:
    return _OF_TRIAL.sub(lambda m: f"dashboard:{names.get(int(m[1]), m[1])}:", key)

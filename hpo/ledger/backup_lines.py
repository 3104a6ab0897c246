"""The lines of a backup file as models, and their checks against each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from annotated_types import Ge, Le
from pydantic import AfterValidator, AllowInfNan, AwareDatetime, Strict, create_model
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from hpo.contract import MAX_SCORE
from hpo.ledger import backup_file
from hpo.ledger.backup_file import CHANGED, BackupError, Line
from hpo.ledger.schema import (
    SCHEMA_VERSION,
    checkpoints,
    members,
    slots,
    studies,
)
from hpo.search import space
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import FIXED_PARAMS, Amendment, Phase, SlotState, StudyState


def _check_json(value: Any) -> Any:
    json.dumps(value, allow_nan=False)
    return value


def _check_json_text(text: str) -> str:
    json.loads(text)
    return text


def _check_amendment(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Amendment.restored(value)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not an amendment: {error}") from error
    return value


Count = Annotated[int, Ge(0), Le(2**31 - 1)]
Json = Annotated[dict[str, Any], AfterValidator(_check_json)]
Score = Annotated[float, Ge(-MAX_SCORE), Le(MAX_SCORE)]
Finite = Annotated[float, AllowInfNan(False)]
Number = Annotated[float, Strict(False)]
"""A value of a curve; inf and NaN are strings, since JSON has neither."""
_OMITTED = {
    "id",
    "study_id",
    "slot_id",
    "lease_until",
    "lease_s",
    "optuna_study_id",
    "optuna_trial_id",
    "cost",
    "expected",
}
"""Keys, leases and computed columns."""
_OF_TYPE: dict[type[Any], Any] = {
    sa.Integer: Count,
    sa.BigInteger: int,
    sa.Text: str,
    sa.Float: Finite,
    sa.Boolean: bool,
    sa.DateTime: AwareDatetime,
    sa.LargeBinary: bytes,
    ARRAY: list[Number],
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
    slots.c.amendments: list[Annotated[Json, AfterValidator(_check_amendment)]],
    members.c.score: Score,
}
"""Columns with stricter types than the database's."""


def line_of(table: Table) -> Any:
    """Return the model of a row in a file."""
    fields: dict[str, Any] = {}
    for column in table.c:
        kind = _OF_COLUMN.get(column, _OF_TYPE[type(column.type)])
        if column.nullable:
            kind = kind | None
        if column.name not in _OMITTED:
            fields[column.name] = kind, ...
    return create_model(table.name, __base__=Line, **fields)


_RECORD: dict[str, Any] = {
    "slot": (line_of(slots), ...),
    "members": (GenericAlias(list, line_of(members)), ...),
    "checkpoint": (line_of(checkpoints) | None, ...),
    "network": (bytes | None, ...),
}
Record = create_model("Record", __base__=Line, **_RECORD)
"""A slot with its members, checkpoint and network."""


class Addition(Line):
    """A JSON text that another tool added to the study in Optuna's tables."""

    kind: Literal["user", "system"]
    key: str
    text: Annotated[str, AfterValidator(_check_json_text)]


Header = create_model(
    "Header",
    __base__=Line,
    hpo_backup=(int, SCHEMA_VERSION),
    software=(str, ...),
    written_at=(AwareDatetime, ...),
    study=(line_of(studies), ...),
    additions=(list[Addition], ...),
)
"""The first line of a file."""


@dataclass(kw_only=True)
class Backup:
    """A backup file with a valid header."""

    header: Any
    spec: StudySpec
    """The spec under its new name."""
    place: str
    """The line that was read last."""
    states: Counter[str] = field(default_factory=Counter)
    """Number of search slots per state, of those read so far."""


def open_backup(path: Path, name: str | None) -> tuple[Backup, Iterator[Any]]:
    """Return a backup, perhaps under another ``name``, and an iterator of its checked
    records.

    Raises:
        BackupError: the file is damaged or inconsistent; the message names line and
            reason.
        SpecError: the spec in it does not fit this version of the software.
    """
    lines = backup_file.read(path)
    where, line = next(lines)
    header: Any = backup_file.parse(Header, line, where)
    study = header.study
    if study.spec.get("name") != study.name:
        raise BackupError(
            f"{where}: the study's name differs from its spec's: name={study.name!r}, "
            f"spec.name={study.spec.get('name')!r}. {CHANGED}"
        )
    spec = validate({**study.spec, "name": name or study.name}, where=f"{where}: spec")
    backup = Backup(header=header, spec=spec, place=where)
    return backup, _read_records(backup, lines)


def _read_records(backup: Backup, lines: Iterator[tuple[str, bytes]]) -> Iterator[Any]:
    spec = backup.spec
    n_trials = 0
    last_confirmation = -1
    for where, line in lines:
        backup.place = where
        record: Any = backup_file.parse(Record, line, where)
        slot = record.slot
        number = slot.number
        if slot.phase == Phase.SEARCH:
            rule = "search slots in order"
            is_right = number == n_trials < spec.budget.trials
            is_right = is_right and last_confirmation < 0
            n_trials += 1
            backup.states[slot.state] += 1
        else:
            rule = "confirmations in order"
            is_right = spec.confirm is not None and number > last_confirmation
            if spec.confirm is not None:
                source = number // spec.confirm.members
                is_right = is_right and slot.source == source < n_trials
            last_confirmation = number
        _require(is_right, f"{where}: slot.number", rule, number)
        _check_slot(spec, slot, f"{where}: slot")
        yield record


def _check_slot(spec: StudySpec, slot: Any, where: str) -> None:
    """Check the fields of a slot against each other and the spec."""
    is_running = slot.state == SlotState.RUNNING
    is_scored = slot.state in (SlotState.COMPLETE, SlotState.PRUNED)
    fixed = slot.attrs.get(FIXED_PARAMS, {})
    _require(
        (slot.settled_at is None) == is_running,
        f"{where}.settled_at",
        "a time for settled slots alone",
        slot.settled_at,
    )
    _require(
        slot.score is not None or not is_scored,
        f"{where}.score",
        f"a score of {slot.state} slots",
        slot.score,
    )
    _require(
        len(slot.costs) in space.n_costs(spec, slot.state),
        f"{where}.costs",
        "a number for each cost of the study",
        slot.costs,
    )
    _require(
        isinstance(fixed, dict) and space.contains(spec, fixed),
        f"{where}.attrs",
        f"{FIXED_PARAMS} in the study's space",
        fixed,
    )
    if slot.params or slot.score is not None:
        _require(
            space.contains(spec, slot.params or {}, whole=True),
            f"{where}.params",
            "parameters in the study's space",
            slot.params,
        )


def _require(holds: bool, where: str, rule: str, got: Any) -> None:
    if not holds:
        raise BackupError(f"{where}: expected {rule}, got {str(got)[:60]}. {CHANGED}")

"""The lines of a backup file as models, and their checks against each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, AllowInfNan, AwareDatetime, Strict

from hpo.contract import MAX_SCORE
from hpo.ledger import backup_file, backup_sources
from hpo.ledger.backup_file import CHANGED, BackupError, BackupLine
from hpo.ledger.backup_sources import SourceLine
from hpo.ledger.schema import SCHEMA_VERSION
from hpo.search import space
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    FIXED_PARAMS,
    Amendment,
    Phase,
    SlotState,
    StudyState,
    Suggestion,
)


def _check_json(value: Any) -> Any:
    json.dumps(value, allow_nan=False)
    return value


def _check_json_text(text: str) -> str:
    json.loads(text)
    return text


def _check_amendment(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Amendment.restore(value)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not an amendment: {error}") from error
    return value


Count = Annotated[int, Ge(0), Le(2**31 - 1)]
Json = Annotated[dict[str, Any], AfterValidator(_check_json)]
Score = Annotated[float, Ge(-MAX_SCORE), Le(MAX_SCORE)]
Finite = Annotated[float, AllowInfNan(False)]
Number = Annotated[float, Strict(False)]
"""A value of a curve; inf and NaN are strings, since JSON has neither."""


class StudyLine(BackupLine):
    """A study, without keys and what follows from its trials."""

    name: str
    spec: Json
    about: Json
    spec_hash: str
    state: StudyState
    state_since: AwareDatetime
    reason: str | None
    priority: int
    amendments: Count
    failures_from: Count
    search_end: Count | None
    search_end_reason: str | None
    code: list[Json]
    baselines: list[Json] | None
    differences: list[str] | None
    created_at: AwareDatetime


class SlotLine(BackupLine):
    """A slot, without keys and its lease."""

    phase: Phase
    number: Count
    source: Count | None
    state: SlotState
    params: Json | None
    attrs: Json
    score: Score | None
    costs: list[Finite]
    steps: list[Annotated[tuple[Count, Count, Finite], Strict(False)]]
    worker: str | None
    token: str | None
    attempts: Count
    losses: Count
    losses_in_a_row: Count
    message: str | None
    lineage: Json
    amendments: list[Annotated[Json, AfterValidator(_check_amendment)]]
    begins_at: Finite | None
    ends_at: Finite | None
    started_at: AwareDatetime
    finished_at: AwareDatetime | None


class MemberLine(BackupLine):
    """A trained network of a slot."""

    member: Count
    seed: int
    score: Score
    epochs: Count
    curve: list[Number]
    scored_at: list[Count]
    loss_curve: list[Number]
    diverged: bool
    info: Json
    seconds: Finite
    worker: str


class CheckpointLine(BackupLine):
    """The checkpoint of a slot's unfinished training."""

    member: Count
    epoch: Count
    curve: list[Number]
    scored_at: list[Count]
    seconds: Finite
    data: bytes


class Record(BackupLine):
    """A slot with its members, checkpoint and network."""

    slot: SlotLine
    members: list[MemberLine]
    checkpoint: CheckpointLine | None
    network: bytes | None


class Addition(BackupLine):
    """A JSON text that another tool added to the study in Optuna's tables."""

    kind: Literal["user", "system"]
    key: str
    text: Annotated[str, AfterValidator(_check_json_text)]


class Header(BackupLine):
    """The first line of a file."""

    hpo_backup: int = SCHEMA_VERSION
    software: str
    written_at: AwareDatetime
    study: StudyLine
    additions: list[Addition]
    sources: list[SourceLine]


@dataclass(kw_only=True)
class Backup:
    """A backup file with a valid header."""

    header: Header
    spec: StudySpec
    """The spec under its new name."""
    place: str
    """The line that was read last."""
    states: Counter[str] = field(default_factory=Counter)
    """Number of search slots per state, of those read so far."""


def open_backup(path: Path, name: str | None) -> tuple[Backup, Iterator[Record]]:
    """Return a backup, perhaps under another ``name``, and an iterator of its checked
    records.

    Raises:
        BackupError: the file is damaged or inconsistent; the message names line and
            reason.
        SpecError: the spec in it does not fit this version of the software.
    """
    lines = backup_file.read(path)
    where, line = next(lines)
    header = backup_file.parse(Header, line, where)
    study = header.study
    if study.spec.get("name") != study.name:
        raise BackupError(
            f"{where}: the study's name differs from its spec's: name={study.name!r}, "
            f"spec.name={study.spec.get('name')!r}. {CHANGED}"
        )
    backup_sources.check(header.sources, study.code, where)
    named = {**study.spec, "name": name or study.name}
    spec = file.restore(named, study.about, f"{where}: spec")
    backup = Backup(header=header, spec=spec, place=where)
    return backup, _read_records(backup, lines)


def _read_records(
    backup: Backup, lines: Iterator[tuple[str, bytes]]
) -> Iterator[Record]:
    spec = backup.spec
    n_trials = 0
    last_confirmation = -1
    for where, line in lines:
        backup.place = where
        record = backup_file.parse(Record, line, where)
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
                source = number // spec.confirm.networks
                is_right = is_right and slot.source == source < n_trials
            last_confirmation = number
        _require(is_right, f"{where}: slot.number", rule, number)
        _check_slot(spec, slot, f"{where}: slot")
        yield record


def _check_slot(spec: StudySpec, slot: SlotLine, where: str) -> None:
    """Check the fields of a slot against each other and the spec."""
    fixed = slot.attrs.get(FIXED_PARAMS, {})
    is_placed = True
    if slot.params or slot.score is not None:
        is_placed = _is_placed(spec, slot)
    for name, holds, rule, got in (
        (
            "finished_at",
            (slot.finished_at is not None) == slot.state.is_finished,
            "a time for finished slots alone",
            slot.finished_at,
        ),
        (
            "ends_at",
            slot.ends_at is not None
            or slot.phase == Phase.CONFIRM
            or not slot.state.is_finished,
            "an end in virtual time of finished trials",
            slot.ends_at,
        ),
        (
            "score",
            slot.score is not None or not slot.state.is_scored,
            f"a score of {slot.state} slots",
            slot.score,
        ),
        (
            "costs",
            len(slot.costs) in space.n_costs(spec, slot.state),
            "a number for each cost of the study",
            slot.costs,
        ),
        (
            "attrs",
            isinstance(fixed, dict)
            and (spec.defines_by_run or space.contains(spec, fixed)),
            f"{FIXED_PARAMS} in the study's space",
            fixed,
        ),
        ("params", is_placed, "parameters in the study's space", slot.params),
    ):
        _require(holds, f"{where}.{name}", rule, got)


def _is_placed(spec: StudySpec, slot: SlotLine) -> bool:
    """Return whether the parameters of a slot lie in the study's space or, as of a
    function, in the distributions of the slot."""
    params = slot.params or {}
    if not spec.defines_by_run:
        return space.contains(spec, params, whole=True)
    if slot.phase == Phase.CONFIRM:
        return True
    return space.contains_all(Suggestion(params=params, attrs=slot.attrs))


def _require(holds: bool, where: str, rule: str, got: Any) -> None:
    if not holds:
        raise BackupError(f"{where}: expected {rule}, got {str(got)[:60]}. {CHANGED}")

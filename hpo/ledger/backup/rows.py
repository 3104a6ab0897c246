"""What a backup holds: a header and a record for each slot, with bounds for every value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from annotated_types import Ge, Le, MaxLen
from pydantic import (
    AfterValidator,
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Strict,
    ValidationError,
    model_validator,
)

from hpo.errors import HpoError
from hpo.ledger.tables import HIGHEST_PRIORITY, SCHEMA_VERSION
from hpo.search import space
from hpo.study.spec import StudySpec
from hpo.study.trials import FIXED_PARAMS, Amendment, Phase, SlotState, StudyState
from objectives.contract import MAX_SCORE

CHANGED = "It was changed; take another copy."
_LONGEST_KEY = 512


class BackupError(HpoError):
    """A backup file cannot be written, or cannot be trusted."""


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("no database holds a NUL")
    return text


def _json(value: Any) -> Any:
    json.dumps(value, allow_nan=False)
    return value


def _json_text(text: str) -> str:
    json.loads(text)
    return _storable(text)


def _amendment(value: dict[str, Any]) -> dict[str, Any]:
    try:
        if Amendment.restored(value).since < 0:
            raise ValueError("its trial must be 0 or more")
    except (TypeError, KeyError) as error:
        raise ValueError(f"it is no amendment: {error}") from error
    return value


Count = Annotated[int, Ge(0), Le(2**31 - 1)]
Text = Annotated[str, AfterValidator(_storable)]
Json = Annotated[dict[str, Any], AfterValidator(_json)]
Score = Annotated[float, Ge(-MAX_SCORE), Le(MAX_SCORE)]
Seconds = Annotated[float, Ge(0), Le(1e12)]
Finite = Annotated[float, AllowInfNan(False)]
Number = Annotated[float, Strict(False)]
"""Of a curve; one that is not finite is spelt, as JSON has none."""
Key = Annotated[Text, MaxLen(_LONGEST_KEY)]
Texts = dict[Key, Annotated[str, AfterValidator(_json_text)]]


class Row(BaseModel):
    """Something that a file holds: nothing may be left out, added, or of another type."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        from_attributes=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
    )


class Member(Row):
    """A trained network."""

    member: Count
    seed: Annotated[int, Ge(-(2**63)), Le(2**63 - 1)]
    score: Score
    curve: list[Number]
    loss_curve: list[Number]
    diverged: bool
    info: Json
    seconds: Seconds
    worker: Text


class Checkpoint(Row):
    """An unfinished training."""

    member: Count
    curve: list[Number]
    seconds: Seconds
    data: bytes


class Slot(Row):
    """A slot, without its keys and its lease."""

    phase: Phase
    number: Count
    source: Count | None
    state: SlotState
    params: Json | None
    attrs: Json
    score: Score | None
    costs: list[Finite]
    steps: list[Number]
    worker: Text | None
    token: Text | None
    attempts: Count
    losses: Count
    losses_in_a_row: Count
    message: Text | None
    lineage: Json
    amendments: list[Annotated[Json, AfterValidator(_amendment)]]
    started_at: AwareDatetime
    settled_at: AwareDatetime | None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.settled_at is None) != (self.state == SlotState.RUNNING):
            raise ValueError("settled slots alone have settled_at")
        if self.score is None and self.state in (SlotState.COMPLETE, SlotState.PRUNED):
            raise ValueError(f"{self.state} slots have a score")
        return self


class Record(Row):
    """A slot with all that hangs on it."""

    slot: Slot
    members: list[Member]
    checkpoint: Checkpoint | None
    network: bytes | None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        indices = [member.member for member in self.members]
        if indices != sorted(set(indices)):
            raise ValueError("members come once, in order")
        return self


class Study(Row):
    """A study, without its keys."""

    name: Text
    spec: Json
    spec_hash: Text
    state: StudyState
    state_since: AwareDatetime
    reason: Text | None
    priority: Annotated[int, Ge(-HIGHEST_PRIORITY), Le(HIGHEST_PRIORITY)]
    amendments: Count
    failures_from: Count
    search_end: Count | None
    search_end_reason: Text | None
    code: list[Json]
    created_at: AwareDatetime


class Additions(Row):
    """JSON texts that others added in Optuna's tables, by key; of trials by number, then by key."""

    user: Texts
    system: Texts
    trial_user: dict[Count, Texts]
    trial_system: dict[Count, Texts]


class Header(Row):
    """The first line of a file."""

    hpo_backup: int = SCHEMA_VERSION
    software: Text
    written_at: AwareDatetime
    study: Study
    additions: Additions


class Seal(Row):
    """The last line of a file."""

    sha256: str


Model = TypeVar("Model", bound=Row)


def parsed(model: type[Model], line: bytes, where: str) -> Model:
    """A line of a file; ``where`` is said in messages.

    Raises:
        BackupError: something is missing, unknown, of the wrong type, or out of bounds.
    """
    try:
        return model.model_validate_json(line)
    except (ValidationError, RecursionError) as error:
        raise BackupError(f"{where}: {_first(error)}. {CHANGED}") from error


def _first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it must be nested less deeply"
    found = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg']}, but got {ascii(found['input'])[:60]}".removeprefix(": ")


class SlotRules:
    """What must hold between the slots of a file, which come in order."""

    def __init__(self, spec: StudySpec) -> None:
        """No slot has been seen."""
        self._spec = spec
        self._distributions = space.distributions(spec)
        self._seen, self._last = 0, -1

    def check(self, record: Record, where: str) -> None:
        """Check the next slot.

        Raises:
            BackupError: it breaks a rule.
        """
        slot, confirm = record.slot, self._spec.confirm
        if slot.phase == Phase.SEARCH:
            right = slot.number == self._seen < self._spec.budget.trials and self._last < 0
            _must(right, f"{where}: slot.number", "search slots count up", slot.number)
            self._seen += 1
        else:
            members = confirm.members if confirm else 1
            right = confirm is not None and slot.number > self._last
            right = right and slot.source == slot.number // members < self._seen
            _must(right, f"{where}: slot.number", "confirmations follow in order", slot.number)
            self._last = slot.number
        wanted = len(self._spec.costs)
        right = len(slot.costs) in ((wanted,) if slot.state == SlotState.COMPLETE else (0, wanted))
        _must(right, f"{where}: slot.costs", "a number for each cost of the study", slot.costs)
        told = slot.attrs.get(FIXED_PARAMS, {})
        right = isinstance(told, dict) and self._in_space(told)
        _must(right, f"{where}: slot.attrs", f"{FIXED_PARAMS} lie in the study's space", told)
        if slot.params or slot.score is not None:
            right = self._fits(slot.params or {})
            _must(right, f"{where}: slot.params", "they lie in the study's space", slot.params)

    def _fits(self, params: Mapping[str, Any]) -> bool:
        if not self._in_space(params):
            return False
        dimensions = self._spec.dimensions
        there = {name for name, own in dimensions.items() if own.is_there(params)}
        return params.keys() == (there or self._distributions.keys())

    def _in_space(self, params: Mapping[str, Any]) -> bool:
        known = self._distributions
        try:
            return params.keys() <= known.keys() and all(
                known[name]._contains(known[name].to_internal_repr(value))
                and not (isinstance(value, float) and math.isnan(value))
                for name, value in params.items()
            )
        except (ValueError, TypeError, OverflowError):
            return False


def _must(holds: bool, where: str, rule: str, got: Any) -> None:
    if not holds:
        raise BackupError(f"{where}: {rule}, but got {str(got)[:60]}. {CHANGED}")

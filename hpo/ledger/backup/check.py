"""Reading a backup file with suspicion: nothing of it is used before all of it makes sense."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.ledger.backup import additions, file
from hpo.ledger.backup.additions import Additions
from hpo.ledger.backup.codec import decode
from hpo.ledger.backup.file import BackupError
from hpo.ledger.tables import SCHEMA_VERSION, checkpoints, members, networks, slots, studies
from hpo.search import space
from hpo.study.file import validate
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import FIXED_PARAMS, Amendment, Phase, SlotState


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A backup file that was found sound."""

    header: Mapping[str, Any]
    spec: StudySpec
    study: Mapping[str, Any]
    """The study's row, under its new name."""
    additions: Additions
    states: Counter[str]
    """How many search slots are in which state."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A slot with its members, its checkpoint and its network, as rows of the database."""

    where: str
    slot: dict[str, Any]
    members: list[dict[str, Any]]
    checkpoint: dict[str, Any] | None
    network: dict[str, Any] | None


def check(path: Path, name: str | None = None) -> Backup:
    """Read a backup file to its end.

    Raises:
        BackupError: it cannot be trusted; the message says at which line, and why.
        SpecError: the spec in it does not fit this version of the software.
    """
    lines = file.read(path)
    header = next(lines)
    where = f"{path}: line 1"
    newer = header.get("schema")
    if not isinstance(newer, int) or newer > SCHEMA_VERSION:
        raise BackupError(
            f"{where}: schema must be {SCHEMA_VERSION} or older, but got schema={newer!r}. Update "
            f"this installation: a newer one wrote the file."
        )
    study = decode(studies, header.get("study"), where, older=newer < SCHEMA_VERSION)
    _one_of(StudyState, study.get("state"), f"{where}: studies.state")
    if not isinstance(study.get("spec"), dict):
        raise BackupError(f"{where}: studies.spec must be an object. Take another copy.")
    if name is not None:
        study |= {"name": name, "spec": {**study["spec"], "name": name}}
    spec = validate(study["spec"], where=f"{where}: spec")
    if spec.name != study["name"]:
        raise BackupError(
            f"{where}: the study must have the name of its spec, but got name={study['name']!r} "
            f"and spec.name={spec.name!r}. It was changed; take another copy."
        )
    found = _checked_additions(header.get("additions"), where)
    judge = _SlotRules(spec)
    for record in records(path):
        judge.see(record)
    return Backup(header=header, spec=spec, study=study, additions=found, states=judge.states)


def records(path: Path) -> Iterator[Record]:
    """The slots of a backup file, one by one."""
    lines = file.read(path)
    older = next(lines)["schema"] < SCHEMA_VERSION
    for number, line in enumerate(lines, start=2):
        where = f"{path}: line {number}"
        saved, trained, kept = (line.get(key) for key in ("checkpoint", "members", "network"))
        if line.keys() - {"slot", "members", "checkpoint", "network"} or not isinstance(
            trained, list
        ):
            raise BackupError(
                f"{where}: a line must hold slot, members, checkpoint and network, but got "
                f"{', '.join(sorted(line))}. It was changed; take another copy."
            )
        yield Record(
            where=where,
            slot=decode(slots, line.get("slot"), where, older=older),
            members=[decode(members, item, where, older=older) for item in trained],
            checkpoint=None if saved is None else decode(checkpoints, saved, where, older=older),
            network=None if kept is None else decode(networks, kept, where, older=older),
        )


class _SlotRules:
    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._distributions = space.distributions(spec)
        self._seen = 0
        self._last = -1
        self.states: Counter[str] = Counter()

    def see(self, record: Record) -> None:
        """Check the next slot.

        Raises:
            BackupError: it breaks a rule.
        """
        slot, where = record.slot, f"{record.where}: slots"
        state = _one_of(SlotState, slot.get("state"), f"{where}.state")
        phase = _one_of(Phase, slot.get("phase"), f"{where}.phase")
        number = slot["number"]
        if phase == Phase.SEARCH:
            right = number == self._seen < self._spec.budget.trials and self._last < 0
            _must(right, f"{where}.number", "search slots count up to budget.trials", number)
            self._seen += 1
            self.states[state] += 1
        else:
            confirm = self._spec.confirm
            right = confirm is not None and number > self._last
            right = right and slot["source"] == number // (confirm.members if confirm else 1)
            right = right and number >= 0 and slot["source"] < self._seen
            _must(right, f"{where}.number", "confirmations follow the search in order", number)
            self._last = number
        self._check_values(slot, state, where)
        indices = [member["member"] for member in record.members]
        rising = indices == sorted(set(indices)) and all(index >= 0 for index in indices)
        _must(rising, f"{record.where}: members.member", "members come once, in order", indices)
        for member in record.members:
            finite = math.isfinite(member["score"])
            _must(finite, f"{record.where}: members.score", "a score is finite", member["score"])
        for row in [*record.members, *([] if record.checkpoint is None else [record.checkpoint])]:
            took = math.isfinite(row["seconds"]) and row["seconds"] >= 0.0
            _must(took, f"{record.where}: seconds", "they are finite, from 0", row["seconds"])

    def _check_values(self, slot: Mapping[str, Any], state: SlotState, where: str) -> None:
        scored = state in (SlotState.COMPLETE, SlotState.PRUNED)
        score, params = slot["score"], slot["params"]
        if scored or score is not None:
            finite = score is not None and math.isfinite(score)
            _must(finite, f"{where}.score", f"{state} slots have a finite score", score)
        costs = slot.get("costs", [])
        wanted = len(self._spec.costs)
        right = len(costs) == wanted if state == SlotState.COMPLETE else len(costs) in (0, wanted)
        rule = "complete slots have a finite number for each cost of the study"
        _must(right and all(map(math.isfinite, costs)), f"{where}.costs", rule, costs)
        settled = (slot["settled_at"] is None) == (state == SlotState.RUNNING)
        _must(settled, f"{where}.settled_at", "settled slots alone have it", slot["settled_at"])
        for name in ("attrs", "lineage"):
            _must(isinstance(slot[name], dict), f"{where}.{name}", "it is an object", slot[name])
        amended = slot.get("amendments", [])
        rule = "they are what amendments are"
        _must(_amended(amended), f"{where}.amendments", rule, amended)
        told = slot["attrs"].get(FIXED_PARAMS, {})
        right = isinstance(told, dict) and told.keys() <= self._distributions.keys()
        rule = f"{FIXED_PARAMS} lie in the spec's space"
        _must(right and self._in_space(told), f"{where}.attrs", rule, told)
        if params or scored:
            _must(self._fits(params), f"{where}.params", "they lie in the spec's space", params)

    def _fits(self, params: Any) -> bool:
        if not isinstance(params, dict) or not params.keys() <= self._distributions.keys():
            return False
        dimensions = self._spec.dimensions
        there = {name for name, own in dimensions.items() if own.is_there(params)}
        return params.keys() == (there or self._distributions.keys()) and self._in_space(params)

    def _in_space(self, params: Mapping[str, Any]) -> bool:
        known = self._distributions
        try:
            return all(
                known[name]._contains(known[name].to_internal_repr(value))
                for name, value in params.items()
            )
        except (ValueError, TypeError, OverflowError):
            return False


def _amended(amendments: Any) -> bool:
    try:
        return all(Amendment.restored(item).since >= 0 for item in amendments)
    except (ValueError, TypeError, KeyError):
        return False


def _must(holds: bool, where: str, rule: str, got: Any) -> None:
    if not holds:
        raise BackupError(
            f"{where}: {rule}, but got {str(got)[:60]}. It was changed; take another copy."
        )


def _one_of(kind: Any, value: Any, where: str) -> Any:
    if value not in list(kind):
        raise BackupError(
            f"{where} must be one of {', '.join(kind)}, but got {value!r}. It was changed; take "
            f"another copy."
        )
    return kind(value)


def _checked_additions(found: Any, where: str) -> Additions:
    try:
        return additions.check(found)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BackupError(
            f"{where}: additions must be those of a study, but got: {error}. It was changed; take "
            f"another copy."
        ) from error

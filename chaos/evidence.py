"""The checks at the end of a chaos run, from three witnesses.

The ledger itself; Optuna, reading its own tables; and, for what was trained twice, the
journal of the objective against a log of claims that PostgreSQL writes by a trigger.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chaos import objective
from hpo.ledger import past, snapshots
from hpo.postgres.connect import Storage
from hpo.search import suggest
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudySnapshot, StudyState, Trial

Table = list[tuple[Any, ...]]

_WATCH = (
    "CREATE SCHEMA chaos",
    """CREATE TABLE chaos.claims (
        worker text, slot_id bigint, attempt int, stored bigint[],
        at timestamptz DEFAULT clock_timestamp()
    )""",
    """CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO chaos.claims (worker, slot_id, attempt, stored)
        SELECT NEW.worker, NEW.id, NEW.attempts,
               array(SELECT seed FROM hpo_ledger.members WHERE slot_id = NEW.id);
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER first AFTER INSERT ON hpo_ledger.slots
        FOR EACH ROW WHEN (NEW.attempts > 0) EXECUTE FUNCTION chaos.note()""",
    """CREATE TRIGGER again AFTER UPDATE OF attempts ON hpo_ledger.slots
        FOR EACH ROW WHEN (NEW.attempts > OLD.attempts)
        EXECUTE FUNCTION chaos.note()""",
)


def watch(storage: Storage) -> None:
    """Have PostgreSQL write down every claim, with what was stored of the slot by
    then."""
    with storage.engine.begin() as connection:
        for statement in _WATCH:
            connection.exec_driver_sql(statement)


def table(snapshot: StudySnapshot) -> Table:
    """All of a study that must not depend on who ran it: the search, then the
    confirmations."""
    return [
        (
            str(slot.phase),
            slot.number,
            slot.source,
            dict(slot.params),
            str(slot.state),
            slot.score,
            slot.steps,
            [
                (m.member, m.seed, m.score, m.curve, m.loss_curve, m.diverged)
                for m in slot.members
            ],
        )
        for slot in (*snapshot.search, *snapshot.confirm)
    ]


def differences(calm: Table, stormy: Table) -> Iterator[str]:
    """Rows in which two tables differ, in words; floats are shown to the last bit."""
    for one, other in zip(calm, stormy, strict=False):
        if repr(one) != repr(other):  # NaN equals NaN in a curve, and 0.0 is not -0.0
            yield f"undisturbed: {one}\n  disturbed: {other}"
    if len(calm) != len(stormy):
        yield f"{len(calm)} rows undisturbed, {len(stormy)} disturbed"


def unlike_suggestions(storage: Storage, snapshot: StudySnapshot) -> Iterator[str]:
    """Trials that are not what the study's file, its amendments and its history
    suggest."""
    with storage.engine.connect() as connection:
        study = snapshots.find_study(connection, snapshot.spec.name)
        known = past.read(connection, study.id, range(len(snapshot.search)))
    for number, trial in enumerate(known):
        if trial.state == SlotState.EXCLUDED and not trial.suggestion.params:
            continue  # excluded while it was enqueued
        enqueued = trial.suggestion.enqueued
        wanted = suggest.suggest(snapshot.spec, number, known[:number], enqueued).params
        if repr(dict(wanted)) != repr(dict(trial.suggestion.params)):
            yield (
                f"trial {number}: {dict(trial.suggestion.params)}\n  suggested anew:"
                f" {wanted}"
            )


def violations(storage: Storage, snapshot: StudySnapshot) -> Iterator[str]:
    """Yield each broken promise of a study."""
    yield from _ledger_violations(snapshot)
    yield from _optuna_violations(storage, snapshot)


def _ledger_violations(snapshot: StudySnapshot) -> Iterator[str]:
    spec = snapshot.spec
    if snapshot.state != StudyState.DONE:
        yield f"the study is {snapshot.state}: {snapshot.reason}"
    numbers = [slot.number for slot in snapshot.search]
    if numbers != list(range(spec.budget.trials)):
        yield (
            f"trials: expected 0 .. {spec.budget.trials - 1}, once each, got {numbers}"
        )
    assert spec.confirm is not None
    wanted = (
        min(spec.confirm.top, len(Result.of(snapshot).ranking)) * spec.confirm.seeds
    )
    confirmed = {slot.number for slot in snapshot.confirm}
    amended = any(
        slot.amendments for slot in snapshot.search
    )  # then others may be there, too
    if len(confirmed) < wanted or (len(snapshot.confirm) != wanted and not amended):
        yield f"confirmations: expected {wanted}, got {sorted(confirmed)}"
    for slot in (*snapshot.search, *snapshot.confirm):
        if slot.state not in (SlotState.COMPLETE, SlotState.PRUNED, SlotState.EXCLUDED):
            yield f"{slot.phase} {slot.number} is {slot.state}: {slot.message}"
        members = [member.member for member in slot.members]
        if members != list(range(len(members))):
            yield f"{slot.phase} {slot.number} has members {members}"


def trained_again(storage: Storage, journal: Path) -> Iterator[str]:
    """Yield checkpoints left behind, and trainings of networks that were already
    stored.

    A worker that was paused beyond its lease may train what its heir stored meanwhile,
    until it notices; its result is refused. But whoever claims a slot must leave out
    what is stored of it.
    """
    claims: defaultdict[str, list[tuple[float, sa.Row[Any]]]] = defaultdict(list)
    with storage.engine.connect() as connection:
        left = connection.scalar(sa.text("SELECT count(*) FROM hpo_ledger.checkpoints"))
        noted = connection.execute(
            sa.text("SELECT * FROM chaos.claims ORDER BY at")
        ).all()
        rows = connection.execute(
            sa.text("SELECT id, phase, number, params FROM hpo_ledger.slots")
        ).all()
    if left:
        yield f"{left} checkpoints are left"
    for row in noted:
        claims[row.worker].append((row.at.timestamp(), row))
    params = {row.id: (row.phase, row.number, row.params) for row in rows}
    for entry in objective.read(journal):
        if entry.event != "begin":
            continue
        mine = claims[entry.worker]
        last = bisect.bisect_right(mine, entry.at, key=lambda claim: claim[0]) - 1
        if last < 0:
            yield f"{entry.worker} trained seed {entry.seed} without any claim"
            continue
        claim = mine[last][1]
        phase, number, suggested = params[claim.slot_id]
        flat = {
            name: value for name, value in (suggested or {}).items() if "." not in name
        }
        if {**entry.params, **flat} != entry.params:
            yield f"{entry.worker} held {phase} {number}, but trained {entry.params}"
        if entry.seed in claim.stored:
            yield (
                f"{entry.worker} trained {phase} {number}, seed {entry.seed} again: it"
                " was stored"
            )


def _optuna_violations(storage: Storage, snapshot: StudySnapshot) -> Iterator[str]:
    """Yield differences between Optuna's tables and the ledger."""
    import optuna

    study = optuna.load_study(study_name=snapshot.spec.name, storage=storage.optuna())
    trials = study.get_trials(deepcopy=False)
    if len(trials) != len(snapshot.search):
        yield f"Optuna has {len(trials)} trials, the ledger {len(snapshot.search)}"
    for trial, slot in zip(trials, snapshot.search, strict=False):
        if slot.state == SlotState.EXCLUDED:
            continue
        seen = (
            trial.number,
            trial.state.name.lower().removesuffix("fail") or "failed",
            trial.value,
            trial.params,
            tuple(
                trial.intermediate_values[step]
                for step in sorted(trial.intermediate_values)
            ),
        )
        ours = _as_optuna(slot)
        if seen != ours:
            yield f"Optuna reads {seen}, the ledger {ours}"


def _as_optuna(slot: Trial) -> tuple[Any, ...]:
    scores = tuple(step.score for step in slot.steps)
    return (slot.number, str(slot.state), slot.score, dict(slot.params), scores)


def epochs(journal: Path) -> int:
    """Return the number of epochs trained in all."""
    return sum(entry.event == "epoch" for entry in objective.read(journal))

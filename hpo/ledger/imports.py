"""Imports of finished studies of Optuna: copied from another storage, or adopted in
their place in this database."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from hpo.errors import StudyError, one_line
from hpo.ledger import events, optuna_copies, optuna_source, optuna_tables
from hpo.ledger.optuna_source import OptunaStudy
from hpo.ledger.optuna_trials import FinishedStudy, FinishedTrial, finish
from hpo.ledger.schema import Row, ask, schema
from hpo.ledger.statements import backups, imports
from hpo.ledger.statements.studies import LOCK_NAME, SELECT_STUDY, SET_POSTERIOR
from hpo.postgres.connect import Storage, prepare_database
from hpo.study import functions
from hpo.study.networks import Member
from hpo.study.trials import StudySnapshot, StudyState

BATCH = 500
"""Number of trials that one statement writes."""


def find_native(storage: Storage, name: str) -> OptunaStudy | None:
    """Return a study of Optuna's in this database that is none of ours; None if there
    is no such study."""
    with storage.engine.connect() as connection:
        row = ask(connection, imports.FIND_NATIVE, name=name).one_or_none()
    if row is None:
        return None
    rdb = storage.optuna(read_only=True)
    try:
        return optuna_source.read_study(rdb, storage.place(), name)
    finally:
        rdb.remove_session()


def read_native(storage: Storage, name: str) -> StudySnapshot:
    """Return a study that Optuna has made in this database as one of ours; it writes
    nothing.

    Raises:
        StudyError: there is no such study any more, or no trial is finished.
        SpecError: the name is none that we store, or it has too many trials.
    """
    source = find_native(storage, name)
    if source is None:
        raise StudyError(f"study {name!r}: it has just been deleted or imported.")
    return finish(source).snapshot()


def copy(storage: Storage, source: OptunaStudy, name: str | None) -> FinishedStudy:
    """Import a study of another storage, completely or not at all.

    Raises:
        StudyError: there is a study of this name, or nothing to import.
        SpecError: the name is none that we store, or it has too many trials.
    """
    return _write(storage, finish(source, name), in_place=False)


def adopt(storage: Storage, source: OptunaStudy, name: str | None) -> FinishedStudy:
    """Make a study of Optuna's in this database one of ours; its rows stay as they are.

    Raises:
        StudyError: there is a study of this name, or nothing to import.
        SpecError: the name is none that we store, or it has too many trials.
    """
    return _write(storage, finish(source, name), in_place=True)


def _write(
    storage: Storage, finished: FinishedStudy, *, in_place: bool
) -> FinishedStudy:
    posterior = finished.snapshot().posterior
    prepare_database(storage, schema)
    try:
        with storage.engine.begin() as connection:
            _refuse_taken_name(connection, finished)
            study = _insert_study(connection, finished, in_place=in_place)
            for start in range(0, len(finished.trials), BATCH):
                some = finished.trials[start : start + BATCH]
                _insert_trials(connection, study, some, in_place=in_place)
            stored = {number: asdict(item) for number, item in posterior.items()}
            values = {"study_id": study.id, "posterior": json.dumps(stored)}
            ask(connection, SET_POSTERIOR, **values)
            events.note(connection, finished.spec.name, "imported from Optuna")
    except (DataError, IntegrityError) as error:
        raise StudyError(
            f"{finished.source.place}: study {finished.source.name!r}: the database"
            f" refuses this: {one_line(error.orig)}."
        ) from error
    return finished


def _refuse_taken_name(connection: Connection, finished: FinishedStudy) -> None:
    name = finished.spec.name
    ask(connection, LOCK_NAME, name=name)
    if ask(connection, SELECT_STUDY, name=name).one_or_none() is not None:
        raise StudyError(
            f"study {name!r}: the name is taken. Import it under another one:"
            " --name NEW."
        )


def _refuse_native(connection: Connection, name: str) -> None:
    if ask(connection, imports.FIND_NATIVE, name=name).first() is not None:
        raise StudyError(
            f"study {name!r}: Optuna has made one of this name in this database. To"
            f" import that: hpo import {shlex.quote(name)}. Else choose another name:"
            " --name NEW."
        )


def _insert_study(
    connection: Connection, finished: FinishedStudy, *, in_place: bool
) -> Row:
    spec = finished.spec
    source = finished.source
    optuna_id = source.id
    if in_place:
        optuna_tables.publish_spec(connection, optuna_id, spec)
    else:
        _refuse_native(connection, spec.name)
        optuna_id = optuna_copies.copy_study(connection, spec, source)
    started = min(own.trial.started_at for own in finished.trials)
    ended = max(own.trial.finished_at or started for own in finished.trials)
    values = {
        "name": spec.name,
        "optuna_study_id": optuna_id,
        "spec": json.dumps(spec.stored()),
        "about": json.dumps(functions.describe(spec).stored()),
        "spec_hash": spec.hash,
        "state": StudyState.DONE,
        "state_since": ended,
        "reason": None,
        "priority": 0,
        "amendments": 0,
        "failures_from": spec.budget.trials,  # its failures are old
        "search_end": None,
        "search_end_reason": None,
        "code": "[]",
        "baselines": None,
        "differences": None,
        "created_at": started,
    }
    return ask(connection, backups.INSERT_STUDY, **values).one()


def _insert_trials(
    connection: Connection,
    study: Row,
    trials: Sequence[FinishedTrial],
    *,
    in_place: bool,
) -> None:
    originals = [own.original for own in trials]
    ids = [original._trial_id for original in originals]
    if not in_place:
        first = trials[0].trial.number
        ids = optuna_copies.copy_trials(
            connection, study.optuna_study_id, originals, first
        )
    rows = []
    for trial_id, own in zip(ids, trials, strict=True):
        rows.append({**_slot(own), "optuna_trial_id": trial_id})
    values = {"study_id": study.id, "rows": json.dumps(rows)}
    inserted = ask(connection, imports.INSERT_SLOTS, **values)
    slot_ids = {row.number: row.id for row in inserted}
    members = []
    for own in trials:
        for member in own.trial.members:
            row = _member(member)
            members.append({**row, "slot_id": slot_ids[own.trial.number]})
    ask(connection, imports.INSERT_MEMBERS, rows=json.dumps(members))


def _slot(own: FinishedTrial) -> dict[str, Any]:
    trial = own.trial
    finished_at = trial.finished_at or trial.started_at
    return {
        "number": trial.number,
        "state": trial.state,
        "params": trial.params,
        "attrs": own.suggestion.attrs,
        "score": trial.score,
        "costs": trial.costs,
        "steps": trial.steps,
        "message": trial.message,
        "lineage": trial.lineage,
        "started_at": trial.started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
    }


def _member(member: Member) -> dict[str, Any]:
    return {
        "seed": member.seed,
        "score": member.score,
        "epochs": member.epochs,
        "curve": member.curve,
        "scored_at": member.scored_at,
        "info": member.info,
        "seconds": member.seconds,
    }

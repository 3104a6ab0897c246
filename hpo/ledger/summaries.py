"""Every study of a database in one line each, counted by the database: no trial is loaded."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select

from hpo.errors import SpecError
from hpo.ledger import reading
from hpo.ledger.tables import members, slots, studies
from hpo.study import effort, pareto
from hpo.study.confirmation import SOLVED_SCORE, SOLVED_TYPES
from hpo.study.rules import check
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.summary import ConfirmedSummary, StudySummary
from hpo.study.trials import Phase, SlotState


def summaries(connection: Connection) -> list[StudySummary]:
    """Every study, oldest first."""
    scored = slots.c.state == SlotState.COMPLETE
    now = func.clock_timestamp()
    query = (
        select(
            studies,
            func.count(slots.c.id).filter(slots.c.state != SlotState.RUNNING).label("settled"),
            func.count(slots.c.id).filter(slots.c.lease_until > now).label("running"),
            func.max(slots.c.score).filter(scored).label("largest"),
            func.min(slots.c.score).filter(scored).label("smallest"),
        )
        .outerjoin(slots, (slots.c.study_id == studies.c.id) & (slots.c.phase == Phase.SEARCH))
        .group_by(studies.c.id)
        .order_by(studies.c.created_at, studies.c.id)
    )
    tested, reported = _tested(connection), _reported(connection)
    return [
        _summary(connection, row, tested[row.id], reported[row.id])
        for row in connection.execute(query).all()
    ]


def _summary(
    connection: Connection, row: Row[Any], tested: Sequence[Row[Any]], reported: Sequence[Any]
) -> StudySummary:
    spec = _restored(row.spec)
    best_score = row.largest if spec is None or spec.maximize else row.smallest
    if spec is not None and not spec.selects:
        best_score = None
    best: list[Any] = []
    if spec is not None and (spec.cost is not None or tested):
        best = reading.best(connection, row.id, spec, spec.confirm.top if spec.confirm else 1)
    costs = best if spec is not None and spec.cost is not None else []
    return StudySummary(
        name=row.name,
        spec=spec,
        objective=row.spec["objective"],
        state=StudyState(row.state),
        reason=row.reason,
        trials=min(row.spec["budget"]["trials"], row.search_end or sys.maxsize),
        settled=row.settled,
        epochs=_epochs(spec, reported),
        running=row.running,
        best_score=costs[0].score if costs else best_score,
        best_cost=costs[0].cost if costs else None,
        confirmed=None if spec is None else _confirmed(spec, best, tested),
        created_at=row.created_at,
    )


def _reported(connection: Connection) -> defaultdict[int, list[Any]]:
    """How many settled trials have reported how many values, by study."""
    study, n_steps = slots.c.study_id, func.cardinality(slots.c.steps)
    complete = slots.c.state == SlotState.COMPLETE
    settled = (slots.c.phase == Phase.SEARCH) & (slots.c.state != SlotState.RUNNING)
    query = (
        select(study, complete.label("complete"), n_steps.label("n_steps"), func.count().label("n"))
        .where(settled)
        .group_by(study, complete, n_steps)
    )
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.study_id].append(row)
    return found


def _epochs(spec: StudySpec | None, reported: Sequence[Any]) -> int | None:
    if spec is None:
        return None
    return sum(
        int(row.n) * effort.of_steps(spec, row.n_steps, complete=row.complete) for row in reported
    )


def _restored(stored: Mapping[str, Any]) -> StudySpec | None:
    try:
        return check.restore(stored)
    except SpecError:
        return None


def _solved() -> ColumnElement[float | None]:
    """The score of a member on the solved equation, as ``confirmation.solved_of`` reads it."""
    info = members.c.info
    typed = [func.json_typeof(info[name]) == kind for name, kind in SOLVED_TYPES.items()]
    counts = [info[name].as_string().regexp_match("^[1-9][0-9]*$") for name in _COUNTS]
    return case((and_(*typed, *counts), info[SOLVED_SCORE].as_float()))


_COUNTS = ("solved_steps_per_point", "trained_steps_per_point")
_SOLVED = _solved()
_CHECKED = func.count(_SOLVED) == func.count(slots.c.score)
_FIRST_MEMBER = (members.c.slot_id == slots.c.id) & (members.c.member == 0)
_CLAIMED = (
    case((_CHECKED, func.avg(_SOLVED)), else_=func.avg(slots.c.score)).label("mean"),
    case((_CHECKED, func.stddev_samp(_SOLVED)), else_=func.stddev_samp(slots.c.score)).label("std"),
    _CHECKED.label("checked"),
    func.avg(slots.c.score).label("step_mean"),
)
"""What is claimed of a configuration, as ``confirmation.Confirmation`` claims it: the scores on the
solved equation if every network has one, else those at the study's step."""


def _tested(connection: Connection) -> defaultdict[int, list[Row[Any]]]:
    """The configurations that were trained again from fresh seeds, by study."""
    query = (
        select(
            slots.c.study_id,
            slots.c.source,
            func.count(slots.c.score).label("n"),
            func.avg(slots.c.cost).label("cost"),
            *_CLAIMED,
        )
        .outerjoin(members, _FIRST_MEMBER)
        .where(slots.c.phase == Phase.CONFIRM, slots.c.state == SlotState.COMPLETE)
        .group_by(slots.c.study_id, slots.c.source)
    )
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.study_id].append(row)
    return found


def _confirmed(
    spec: StudySpec, best: Sequence[Row[Any]], tested: Sequence[Row[Any]]
) -> ConfirmedSummary | None:
    """What a study is named by, among the ``best`` ``confirm.top`` trials: only that is a result.

    With a cost that is ``pareto.headline``, without one the best ranked.
    """
    if spec.confirm is None:
        return None
    by_source = {row.source: row for row in tested}
    valid = [by_source[trial.number] for trial in best if trial.number in by_source]
    row = next(iter(valid), None) if spec.cost is None else pareto.headline(spec, valid)
    if row is None:
        return None
    return ConfirmedSummary(
        source=row.source,
        mean=row.mean,
        std=row.std,
        n=row.n,
        cost=row.cost,
        checked=row.checked,
        step_mean=row.step_mean,
    )

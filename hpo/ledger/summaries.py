"""Every study of a database in one line each, counted by the database: no trial is loaded."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, select, true

from hpo.errors import SpecError
from hpo.ledger import ranking
from hpo.ledger.tables import holds, members, slots, slots_of, studies
from hpo.study import effort, file, pareto, thermal_power
from hpo.study.confirmation import SOLVED_SCORE, SOLVED_TYPES
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.summary import ConfirmedSummary, StudySummary
from hpo.study.trials import Phase, SlotState


def summaries(connection: Connection, only: Collection[int] | None = None) -> list[StudySummary]:
    """Every study, oldest first; or those of some numbers ``only``."""
    scored = slots.c.state == SlotState.COMPLETE
    query = (
        select(
            studies,
            func.count(slots.c.id).filter(slots.c.state != SlotState.RUNNING).label("settled"),
            func.count(slots.c.id).filter(holds(slots)).label("running"),
            func.max(slots.c.score).filter(scored).label("largest"),
            func.min(slots.c.score).filter(scored).label("smallest"),
        )
        .outerjoin(slots, slots_of(studies.c.id, Phase.SEARCH))
        .group_by(studies.c.id)
        .order_by(studies.c.created_at, studies.c.id)
    )
    chosen = true() if only is None else studies.c.id.in_(only)
    query = query.where(chosen)
    ours = true() if only is None else slots.c.study_id.in_(only)
    confirmed, reported = _confirmed(connection, ours), _reported(connection, ours)
    rows = connection.execute(query).all()
    return [_summary(connection, row, confirmed[row.id], reported[row.id]) for row in rows]


def _summary(
    connection: Connection, row: Row[Any], confirmed: Sequence[Row[Any]], reported: Sequence[Any]
) -> StudySummary:
    spec = _restored(row.spec)
    best = row.largest if spec is None or spec.maximize else row.smallest
    best_costs: Sequence[float] = ()
    found = {fresh.source: _confirmed_summary(fresh) for fresh in confirmed}
    first = _first(spec, confirmed)
    named = None if first is None else found[first]
    if spec is not None and spec.costs:
        top = ranking.best(connection, row.id, spec, spec.confirm.top if spec.confirm else 1)
        valid = {trial.number for trial in top}
        named = pareto.headline(spec, [found[source] for source in found if source in valid])
        if top:  # the trials of ``row`` may have been excluded since
            best, best_costs = top[0].score, top[0].costs
    elif spec is not None and spec.confirm is not None and spec.confirm.by == "expected":
        top = ranking.best(connection, row.id, spec, spec.confirm.top)
        best = top[0].score if top else None
        named = next((found[t.number] for t in top if t.number in found), None)
    return StudySummary(
        name=row.name,
        spec=spec,
        objective=str(_found(row.spec, "objective") or "unknown"),
        state=StudyState(row.state),
        reason=row.reason,
        trials=row.settled
        if spec is None
        else min(spec.budget.trials, row.search_end or sys.maxsize),
        settled=row.settled,
        epochs=_epochs(spec, reported),
        running=row.running,
        best_score=best if spec is None or spec.selects else None,
        best_costs=tuple(best_costs),
        confirmed=named,
        priority=row.priority,
        created_at=row.created_at,
    )


def _reported(
    connection: Connection, ours: ColumnElement[bool]
) -> defaultdict[int, list[Row[Any]]]:
    """How many settled trials have reported how many values, by study."""
    complete = (slots.c.state == SlotState.COMPLETE).label("complete")
    facts = [slots.c.study_id, complete, func.cardinality(slots.c.steps).label("n_steps")]
    settled = (slots.c.phase == Phase.SEARCH) & (slots.c.state != SlotState.RUNNING)
    query = select(*facts, func.count().label("n")).where(settled, ours).group_by(*facts)
    return by_study(connection, query)


def by_study(connection: Connection, query: Select[Any]) -> defaultdict[int, list[Row[Any]]]:
    """The rows of a query by their ``study_id``."""
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.study_id].append(row)
    return found


def _epochs(spec: StudySpec | None, reported: Sequence[Any]) -> int | None:
    if spec is None:
        return None
    return sum(
        int(row.n) * effort.of_steps(spec, row.n_steps, complete=row.complete) for row in reported
    )


def _found(stored: object, key: str) -> object:
    """What a spec that this version cannot read says under a key."""
    return stored.get(key) if isinstance(stored, Mapping) else None


def _restored(stored: Mapping[str, Any]) -> StudySpec | None:
    try:
        return file.restore(stored)
    except SpecError:
        return None


def _solved() -> ColumnElement[float | None]:
    """The score of a member on the solved equation, as ``confirmation.solved_of`` reads it."""
    info = members.c.info
    typed = [func.json_typeof(info[name]) == kind for name, kind in SOLVED_TYPES.items()]
    names = ("solved_steps_per_point", "trained_steps_per_point")
    counts = [info[name].as_string().regexp_match("^[1-9][0-9]*$") for name in names]
    return case((and_(*typed, *counts), info[SOLVED_SCORE].as_float()))


def _confirmed(
    connection: Connection, ours: ColumnElement[bool]
) -> defaultdict[int, list[Row[Any]]]:
    """What has been confirmed, by study, with its rank in the search if more, or less, is better.

    Which of both holds is the objective's to say, which the database does not know. What is claimed
    is what ``confirmation.Confirmation`` claims: the scores on the solved equation if every network
    has one, else those at the study's step.
    """
    score, solved = slots.c.score, _solved()
    checked = func.count(solved) == func.count(score)
    warm = func.json_typeof(members.c.info[thermal_power.STORED["noisy"]]) == "array"
    fresh = (
        select(
            slots.c.study_id,
            slots.c.source,
            func.count(score).label("n"),
            case((checked, func.avg(solved)), else_=func.avg(score)).label("mean"),
            case((checked, func.stddev_samp(solved)), else_=func.stddev_samp(score)).label("std"),
            checked.label("checked"),
            func.avg(score).label("step_mean"),
            func.json_agg(slots.c.costs).label("costs"),
            func.json_agg(members.c.info).filter(warm).label("warm"),
        )
        .outerjoin(members, (members.c.slot_id == slots.c.id) & (members.c.member == 0))
        .where(slots.c.phase == Phase.CONFIRM, slots.c.score.is_not(None), ours)
        .group_by(slots.c.study_id, slots.c.source)
        .cte("fresh")
    )

    def place(score: ColumnElement[float]) -> ColumnElement[int]:
        order = [score, slots.c.number.asc()]
        return func.row_number().over(partition_by=slots.c.study_id, order_by=order)

    ranked = (
        select(
            slots.c.study_id,
            slots.c.number,
            place(slots.c.score.desc()).label("if_more"),
            place(slots.c.score).label("if_less"),
        )
        .where(
            slots.c.study_id.in_(select(fresh.c.study_id)),
            slots.c.phase == Phase.SEARCH,
            slots.c.state == SlotState.COMPLETE,
            slots.c.score.is_not(None),
        )
        .cte("ranked")
    )
    same = (ranked.c.study_id == fresh.c.study_id) & (ranked.c.number == fresh.c.source)
    query = select(fresh, ranked.c.if_more, ranked.c.if_less).join(ranked, same)
    return by_study(connection, query)


def _first(spec: StudySpec | None, confirmed: Sequence[Row[Any]]) -> int | None:
    """The best ranked of what is among the best ``confirm.top``: only that is a result."""
    if spec is None or spec.confirm is None:
        return None
    ranks = {(row.if_more if spec.maximize else row.if_less): row.source for row in confirmed}
    best = min(ranks, default=None)
    return None if best is None or best > spec.confirm.top else ranks[best]


def _confirmed_summary(row: Row[Any]) -> ConfirmedSummary:
    known = row._mapping
    facts = {one.name: known[one.name] for one in fields(ConfirmedSummary) if one.name in known}
    costs = tuple(map(statistics.fmean, zip(*row.costs, strict=False)))
    warm = [thermal_power.thermal_of(info) for info in row.warm or ()]
    thermal = thermal_power.mean_of(warm) if len(warm) == row.n else None
    return ConfirmedSummary(**{**facts, "costs": costs, "thermal": thermal})

"""Which trials of a study are the best, in the order in which they are confirmed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from hpo.ledger import reading
from hpo.ledger.tables import slots, slots_of, studies
from hpo.study import pareto
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState


def best(connection: Connection, study_id: int, spec: StudySpec, n: int) -> list[Any]:
    """Number, parameters and claim of the first ``n`` trials, as in ``StudySnapshot.ranking``."""
    score = slots.c.score
    complete = (slots.c.state == SlotState.COMPLETE) & score.is_not(None)
    query = select(slots.c.number, slots.c.params, score, slots.c.costs)
    query = query.where(slots_of(study_id, Phase.SEARCH), complete)
    if spec.costs:
        trials: list[Row[Any]] = [*connection.execute(query)]
        return pareto.order(spec, trials)[:n]
    if spec.confirm is not None and spec.confirm.by == "expected":
        return _best_expected(connection, study_id, spec)[:n]
    ordered = query.order_by(score.desc() if spec.maximize else score, slots.c.number)
    return list(connection.execute(ordered.limit(n)))


_orders: dict[tuple[int, str], tuple[Any, list[Any]]] = {}
"""By study and spec: what the order was made of, and the order. A study that is being confirmed is
asked for it again and again, and its trials do not change."""


def _best_expected(connection: Connection, study_id: int, spec: StudySpec) -> list[Any]:
    from hpo.search import expectation

    amended = select(studies.c.amendments).where(studies.c.id == study_id).scalar_subquery()
    ended = select(func.count(), func.max(slots.c.settled_at), amended).where(
        slots_of(study_id, Phase.SEARCH), slots.c.state != SlotState.RUNNING
    )
    made_of = tuple(connection.execute(ended).one())
    key = study_id, spec.hash
    if key not in _orders or _orders[key][0] != made_of:
        trials = reading.history(connection, study_id, range(reading.opened(connection, study_id)))
        known = expectation.expected(spec, trials)
        found = [
            SimpleNamespace(number=number, params=trials[number].suggestion.params, score=own.mean)
            for number, own in known.items()
        ]
        sign = -1.0 if spec.maximize else 1.0
        found.sort(key=lambda trial: (sign * trial.score, trial.number))
        _orders[key] = made_of, found
    return _orders[key][1]

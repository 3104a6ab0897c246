"""How long an epoch takes, as earlier studies of the same kind of networks have measured it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from hpo.ledger.tables import members, schema, slots, slots_of, studies
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase

LEAST = 5
"""So many networks must have been trained."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a study has measured on a host."""

    study: str
    host: str
    networks: int
    seconds_per_epoch: float
    """Median over these networks of the search, each on its worker."""


def pace(connection: Connection, spec: StudySpec, host: str) -> Pace | None:
    """The pace of the latest study of the same networks, on this host if there is one.

    The same are those of the same objective and task, with the same values fixed and the same
    parameters searched. Only reads; None where there is none, or no table of this version.
    """
    if not schema.is_current(connection):
        return None
    newest = select(studies).order_by(studies.c.created_at.desc(), studies.c.id.desc())
    places = spec.task_params.places | getattr(spec.hardware, "places", frozenset())
    same = _kind(spec.stored(), places)
    found: list[Pace] = []
    for row in connection.execute(newest).all():
        if _kind(row.spec, places) == same:
            found += _measured(connection, row)
    return next((pace for pace in found if pace.host == host), next(iter(found), None))


def _kind(spec: Mapping[str, Any], places: frozenset[str]) -> list[Any]:
    """What says how long an epoch takes, of a stored spec; where data lies is no matter."""
    tables = [
        {key: value for key, value in spec.get(name, {}).items() if key not in places}
        for name in ("fixed", "variability", "task")
    ]
    return [spec.get("objective", {}), *tables, sorted(spec.get("space", {}))]


def _measured(connection: Connection, study: Row[Any]) -> Sequence[Pace]:
    """The paces of a study, of the host with the most networks first."""
    host, n = slots.c.lineage["host"].as_string(), func.count()
    median = func.percentile_cont(0.5).within_group(members.c.seconds)
    query = (
        select(host.label("host"), n.label("n"), median.label("seconds"))
        .join(slots, members.c.slot_id == slots.c.id)
        .where(slots_of(study.id, Phase.SEARCH), host.is_not(None))
        .group_by(host)
        .having(n >= LEAST)
        .order_by(n.desc(), host)
    )
    epochs = study.spec["budget"]["epochs"]
    return [
        Pace(
            study=study.name, host=row.host, networks=row.n, seconds_per_epoch=row.seconds / epochs
        )
        for row in connection.execute(query)
    ]

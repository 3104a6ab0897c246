"""The points of ``[warm_start] study``, looked up once, at registration.

They are the other study's best trials by the score of the search. Confirmed scores do
not count: they come from the test part, which no search may learn from, not even by its
start. For the same reason the other study must not have been searched on the test part,
unless this one is, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from hpo.contract import Protocol
from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger import ranking, snapshots
from hpo.ledger.schema import ask
from hpo.ledger.statements.studies import SELECT_EARLIER_STUDIES, SELECT_STUDY
from hpo.search import constraints
from hpo.study import file
from hpo.study.dimensions import split_layers
from hpo.study.spec import StudyKind, StudySpec
from hpo.study.tables import ParamValue, WarmStart

Point = dict[str, ParamValue]


def add_points(connection: Connection, spec: StudySpec) -> StudySpec:
    """Return the spec with the points of its warm start, if it names a study.

    A registered study keeps its points, even if the other study has changed.

    Raises:
        StudyError: the other study is missing, has no complete trial yet, cannot be
            compared, or lies outside the space of this one.
        SpecError: the objective refuses one of the points, or a constraint does.
    """
    warm = spec.warm_start
    if warm is None or warm.points is not None:
        return spec
    row = ask(connection, SELECT_STUDY, name=spec.name).one_or_none()
    pinned: dict[str, Any] = {"study": warm.study, "top": warm.count}
    if row is None:
        pinned["points"] = _choose_points(connection, spec, warm)
    else:
        begun = snapshots.restore_spec(row).warm_start
        if begun is None:
            return spec  # to be refused: the study has begun without points
        pinned["points"] = begun.points
    return file.validate(
        {**spec.stored(), "warm_start": pinned}, where=f"study {spec.name!r}"
    )


def find_earlier(connection: Connection, spec: StudySpec) -> list[tuple[str, float]]:
    """Return the studies with a best trial in this space, and its score; the best
    first.

    They have the same objective, task, data and metric: the values of a task include
    the hash of its data, not their path. A sweep or a grid
    has none.
    """
    if spec.has_points or spec.kind == StudyKind.SWEEP:
        return []
    matches = []
    for row in ask(
        connection,
        SELECT_EARLIER_STUDIES,
        name=spec.name,
        objective=spec.objective,
        sign=spec.sign,
    ):
        with suppress(HpoError):  # another metric or space
            other = snapshots.restore_spec(row)
            _refuse_other_kind(spec, other, "")
            point = _place_trial(spec, other, row.params, "")
            if other.about.task == spec.about.task and spec.is_whole(point):
                matches.append((spec.sign * row.score, row.name, row.score))
    return [(name, score) for _, name, score in sorted(matches, reverse=True)]


def _choose_points(
    connection: Connection, spec: StudySpec, warm: WarmStart
) -> tuple[Point, ...]:
    """Return the best trials of the other study in the space of this one, without
    duplicates."""
    where = f"study {spec.name!r}: warm_start.study"
    row = snapshots.find_study(connection, str(warm.study))
    other = snapshots.restore_spec(row)
    _refuse_other_kind(spec, other, where)
    points: list[Point] = []
    problems = []
    for number, params in ranking.compute(connection, row, other).best:
        try:
            point = _place_trial(spec, other, params, f"{where}: trial {number}")
        except SpecError as error:
            problems.append(str(error))
            continue
        if point not in points:
            points.append(point)
        if len(points) == warm.count:
            break
    if not points:
        problems.append(
            f"{where}: {warm.study!r} has no complete trial yet. Wait for one."
        )
        raise StudyError(problems[0])
    return tuple(points)


def _place_trial(
    spec: StudySpec, other: StudySpec, params: Mapping[str, ParamValue], where: str
) -> Point:
    """Return a trial of the other study, with its fixed parameters, as a point of this
    one.

    Raises:
        SpecError: the point lies outside the space, or breaks a constraint.
    """
    values = {}
    for name, value in split_layers(other.fixed, spec.dimensions).items():
        if name in spec.dimensions and spec.inside(name, value) is not None:
            values[name] = value
    values = spec.present({**values, **split_layers(params, spec.dimensions)})
    problem = _explain_outside(spec, values)
    if problem is not None:
        raise SpecError(
            f"{where}: a trial of {other.name!r} lies outside the space: {problem}. "
            "Widen the space, or write warm_start.points by hand."
        )
    point = spec.in_space(dict(sorted(values.items())))
    advice = "Raise the bound, or name another study."
    constraints.check_point(spec, point, where, advice)
    return point


def _explain_outside(spec: StudySpec, values: Mapping[str, ParamValue]) -> str | None:
    """Return why parameters lie outside the space; None if they do not."""
    if not values:
        return f"it has none of {', '.join(spec.dimensions)}"
    for name, value in values.items():
        if spec.inside(name, value) is None:
            allowed = spec.dimensions[name].allowed
            return f"{name}={value!r} (space.{name} is {allowed})"
    return None


def _refuse_other_kind(spec: StudySpec, other: StudySpec, where: str) -> None:
    expected = _describe_metric(spec)
    got = _describe_metric(other)
    if got != expected:
        raise StudyError(
            f"{where}: this study has {expected}, but {other.name!r} has {got}. Name a"
            " study of the same metric."
        )
    if other.protocol != Protocol.VALIDATION and spec.protocol != Protocol.PAPER:
        raise StudyError(
            f"{where}: {other.name!r} was scored on the test part "
            f'(protocol="{other.protocol}"). Name a study with '
            f'protocol = "validation", or search on the test part here, too: protocol ='
            f' "paper".'
        )


def _describe_metric(spec: StudySpec) -> str:
    return f"{spec.about.direction} {spec.about.metric}"

"""What a study takes from earlier ones, looked up once, at registration.

``[warm_start] study`` gives points, the other study's best trials by the score of the
search; ``[transfer] studies`` gives all telling trials with their scores. Confirmed
scores do not count: they come from the test part, which no search may learn from, not
even by its start. For the same reason the other study must not have been searched on
the test part, unless this one is, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hpo.contract import Protocol
from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger import past, ranking, snapshots
from hpo.ledger.schema import ask
from hpo.ledger.statements.studies import SELECT_EARLIER_STUDIES, SELECT_STUDY
from hpo.search import constraints
from hpo.study import file
from hpo.study.dimensions import split_layers
from hpo.study.spec import StudyKind, StudySpec
from hpo.study.tables import ParamValue, Transfer, WarmStart

Point = dict[str, ParamValue]


class Earlier(NamedTuple):
    """An earlier study that a new one may begin from."""

    name: str
    score: float
    """Its best."""
    is_same_task: bool


def pin(connection: Connection, spec: StudySpec) -> StudySpec:
    """Return the spec with what it takes from the studies that it names.

    A registered study keeps that, even if the other study has changed.

    Raises:
        StudyError: the other study is missing, has no complete trial yet, cannot be
            compared, or lies outside the space of this one.
        SpecError: the objective refuses one of the points, or a constraint does.
    """
    if spec.is_pinned:
        return spec
    row = ask(connection, SELECT_STUDY, name=spec.name).one_or_none()
    begun = None if row is None else snapshots.restore_spec(row)
    tables: dict[str, Any] = {}
    if spec.warm_start is not None and spec.warm_start.points is None:
        tables["warm_start"] = _pin_points(connection, spec, spec.warm_start, begun)
    if spec.transfer is not None and spec.transfer.sources is None:
        tables["transfer"] = _pin_trials(connection, spec, spec.transfer, begun)
    if None in tables.values():
        return spec  # to be refused: the study has begun without that
    return file.validate({**spec.stored(), **tables}, where=f"study {spec.name!r}")


def _pin_points(
    connection: Connection, spec: StudySpec, warm: WarmStart, begun: StudySpec | None
) -> dict[str, Any] | None:
    """Return ``[warm_start]`` with the points that the study has ``begun`` with, or
    will; None if it has begun without any."""
    points: Sequence[Any]
    if begun is None:
        points = _choose_points(connection, spec, warm)
    elif begun.warm_start is None:
        return None
    else:
        points = begun.warm_start_points
    return {"study": warm.study, "top": warm.count, "points": points}


def _pin_trials(
    connection: Connection, spec: StudySpec, transfer: Transfer, begun: StudySpec | None
) -> dict[str, Any] | None:
    """Return ``[transfer]`` likewise."""
    if begun is None:
        sources = [_read_source(connection, spec, name) for name in transfer.studies]
    elif begun.transfer is None:
        return None
    else:
        sources = [source.model_dump() for source in begun.sources]
    return {"studies": transfer.studies, "sources": sources}


def find(connection: Connection, spec: StudySpec) -> list[Earlier]:
    """Return the studies that this one may begin from; the most alike first, then the
    best.

    They have the same objective and metric. A study that can learn from their trials
    needs half of its parameters in common; others need the same task and data, and a
    best trial in their space: the values of a task include the hash of its data, not
    their path. A sweep or a grid has none.
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
            is_same_task = other.about.task == spec.about.task
            if spec.can_transfer:
                alike = 2 * len(spec.space.keys() & other.space.keys())
                fits = alike >= len(spec.space)
            else:
                point = _place_trial(spec, other, row.params, "")
                fits = is_same_task and spec.is_whole(point)
            if fits:
                matches.append(Earlier(row.name, row.score, is_same_task))
    return sorted(
        matches,
        key=lambda own: (not own.is_same_task, -spec.sign * own.score, own.name),
    )


def _read_source(connection: Connection, spec: StudySpec, name: str) -> dict[str, Any]:
    """Return the telling trials of another study."""
    from hpo.search.transfer import choose_trials  # a slow import

    where = f"study {spec.name!r}: transfer.studies"
    row = snapshots.find_study(connection, name)
    other = snapshots.restore_spec(row)
    _refuse_other_kind(spec, other, where)
    numbers = range(other.budget.trials)
    trials = choose_trials(spec, other, past.read(connection, row.id, numbers))
    if not trials:
        raise StudyError(
            f"{where}: {name!r} has no complete trial yet with one of"
            f" {', '.join(spec.space)}. Wait for one, or name another study."
        )
    return {"study": name, "trials": [trial.model_dump() for trial in trials]}


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
    if (
        other.protocol != Protocol.VALIDATION
        and spec.protocol != Protocol.SEARCH_ON_TEST
    ):
        raise StudyError(
            f"{where}: {other.name!r} was scored on the test part "
            f'(protocol="{other.protocol}"). Name a study with '
            f'protocol = "validation", or search on the test part here, too: protocol ='
            f' "search_on_test".'
        )


def _describe_metric(spec: StudySpec) -> str:
    return f"{spec.about.direction} {spec.about.metric}"

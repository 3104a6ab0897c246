"""Looking up the points of ``[warm_start] study``: once, when a study is registered.

Its best trials are those of its ranking, by the score of the search. What was confirmed on fresh
seeds does not count: those networks were tested on the test part, which no search may learn from,
not even by where it begins. For the same reason the other study must not have been searched on the
test part, unless this one is, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from hpo.errors import StudyError
from hpo.ledger import snapshots, statements
from hpo.ledger.tables import ask
from hpo.search import constraints
from hpo.study import file
from hpo.study.dimensions import unfolded
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue, WarmStart
from objectives.contract import Protocol

_NAMED = 5
"""Values that a message lists at most."""


def pinned(connection: Connection, spec: StudySpec) -> StudySpec:
    """The same spec with its points, if it names the study that they come from.

    A study that is registered already keeps the points that it has, whatever became of the other
    one since.

    Raises:
        StudyError: the other study is not there, has no complete trial yet, cannot be compared, or
            lies outside the space of this one.
        SpecError: the objective refuses one of the points, or a constraint does.
    """
    warm = spec.warm_start
    if warm is None or warm.points is not None:
        return spec
    row = ask(connection, statements.STUDY, name=spec.name).one_or_none()
    known = None if row is None else file.restore(row.spec).warm_start
    if row is not None and known is None:
        return spec  # to be refused, since the study has begun without
    points = known.points if known is not None else _points(connection, spec, warm)
    pin = {"study": warm.study, "top": warm.count, "points": points}
    return file.validate({**spec.stored(), "warm_start": pin}, where=f"study {spec.name!r}")


_Source = tuple[int, Mapping[str, ParamValue]]
"""A trial of the other study, and its values of what this one searches; some may lie outside."""


def _points(
    connection: Connection, spec: StudySpec, warm: WarmStart
) -> tuple[dict[str, ParamValue], ...]:
    where = f"study {spec.name!r}: warm_start.study"
    best: list[_Source] = []
    for trial, params in _sources(connection, spec, str(warm.study), where):
        if params not in [other for _, other in best]:
            best.append((trial, params))
        if len(best) == warm.count:
            break
    if not best:
        raise StudyError(
            f"{where}: the other study must have a complete trial, but {warm.study!r} has none "
            f"yet. Wait for one (hpo status {warm.study}), or write warm_start.points by hand."
        )
    if not best[0][1]:
        raise StudyError(
            f"{where}: both studies must have a parameter in common, but {warm.study!r} has none "
            f"of {', '.join(spec.dimensions)}. Name another study."
        )
    _refuse_outside(spec, warm, best, where)
    points = tuple(spec.in_space(params) for _, params in best)
    todo = "Take fewer trials (warm_start.top), or write those that fit as warm_start.points."
    for (trial, _), point in zip(best, points, strict=True):
        constraints.check_point(spec, point, f"{where}: trial {trial}", todo)
    return points


def _sources(connection: Connection, spec: StudySpec, name: str, where: str) -> Iterator[_Source]:
    """The complete trials of the other study, best first, once it is clear that they may serve."""
    row = ask(connection, statements.STUDY, name=name).one_or_none()
    if row is None:
        query = "SELECT name FROM hpo_ledger.studies WHERE name <> :name ORDER BY name"
        others = ask(connection, query, name=spec.name).scalars()
        there = ", ".join(others) or "no other study yet"
        raise StudyError(
            f"{where}: the database must hold the other study, but got study={name!r} where it "
            f"holds {there}. Launch it first, or write warm_start.points by hand."
        )
    other = file.restore(row.spec)
    _refuse_other_kind(spec, other, where)
    for number, found in snapshots.best(connection, row, other):
        fixed = {
            key: value
            for key, value in unfolded(other.fixed, spec.dimensions).items()
            if key in spec.dimensions and spec.inside(key, value) is not None
        }
        params = spec.present({**fixed, **unfolded(found, spec.dimensions)})
        yield number, dict(sorted(params.items()))


def _refuse_other_kind(spec: StudySpec, other: StudySpec, where: str) -> None:
    mine, theirs = spec.objective_impl, other.objective_impl
    if (mine.metric, mine.direction) != (theirs.metric, theirs.direction):
        raise StudyError(
            f"{where}: both studies must {mine.direction} {mine.metric}, but {other.name!r} has "
            f"{theirs.direction} {theirs.metric}. Name a study of the same metric."
        )
    if other.protocol != Protocol.VALIDATION and spec.protocol != Protocol.PAPER:
        raise StudyError(
            f"{where}: the other study must not have been scored on the test part, but "
            f'{other.name!r} has protocol="{other.protocol}". Name a study with '
            f'protocol = "validation", or search on the test part here, too: protocol = "paper".'
        )


def _refuse_outside(spec: StudySpec, warm: WarmStart, best: list[_Source], where: str) -> None:
    outside = [
        f"{name}={value!r} of trial {trial} (space.{name} is {spec.dimensions[name].allowed})"
        for trial, params in best
        for name, value in params.items()
        if spec.inside(name, value) is None
    ]
    if outside:
        more = f" and {len(outside) - _NAMED} more" if len(outside) > _NAMED else ""
        raise StudyError(
            f"{where}: the best {len(best)} trials of {warm.study!r} must lie in the space, but "
            f"got {', '.join(outside[:_NAMED])}{more}. Widen the range, take fewer trials "
            f"(warm_start.top), or write those that fit as warm_start.points."
        )

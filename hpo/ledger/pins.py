"""Pins of a study: properties fixed at registration, so that results stay reproducible.

Pinned are the source of its objective, its sampler and our search; the rounding of
sums, if the study asks for it; and the points of ``[warm_start] study``, looked up
once: the other study's best trials by the score of the search. Confirmed scores do not
count: they come from the test part, which no search may learn from, not even by its
start. For the same reason the other study must not have been searched on the test part,
unless this one is, too.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

import hpo.search
from hpo import objectives
from hpo.contract import Protocol
from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger import snapshots, statements, writing
from hpo.ledger.schema import ask
from hpo.provenance import source
from hpo.search import constraints
from hpo.study import file
from hpo.study.dimensions import unfolded
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue, WarmStart

_ROOT = Path(hpo.search.__path__[0]).parents[1]


# --- source, and rounding of sums ---


_ALONE = ("hpo.ledger.past", "hpo.study.pareto", "hpo.study.result", "hpo.worker.trial")


@cache
def _service() -> Mapping[str, str]:
    """Return a hash of each of our modules that trials depend on.

    These are the search, the reading of its history, the run of a trial, the choice of
    trials to confirm, and all imports of the search: parsing of study files, networks,
    comparison of scores.
    """
    own = (f"hpo.search.{path.stem}" for path in _ROOT.glob("hpo/search/*.py"))
    return source.hash_tree(_ROOT, *own, alone=_ALONE)


def modules(spec: StudySpec) -> dict[str, str]:
    """Return a hash of each module that the trials of a study depend on."""
    own = [spec.sampler.name] if spec.sampler.is_own else []
    return {**objectives.modules(spec.objective, *own), **_service()}


def fingerprint(spec: StudySpec) -> str:
    """Return one hash of all ``modules``."""
    return source.hash_modules(modules(spec))


def pin(connection: Connection, study: Row[Any], spec: StudySpec) -> str:
    """Check that the source is the study's, or store it if there is none; return the
    stored hash.

    Changes of the registry alone do not count. The transaction holds the lock on
    ``study``, its row.

    Raises:
        StudyError: the source has changed; the message names the modules that differ.
    """
    own = fingerprint(spec)
    pinned = study.code
    if not pinned:
        _write(connection, study, spec)
    elif pinned[-1]["hash"] != own:
        here, before = modules(spec), pinned[-1]["modules"]
        names = sorted(here.keys() | before.keys())
        changed = [name for name in names if here.get(name) != before.get(name)]
        if changed == [source.REGISTRY]:
            return str(pinned[-1]["hash"])
        raise StudyError(
            f"study {study.name!r}: the source has changed since its trials began."
            f" Theirs is revision {pinned[-1]['revision']}, this is {_revision()}, and"
            f" these modules differ: {', '.join(changed)}. Start a new study (--name"
            " NEW), or accept the change, which notes from which trial on: hpo"
            f" resume {study.name} --accept-code"
        )
    return own


def _revision() -> str:
    """Return the short revision of this installation."""
    own = source.revision()
    short = own["revision"].partition(" ")[0][:10]
    changed = {True: " with changes", False: ""}.get(
        own["dirty"], ", perhaps with changes"
    )
    return f"{short}{changed}"


def check_numerics(connection: Connection, study: Row[Any], own: str) -> None:
    """Check that sums round here as for the study's first trial, if that has begun.

    A settled trial's lineage has the numerics; before, the worker that holds it or has
    stored a part of it. The transaction holds the lock on ``study``, its row.

    Raises:
        StudyError: sums may round differently.
    """
    row = ask(connection, statements.FIRST_NUMERICS, study_id=study.id).one_or_none()
    first = own if row is None else row.numerics
    if first != own:
        raise StudyError(
            f"study {study.name!r}: require_same_numerics expects the processor,"
            f" versions and threads of its first trial (numerics={first}), got"
            f" numerics={own} on {platform.node()}. Start its workers on hosts like"
            " that one, which the lineage of its trials names. Or launch it with"
            " require_same_numerics = false."
        )


def accept(connection: Connection, study: Row[Any], spec: StudySpec) -> int | None:
    """Accept this host's source; return its first trial, or None if nothing has
    changed."""
    if study.code and study.code[-1]["hash"] == fingerprint(spec):
        return None
    return _write(connection, study, spec)


def _write(connection: Connection, study: Row[Any], spec: StudySpec) -> int:
    entry = {
        "since": snapshots.progress(connection, study.id).oldest,
        "hash": fingerprint(spec),
        "modules": modules(spec),
        "revision": _revision(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
    }
    writing.change(connection, study.id, code=[*study.code, entry])
    return int(entry["since"])


# --- points of the warm start ---


def with_points(connection: Connection, spec: StudySpec) -> StudySpec:
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
    row = ask(connection, statements.STUDY, name=spec.name).one_or_none()
    begun = None if row is None else file.restore(row.spec).warm_start
    if row is not None and begun is None:
        return spec  # to be refused: the study has begun without points
    points = begun.points if begun is not None else _points(connection, spec, warm)
    pin = {"study": warm.study, "top": warm.count, "points": points}
    return file.validate(
        {**spec.stored(), "warm_start": pin}, where=f"study {spec.name!r}"
    )


def earlier(connection: Connection, spec: StudySpec) -> list[tuple[str, float]]:
    """Return the studies with a best trial in this space, and its score; the nearest
    first.

    Studies of the same task come first, then better scores. A sweep has none.
    """
    if spec.aim in ("measurement", "sweep"):
        return []
    sign = 1 if spec.objective_impl.direction == "maximize" else -1
    matches = []
    for row in ask(
        connection,
        statements.EARLIER,
        name=spec.name,
        objective=spec.objective,
        sign=sign,
    ):
        with suppress(HpoError):  # another metric or space, or a missing objective
            other = file.restore(row.spec)
            _refuse_other_kind(spec, other, "")
            point = _point(spec, other, row.params, "")
            if all(
                name in point
                for name, own in spec.in_order.items()
                if own.is_there(point)
            ):
                matches.append(
                    (other.task == spec.task, sign * row.score, row.name, row.score)
                )
    return [(name, score) for *_, name, score in sorted(matches, reverse=True)]


def _points(
    connection: Connection, spec: StudySpec, warm: WarmStart
) -> tuple[dict[str, ParamValue], ...]:
    """Return the best trials of the other study in the space of this one, without
    duplicates."""
    where = f"study {spec.name!r}: warm_start.study"
    row = snapshots.study(connection, str(warm.study))
    other = file.restore(row.spec)
    _refuse_other_kind(spec, other, where)
    points: list[dict[str, ParamValue]] = []
    problems = []
    for number, params in snapshots.rank(connection, row, other).best:
        try:
            point = _point(spec, other, params, f"{where}: trial {number}")
        except SpecError as error:
            problems.append(str(error))
        else:
            points += [point] * (point not in points)
        if len(points) == warm.count:
            break
    if not points:
        none = f"{where}: {warm.study!r} has no complete trial yet. Wait for one."
        raise StudyError([*problems, none][0])
    return tuple(points)


def _point(
    spec: StudySpec, other: StudySpec, params: Mapping[str, Any], where: str
) -> dict[str, ParamValue]:
    """Return a trial of the other study, with its fixed parameters, as a point of this
    one.

    Raises:
        SpecError: the point lies outside the space, or breaks a constraint.
    """
    fixed = {
        key: value
        for key, value in unfolded(other.fixed, spec.dimensions).items()
        if key in spec.dimensions and spec.inside(key, value) is not None
    }
    values = spec.present({**fixed, **unfolded(params, spec.dimensions)})
    outside = (
        f"{name}={value!r} (space.{name} is {spec.dimensions[name].allowed})"
        for name, value in values.items()
        if spec.inside(name, value) is None
    )
    problem = next(
        outside, "" if values else f"it has none of {', '.join(spec.dimensions)}"
    )
    if problem:
        raise SpecError(
            f"{where}: a trial of {other.name!r} lies outside the space: {problem}. "
            "Widen the space, or write warm_start.points by hand."
        )
    point = spec.in_space(dict(sorted(values.items())))
    constraints.check_point(
        spec, point, where, "Raise the bound, or name another study."
    )
    return point


def _refuse_other_kind(spec: StudySpec, other: StudySpec, where: str) -> None:
    mine, theirs = spec.objective_impl, other.objective_impl
    expected, got = (f"{item.direction} {item.metric}" for item in (mine, theirs))
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

"""What a study is pinned to when it is registered, so that it stays what it is.

Its source: that of its objective and sampler, and of what decides here. How sums round, where the
study asks for it. And the points of ``[warm_start] study``, which are looked up once: the other
study's best trials, by the score of the search. What was confirmed on fresh seeds does not count:
those networks were tested on the test part, which no search may learn from, not even by where it
begins. For the same reason the other study must not have been searched on the test part, unless
this one is, too.
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
from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger import snapshots, statements, writing
from hpo.ledger.schema import ask
from hpo.objectives import source
from hpo.objectives.contract import Protocol
from hpo.search import constraints
from hpo.study import file
from hpo.study.dimensions import unfolded
from hpo.study.spec import StudySpec
from hpo.study.tables import NEAREST, ParamValue, WarmStart

_ROOT = Path(hpo.search.__path__[0]).parents[1]


# --- its source, and how sums round ---


_ALONE = ("hpo.ledger.past", "hpo.study.pareto", "hpo.study.result", "hpo.worker.trial")


@cache
def _service() -> Mapping[str, str]:
    """A hash of the source of each module of ours that trials depend on.

    These are the search, the history as it is read, what a trial's score is made of, which trials
    are confirmed, and whatever the search imports: what is read out of a study file, what networks
    are to it, how scores are compared.
    """
    own = (f"hpo.search.{path.stem}" for path in _ROOT.glob("hpo/search/*.py"))
    return source.of_tree(_ROOT, *own, alone=_ALONE)


def modules(spec: StudySpec) -> dict[str, str]:
    """A hash of the source of each module that the trials of a study depend on."""
    own = [spec.sampler.name] if spec.sampler.is_own else []
    return {**source.modules(spec.objective, *own), **_service()}


def fingerprint(spec: StudySpec) -> str:
    """One hash of ``modules``."""
    return source.of_modules(modules(spec))


def pin(connection: Connection, study: Row[Any], spec: StudySpec) -> str:
    """Check that the source is the study's, or write it down where none is; returns its hash there.

    That the registry names other objectives, too, changes nothing. The transaction holds the lock
    on ``study``, its row.

    Raises:
        StudyError: it is another one; the message names the modules that differ.
    """
    own = fingerprint(spec)
    known = study.code
    if not known:
        _write(connection, study, spec)
    elif known[-1]["hash"] != own:
        here, before = modules(spec), known[-1]["modules"]
        names = sorted(here.keys() | before.keys())
        changed = [name for name in names if here.get(name) != before.get(name)]
        if changed == [source.REGISTRY]:
            return str(known[-1]["hash"])
        raise StudyError(
            f"study {study.name!r}: the source has changed since its trials began. Theirs is "
            f"revision {known[-1]['revision']}, this is {_revision()}, and these modules differ: "
            f"{', '.join(changed)}. Start a new study (--name NEW), or accept the change, which "
            f"notes from which trial on: hpo accept-code {study.name}"
        )
    return own


def _revision() -> str:
    """The revision of this installation, in short."""
    own = source.revision()
    short = own["revision"].partition(" ")[0][:10]
    changed = {True: " with changes", False: ""}.get(own["dirty"], ", perhaps with changes")
    return f"{short}{changed}"


def check_numerics(connection: Connection, study: Row[Any], own: str) -> None:
    """Check that sums round here as they did for the study's first trial, if that has begun.

    What it was trained by says its lineage, and as long as it is not settled the worker that holds
    it, or has left a part of it. The transaction holds the lock on ``study``, its row.

    Raises:
        StudyError: they may round otherwise.
    """
    found = ask(connection, statements.FIRST_NUMERICS, study_id=study.id).one_or_none()
    first = own if found is None else found.numerics
    if first != own:
        raise StudyError(
            f"study {study.name!r}: with require_same_numerics, processor, versions and threads "
            f"must be those of its first trial (numerics={first}), but got numerics={own} on "
            f"{platform.node()}. Start its workers on hosts like that one, which the lineage of "
            "its trials names. Or launch it with require_same_numerics = false."
        )


def accept(connection: Connection, study: Row[Any], spec: StudySpec) -> int | None:
    """Go on with the source as it is here; the first trial of it, None if it is the study's."""
    known = study.code
    if known and known[-1]["hash"] == fingerprint(spec):
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


# --- the points of its warm start ---


def with_points(connection: Connection, spec: StudySpec) -> StudySpec:
    """The same spec with its points, if it names the study that they come from.

    A study that is registered already keeps the points that it has, whatever became of the other
    one since. ``NEAREST`` is the first of ``earlier``; without one, the study begins without.

    Raises:
        StudyError: the other study is not there, has no complete trial yet, cannot be compared, or
            lies outside the space of this one.
        SpecError: the objective refuses one of the points, or a constraint does.
    """
    warm = spec.warm_start
    if warm is None or warm.points is not None:
        return spec
    row = ask(connection, statements.STUDY, name=spec.name).one_or_none()
    begun = None if row is None else file.restore(row.spec).warm_start
    if warm.study == NEAREST:
        found = [] if row is not None else earlier(connection, spec)
        warm = begun or (WarmStart(study=found[0][0], top=warm.top) if found else None)
    elif row is not None and begun is None:
        return spec  # to be refused, since the study has begun without
    pin = None
    if warm is not None:
        points = begun.points if begun is not None else _points(connection, spec, warm)
        pin = {"study": warm.study, "top": warm.count, "points": points}
    return file.validate({**spec.stored(), "warm_start": pin}, where=f"study {spec.name!r}")


def earlier(connection: Connection, spec: StudySpec) -> list[tuple[str, float]]:
    """The studies whose best trial is a point of this space, and its score; the nearest first.

    Those of the same task come first, then those with better scores. None of a study that visits
    points of its own.
    """
    if spec.aim in ("measurement", "sweep"):
        return []
    sign = 1 if spec.objective_impl.direction == "maximize" else -1
    found = []
    for row in ask(
        connection, statements.EARLIER, name=spec.name, objective=spec.objective, sign=sign
    ):
        with suppress(HpoError):  # another metric, another space, an objective that is not here
            other = file.restore(row.spec)
            _refuse_other_kind(spec, other, "")
            point = _point(spec, other, row.params, "")
            if all(name in point for name, own in spec.in_order.items() if own.is_there(point)):
                found.append((other.task == spec.task, sign * row.score, row.name, row.score))
    return [(name, score) for *_, name, score in sorted(found, reverse=True)]


def _points(
    connection: Connection, spec: StudySpec, warm: WarmStart
) -> tuple[dict[str, ParamValue], ...]:
    """The best trials of the other study that lie in the space of this one, each point once."""
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
        none = (
            f"{where}: {warm.study!r} must have a complete trial, but has none yet. Wait for one."
        )
        raise StudyError([*problems, none][0])
    return tuple(points)


def _point(
    spec: StudySpec, other: StudySpec, params: Mapping[str, Any], where: str
) -> dict[str, ParamValue]:
    """A trial of the other study as a point of this one: what this one searches, or fixed there.

    Raises:
        SpecError: it lies outside the space, or breaks a constraint.
    """
    fixed = {
        key: value
        for key, value in unfolded(other.fixed, spec.dimensions).items()
        if key in spec.dimensions and spec.inside(key, value) is not None
    }
    told = spec.present({**fixed, **unfolded(params, spec.dimensions)})
    outside = (
        f"{name}={value!r} (space.{name} is {spec.dimensions[name].allowed})"
        for name, value in told.items()
        if spec.inside(name, value) is None
    )
    problem = next(outside, "" if told else f"none of {', '.join(spec.dimensions)}")
    if problem:
        raise SpecError(
            f"{where}: a trial of {other.name!r} must be a point of the space, but got {problem}. "
            "Widen the space, or write warm_start.points by hand."
        )
    point = spec.in_space(dict(sorted(told.items())))
    constraints.check_point(spec, point, where, "Raise the bound, or name another study.")
    return point


def _refuse_other_kind(spec: StudySpec, other: StudySpec, where: str) -> None:
    mine, theirs = spec.objective_impl, other.objective_impl
    wanted, got = (f"{own.direction} {own.metric}" for own in (mine, theirs))
    if got != wanted:
        raise StudyError(
            f"{where}: both studies must {wanted}, but {other.name!r} has {got}. Name a study of "
            "the same metric."
        )
    if other.protocol != Protocol.VALIDATION and spec.protocol != Protocol.PAPER:
        raise StudyError(
            f"{where}: the other study must not have been scored on the test part, but "
            f'{other.name!r} has protocol="{other.protocol}". Name a study with '
            f'protocol = "validation", or search on the test part here, too: protocol = "paper".'
        )

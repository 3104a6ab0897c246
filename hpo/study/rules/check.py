"""The rules of a study file that need more than one key, and those of its objective.

Form of every message: ``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from pydantic import ValidationError

import objectives
from hpo.errors import SpecError, StudyError
from hpo.study.messages import did_you_mean, explain, first_error, rule, strictly
from hpo.study.rules import search, sweep
from hpo.study.rules.space import check_dimension, check_grid, check_values, ends
from hpo.study.spec import StudySpec


def validate(raw: Mapping[str, Any], *, where: str) -> StudySpec:
    """The spec of a parsed study file.

    Args:
        raw: the parsed TOML with ``name`` added.
        where: the file, for messages.

    Raises:
        SpecError: the first broken rule, located.
    """
    _refuse_foreign(raw, where)
    raw = sweep.completed(raw, where)
    try:
        spec = strictly(StudySpec, raw)
    except ValidationError as error:
        raise SpecError(explain(error, StudySpec, where)) from None
    check(spec, where)
    return spec


def _refuse_foreign(tree: Mapping[str, Any], where: str, table: str = "") -> None:
    """Refuse what TOML has and the database lacks: dates, long whole numbers, the character NUL."""
    for name, value in tree.items():
        key = f"{table}{name}"
        items = value if isinstance(value, list) else [value]
        for k, item in enumerate(items):
            if isinstance(item, Mapping):
                _refuse_foreign(item, where, f"{key}.{k}." if items is value else f"{key}.")
            elif isinstance(item, date | time):
                raise SpecError(
                    f"{where}: {key}: a number, a text, true or false must be given, but got the "
                    f'date or time {item}. A text stands in quotes: {name} = "{item}".'
                )
            elif isinstance(item, str) and "\0" in item:
                raise SpecError(
                    f"{where}: {key}: a text must be without the character NUL, which no database "
                    f"holds, but got {item!r}. Leave it out."
                )
            elif isinstance(item, int) and abs(item) >= 2**63:
                raise SpecError(
                    f"{where}: {key}: a whole number must fit 64 bits, but got one of "
                    f"{item.bit_length()} bits. Write a larger number as 1e30."
                )


def restore(stored: Mapping[str, Any]) -> StudySpec:
    """The spec that a database holds, written by ``StudySpec.stored``.

    Raises:
        SpecError: it does not fit this version of the software.
    """
    return validate(stored, where=f"study {stored.get('name')!r} in the database")


def in_terms_of(known: StudySpec | None, spec: StudySpec) -> StudySpec:
    """The spec of a study's file with what it does not say taken from the stored study, if any.

    A study that was stored before a default changed means the old one: its file, which names
    neither, still does; likewise a file that names the old one. Any other value was chosen: a file
    that no longer names it asks for another study.
    """
    if known is None or known.objective != spec.objective:
        return spec
    before = spec.objective_impl.unnamed
    said = {name for name in before if name in spec.fixed and name not in spec.filled}
    as_before = {name for name in said if spec.fixed[name] == before[name]}
    chosen = {
        n for n in spec.filled if known.fixed.get(n, before[n]) not in (spec.fixed[n], before[n])
    }
    silent = (spec.filled - chosen) | {name for name in as_before if name in known.unnamed}
    if not silent:
        return spec
    fixed = {name: value for name, value in spec.fixed.items() if name not in silent}
    fixed |= {name: known.fixed[name] for name in silent if name in known.fixed}
    return restore({**spec.stored(), "fixed": fixed})


def extends(known: StudySpec, spec: StudySpec) -> bool:
    """Whether ``spec`` asks for more trials than ``known``; False if they are the same.

    Raises:
        StudyError: they differ in anything else.
    """
    changed = known.differences(spec)
    if not changed:
        return False
    if changed == ["budget.trials"] and spec.budget.trials > known.budget.trials:
        return True
    if changed == ["budget.trials"]:
        raise StudyError(
            f"study {spec.name!r}: budget.trials must not shrink, but got "
            f"trials={spec.budget.trials} where the database has {known.budget.trials}. "
            f"Ask for at least as many (--trials {known.budget.trials}), or choose another name: "
            f"--name NEW."
        )
    old, new = known.flat(), spec.flat()
    listed = ", ".join(f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in changed)
    raise StudyError(
        f"study {spec.name!r}: the spec must not change once the study exists, but it differs in "
        f"{listed}. Only a larger budget.trials is accepted; otherwise choose another name: "
        f"--name NEW."
    )


def check(spec: StudySpec, where: str) -> None:
    """Check a spec against its objective, and its keys against each other.

    Raises:
        SpecError: the first broken rule, located.
    """
    try:
        objectives.load(spec.objective)
    except LookupError as error:
        raise SpecError(f"{where}: objective: {error}.") from None
    _check_task(spec, where)
    if spec.sweep is None and not spec.space:
        raise SpecError(
            f"{where}: space: at least 1 entry must hold, but got space={{}}. Change it."
        )
    search.check_variability(spec, where)
    searchable = spec.searchable
    reported = spec.reported.params if spec.reported else {}
    for table, keys in (
        ("space", spec.space),
        ("fixed", spec.fixed),
        ("reported.params", reported),
    ):
        for key in keys:
            if key == "epochs":
                raise SpecError(
                    f"{where}: {table}.epochs: epochs must be one number for the whole study. "
                    f"Give it as budget.epochs."
                )
            if key not in searchable:
                raise SpecError(
                    f"{where}: {table}.{key}: objective {spec.objective!r} has no such parameter. "
                    f"{did_you_mean(key, searchable)}"
                )
    both = sorted(spec.space.keys() & spec.fixed.keys())
    if both:
        raise SpecError(
            f"{where}: fixed.{both[0]}: a parameter must be either fixed or searched, but got it "
            f"in both [fixed] and [space]. Remove one."
        )
    for name, dimension in spec.space.items():
        check_dimension(spec, name, dimension, where)
    if spec.sweep is None:
        check_values(spec, where)
    sweep.check(spec, where)
    search.check_search(spec, where)
    search.check_warm_start(spec, where)
    search.check_cost(spec, where)
    check_grid(spec, where)
    _check_reported(spec, where)


def _check_task(spec: StudySpec, where: str) -> None:
    tasks = spec.objective_impl.tasks
    name = str(spec.task.get("name", next(iter(tasks))))
    if name not in tasks:
        raise SpecError(
            f"{where}: task.name: objective {spec.objective!r} has no task {name!r}. "
            f"{did_you_mean(name, tasks)}"
        )
    try:
        strictly(tasks[name], {"name": name, **spec.task})
    except ValidationError as error:
        raise SpecError(explain(error, tasks[name], where, "task")) from None


def _check_reported(spec: StudySpec, where: str) -> None:
    """The reported optimum must be one of this objective, though it may lie outside the space."""
    reported = spec.reported
    if reported is None:
        return
    if spec.objective_impl.metric == "accuracy" and not 0 <= reported.score <= 1:
        raise SpecError(
            f"{where}: reported.score: an accuracy must lie within 0 and 1, but got "
            f"score={reported.score}. Write 89.83 % as 0.8983."
        )
    lows = {name: ends(spec, name)[0][1] for name in spec.space}
    lows |= spec.point(0) if spec.sweep is not None else {}
    problem = first_error(spec, {**lows, **reported.params})
    if problem is not None and problem["loc"] and problem["loc"][0] in reported.params:
        name = problem["loc"][0]
        raise SpecError(
            f"{where}: reported.params.{name}: {rule(problem)} must hold, but got "
            f"{name}={problem['input']!r}. Change it."
        )

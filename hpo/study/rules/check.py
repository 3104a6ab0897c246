"""Whether a study file, or what a database holds of one, is a spec.

Rules within a table are in ``tables``, those between tables in ``between_tables``, those of the
objective's parameters in ``parameters``. Form of every message:
``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from pydantic import ValidationError

import objectives
from hpo.errors import SpecError, StudyError
from hpo.study.messages import M, did_you_mean, explain, strictly
from hpo.study.rules import between_tables, parameters
from hpo.study.spec import StudySpec
from hpo.study.tables import Sweep
from objectives.contract import Protocol

WINDOW = 1024
"""Trials of a sweep in flight at most: none of them learns from another."""


def validate(raw: Mapping[str, Any], *, where: str) -> StudySpec:
    """The spec of a parsed study file with ``name`` added; ``where`` is the file, for messages.

    Raises:
        SpecError: the first broken rule, located.
    """
    if not isinstance(raw, Mapping):
        raise SpecError(
            f"{where}: a spec must be a table, but got {raw!r}. Restore a backup of it."
        )
    _refuse_foreign(raw, where)
    spec = _strictly(StudySpec, _completed(raw, where), where)
    _check(spec, where)
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


def restore(stored: Mapping[str, Any], name: str | None = None) -> StudySpec:
    """The spec that a database holds, written by ``StudySpec.stored``; ``name`` is for messages.

    Raises:
        SpecError: it does not fit this version of the software.
    """
    if name is None and isinstance(stored, Mapping):
        name = stored.get("name")
    return validate(stored, where=f"study {name!r} in the database")


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


def _completed(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A parsed study file with what follows from the rest of it.

    A sweep runs each of its points once, and tests what it trained: nothing is selected by it.
    """
    tree = dict(raw)
    if "sweep" in tree:
        for table in ("space", "sampler", "pruner", "confirm"):
            if table in tree and tree[table] is not False:
                raise SpecError(
                    f"{where}: {table}: a sweep must stand without [{table}], but got both: it "
                    f"measures every point and selects none. Remove [{table}] or [sweep]."
                )
        if not isinstance(tree["sweep"], Mapping):
            raise SpecError(f"{where}: sweep: a table must hold. Write [[sweep.curves]].")
        size = _strictly(Sweep, tree["sweep"], where, "sweep").size
        budget = tree.get("budget", {})
        if isinstance(budget, Mapping):
            if budget.get("trials", size) != size:
                raise SpecError(
                    f"{where}: budget.trials: a sweep of {size} points must run each of them once, "
                    f"but got trials={budget['trials']}. Leave it out; other points are another "
                    f"study."
                )
            tree["budget"] = {"trials": size, "window": WINDOW, **budget}
        tree["protocol"] = tree.get("protocol", Protocol.CONFIRM.value)
        tree["confirm"] = False
    elif "space" not in tree:
        raise SpecError(f"{where}: space: this key must be given. Add it, or a [sweep].")
    if tree.get("protocol") == Protocol.CONFIRM.value and "confirm" not in tree:
        tree["confirm"] = False
    return tree


def _strictly(model: type[M], values: Mapping[str, Any], where: str, table: str = "") -> M:
    try:
        return strictly(model, values)
    except ValidationError as error:
        raise SpecError(explain(error, model, where, table)) from None


def _check(spec: StudySpec, where: str) -> None:
    """Check a spec against its objective, and its tables against each other."""
    try:
        objective = objectives.load(spec.objective)
    except LookupError as error:
        ours = spec.objective.startswith("objectives:")
        hint = " A file of your own needs another name than objectives.py." * ours
        raise SpecError(f"{where}: objective: {error}.{hint}") from None
    tasks = objective.tasks
    name = str(spec.task.get("name", next(iter(tasks))))
    if name not in tasks:
        raise SpecError(
            f"{where}: task.name: objective {spec.objective!r} has no task {name!r}. "
            f"{did_you_mean(name, tasks)}"
        )
    _strictly(tasks[name], {"name": name, **spec.task}, where, "task")
    if objective.variability is not None:
        _strictly(objective.variability, spec.variability or {}, where, "variability")
    try:
        parameters.check_names(spec)
        parameters.check_values(spec)
        between_tables.check(spec)
        parameters.check_points(spec)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None

"""Study files: find, read with ``--set key=value``, check and write them.

Rules within a table are in ``tables`` and ``dimensions``, those between tables in
``rules``, those of the objective's parameters in ``parameters`` and ``values``. Form of
every message: ``<file>: <key>: expected <rule>, got <value>. <what to do>``.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from hpo import objectives
from hpo.contract import Description, Protocol
from hpo.errors import OTHER_NAME, SpecError, StudyError, advise, expected
from hpo.files import read_toml
from hpo.script import is_script
from hpo.study import ask_and_tell, devices, functions
from hpo.study.dimensions import SweepTable
from hpo.study.hashing import flatten
from hpo.study.messages import (
    Broken,
    M,
    did_you_mean,
    explain,
    refuse,
    strictly,
)
from hpo.study.parameters import check_names
from hpo.study.rules import check_tables
from hpo.study.spec import ASK_AND_TELL, StudySpec
from hpo.study.values import check_points, check_values

WINDOW = 1024
"""Trials of a sweep in flight at most: none of them learns from another."""
_LISTED = 5
"""Changed keys that an error lists."""


_INSTALLED = Path(__file__).parents[1] / "studies"


def directories() -> list[Path]:
    """Return the directories of study files: ``./studies``, then the installed one."""
    places = [Path("studies"), _INSTALLED]
    unique = {directory.resolve(): directory for directory in reversed(places)}
    return [d for d in reversed(unique.values()) if d.is_dir()]


def available() -> dict[str, Path]:
    """Return study files by name; one in ``./studies`` hides an installed one of the
    same name."""
    files: dict[str, Path] = {}
    for directory in directories():
        for path in sorted(directory.glob("*.toml")):
            files.setdefault(path.stem, path)
    return files


def describe(path: Path) -> str:
    """Return the description in a study file, or its error; reads nothing but the
    file."""
    try:
        return str(read_toml(path, SpecError).get("description", ""))
    except SpecError as error:
        return f"broken: {error}"


def find(study: str) -> Path:
    """Return the file of a study, by name or by path.

    Raises:
        SpecError: there is none; the message lists the valid names.
    """
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not path.is_file():
            raise SpecError(f"{study}: no such study file. Check the path.")
        return path
    files = available()
    known = files.get(study)
    beside = Path(f"{study}.toml")
    hint = ""
    if beside.is_file():
        hint = f" For the file in the working directory, give {beside}"
    if known is None:
        if not hint and Path(f"{study}.py").is_file():
            hint = f" For the function of the script, give {study}.py:objective"
        if hint:
            hint += "."
        raise SpecError(f"unknown study {study!r}.{hint} {did_you_mean(study, files)}")
    if hint and not beside.samefile(known):
        raise SpecError(f"two studies are called {study!r}.{hint}, else {known}.")
    return known


def load(
    study: str,
    *,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    quick: bool = False,
) -> StudySpec:
    """Read, override and validate a study.

    Args:
        study: name or path of a study file.
        overrides: ``key=value`` as given to ``--set``; the value is read as TOML, else
            as text.
        values: further overrides by dotted key (``budget.trials``), from options of
            their own.
        quick: a small study of another name in place of it, see ``_shorten``.

    Raises:
        SpecError: the first problem, located by file (or option) and key.
    """
    if is_script(study):
        path = Path(study)
        raw = functions.tables_of(study)
    else:
        path = find(study)
        raw = read_toml(path, SpecError)
    given = dict(parse_override(text) for text in overrides)
    given.update(values or {})
    for key, value in given.items():
        _assign(raw, key, value)
    raw.setdefault("name", path.stem)
    where = str(path)
    if given:
        changes = ", ".join(f"{key}={value!r}" for key, value in given.items())
        where += f" with {changes}"
    raw = devices.fill(raw, path.parent, where)
    if quick and raw.get("objective") == ASK_AND_TELL:
        raise SpecError(
            f"{where}: --quick makes trainings shorter, and ask-and-tell has none. Give"
            " fewer trials: --trials 8."
        )
    if quick:
        if is_script(str(raw.get("objective"))):
            raise SpecError(
                f"{where}: --quick shortens the training of networks, not a function."
                " Run a few trials instead: --trials 8 --name try."
            )
        raw = _shorten(raw, validate(raw, where=where), given)
        where += " with --quick"
    return read(raw, base=path.parent, where=where)


def read(raw: Mapping[str, Any], *, base: Path, where: str) -> StudySpec:
    """Validate the tables of a study file, and pin the data that it names.

    Args:
        raw: its tables, with ``name``.
        base: directory in which relative paths begin.
        where: its name in messages.

    Raises:
        SpecError: the first problem, located.
    """
    base = base.absolute()
    raw = devices.fill(functions.locate(raw, base), base, where)
    spec = validate(raw, where=where)
    if not spec.has_class:
        return spec
    variability = spec.variability or {}
    task = _pin(spec.task_params, spec.task, base, f"{where}: task")
    varied = _pin(spec.hardware, variability, base, f"{where}: variability")
    if task != spec.task or varied != variability:
        spec = validate({**raw, "task": task, "variability": varied}, where=where)
    return spec


def validate(raw: Mapping[str, Any], *, where: str) -> StudySpec:
    """Return the spec of a parsed study file with ``name``; ``where`` is the file, for
    messages.

    Raises:
        SpecError: the first broken rule, located.
    """
    refuse(_check_storable(raw), where)
    spec = _validate(StudySpec, _complete(raw, where), where)
    if spec.is_imported:
        function = "--objective train.py:objective"
        raise SpecError(
            f"{where}: its trials are imported, without the function that made them."
            f" Name it to confirm the best: hpo confirm {spec.name} {function}."
        )
    if spec.is_function:
        _check_function(spec, where)
        return spec
    if spec.is_ask_and_tell:
        refuse(ask_and_tell.check(spec), where)
        _check_own_sampler(spec, where)
        spec.attach(ask_and_tell.describe(spec))
    else:
        _check_objective(spec, where)
    refuse(check_names(spec), where)
    refuse(check_values(spec), where)
    refuse(check_tables(spec), where)
    refuse(check_points(spec), where)
    return spec


def describe_imported(tree: Mapping[str, Any], where: str) -> StudySpec:
    """Return the spec of a study whose trials come from elsewhere.

    Args:
        tree: its tables, as of a function's study without a script.
        where: its name in messages.

    Raises:
        SpecError: a name or a number is out of bounds.
    """
    spec = _validate(StudySpec, functions.complete(tree), where)
    spec.attach(functions.describe(spec))
    return spec


def restore(
    stored: Mapping[str, Any], about: Mapping[str, Any], where: str
) -> StudySpec:
    """Return the spec of a study that was submitted, without the class of its
    objective.

    What needs the class was checked then: values of parameters, and the task.

    Args:
        stored: as ``StudySpec.stored`` gives it.
        about: what is known of the objective, as ``Description.stored`` gives it.
        where: its name in messages.

    Raises:
        SpecError: it does not fit this version of the software.
    """
    spec = _validate(StudySpec, stored, where)
    spec.attach(_validate(Description, about, where, "about"))
    if spec.defines_by_run:
        return spec
    refuse(check_names(spec), where)
    refuse(check_tables(spec), where)
    return spec


def extends(known: StudySpec, spec: StudySpec) -> bool:
    """Return whether ``spec`` has more trials than ``known``; False if they are the
    same.

    Raises:
        StudyError: they differ in anything else.
    """
    changed = known.differences(spec)
    where = f"study {spec.name!r}"
    for name, dimension in spec.space.items():
        if known.is_ask_and_tell and _is_retyped(name, known, spec):
            rule = "the kind of numbers of the study in the database"
            do = f"Choose another name: {advise(*OTHER_NAME)}."
            ends = f"low={dimension.low}, high={dimension.high}"
            raise StudyError(expected(f"{where}: space.{name}", rule, ends, do))
    if not changed:
        return False
    if changed != ["budget.trials"]:
        raise StudyError(
            f"{where} exists already, and it differs in"
            f" {_list_changes(known, spec, changed)}. Only a larger budget.trials is"
            f" accepted; otherwise choose another name: {advise(*OTHER_NAME)}."
        )
    least = known.budget.trials
    trials = spec.budget.trials
    if trials < least:
        more = advise(f"--trials {least}", f"budget={{'trials': {least}}}")
        do = f"Give {more}, or choose another name: {advise(*OTHER_NAME)}."
        rule = f"at least {least}, as in the database"
        raise StudyError(expected(f"{where}: budget.trials", rule, trials, do))
    return True


def _list_changes(known: StudySpec, spec: StudySpec, changed: Sequence[str]) -> str:
    """Return the first of the changed keys with their old and new values, and the
    number of the others."""
    old = flatten(known.stored())
    new = flatten(spec.stored())
    changes = [
        f"{key}: {_brief(old.get(key))} -> {_brief(new.get(key))}"
        for key in changed[:_LISTED]
    ]
    others = len(changed) - len(changes)
    if others:
        changes.append(f"and {others} more")
    return ", ".join(changes)


def _brief(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    return textwrap.shorten(repr(value), 200, placeholder=" ...")


def _is_retyped(name: str, known: StudySpec, spec: StudySpec) -> bool:
    """Return whether a range of whole numbers was one of others, or the reverse: as
    numbers, 1 and 1.0 are the same."""
    if name not in known.space:
        return False
    return known.parameter(name).whole != spec.parameter(name).whole


def _check_storable(tree: Mapping[str, Any], table: str = "") -> Broken:
    """Refuse what the database cannot store: dates, long whole numbers, the character
    NUL."""
    for name, value in tree.items():
        key = f"{table}{name}"
        if isinstance(value, Mapping):
            yield from _check_storable(value, f"{key}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield from _check_storable(item, f"{key}.{index}.")
                else:
                    yield from _check_storable_value(key, item)
        else:
            yield from _check_storable_value(key, value)


def _check_storable_value(key: str, value: Any) -> Broken:
    if isinstance(value, date | time):
        rule = "a number, a text, true or false"
        name = key.rpartition(".")[2]
        do = f'Quote a text: {name} = "{value}".'
        yield expected(key, rule, f"the date or time {value}", do)
    elif isinstance(value, str) and "\0" in value:
        rule = "a text without the character NUL, which no database stores"
        yield expected(key, rule, repr(value), "Leave it out.")
    elif isinstance(value, int) and abs(value) >= 2**63:
        rule = "a whole number of at most 64 bits"
        got = f"one of {value.bit_length()} bits"
        yield expected(key, rule, got, "Write a larger number as 1e30.")


def _complete(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Complete a parsed study file with the values that follow from the rest.

    A sweep runs each of its points once and tests each network: it selects nothing.
    """
    tree = dict(raw)
    if is_script(str(tree.get("objective"))):
        return functions.complete(tree)
    if tree.get("objective") == ASK_AND_TELL:
        return ask_and_tell.complete(tree)
    if "sweep" in tree:
        refuse(_check_beside_sweep(tree), where)
        size = _validate(SweepTable, tree["sweep"], where, "sweep").size
        budget = tree.get("budget", {})
        if isinstance(budget, Mapping):
            trials = budget.get("trials", size)
            if trials != size:
                rule = f"{size}, the points of the sweep"
                key = f"{where}: budget.trials"
                raise SpecError(expected(key, rule, trials, "Leave it out."))
            tree["budget"] = {"trials": size, "window": WINDOW, **budget}
        tree.setdefault("protocol", Protocol.CONFIRM.value)
        tree["confirm"] = False
    if tree.get("protocol") == Protocol.CONFIRM.value:
        tree.setdefault("confirm", False)
    return tree


def _check_beside_sweep(tree: Mapping[str, Any]) -> Broken:
    for table in ("space", "sampler", "pruner", "confirm"):
        if table in tree and tree[table] is not False:
            yield (
                f"{table}: not allowed beside [sweep], which measures every point."
                " Remove one."
            )
    if not isinstance(tree["sweep"], Mapping):
        got = repr(tree["sweep"])
        yield expected("sweep", "a table", got, "Write [[sweep.curves]].")


def _validate(
    model: type[M], values: Mapping[str, Any], where: str, table: str = ""
) -> M:
    try:
        return strictly(model, values)
    except ValidationError as error:
        raise SpecError(explain(error, model, where, table)) from None


def _check_function(spec: StudySpec, where: str) -> None:
    """Refuse a function that cannot be called, and what has no place beside one."""
    refuse(functions.check(spec), where)
    _check_own_sampler(spec, where)
    try:
        spec.script.load()
    except SpecError as error:
        raise SpecError(f"{where}: objective: {error}") from None
    spec.attach(functions.describe(spec))


def _check_own_sampler(spec: StudySpec, where: str) -> None:
    try:
        if spec.sampler.is_own:
            objectives.sampler(spec.sampler.name)
    except LookupError as error:
        raise SpecError(f"{where}: sampler.name: {error}.") from None


def _check_objective(spec: StudySpec, where: str) -> None:
    """Refuse an objective or sampler that is not there, and tables that its models
    refuse."""
    try:
        objective = objectives.load(spec.objective)
    except LookupError as error:
        raise SpecError(f"{where}: objective: {error}.") from None
    _check_own_sampler(spec, where)
    tasks = objective.tasks
    name = spec.task_name
    if name not in tasks:
        lacks = f"objective {spec.objective!r} has no task {name!r}"
        raise SpecError(f"{where}: task.name: {lacks}. {did_you_mean(name, tasks)}")
    _validate(tasks[name], {"name": name, **spec.task}, where, "task")
    if objective.variability is not None:
        _validate(objective.variability, spec.variability or {}, where, "variability")


QUICK = {"trials": 8, "seeds": 1, "epochs": 60}
"""``[budget]`` of a quick study, at most."""


def _shorten(
    raw: dict[str, Any], spec: StudySpec, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a study for a first look: few short trials, one network each, and two
    fresh seeds.

    Its name is another one, so that it is never mixed with what it is a look at; a name
    and a budget that were ``given`` stay. It begins at the reported point, if there is
    one in the space (without what is fixed); what is not reported has the objective's
    default.
    """
    budget = spec.budget.model_dump()
    few = {**QUICK, "seeds": spec.about.task.folds}
    least = {key: min(budget[key], most) for key, most in few.items()}
    least |= {key: budget[key] for key in QUICK if f"budget.{key}" in given}
    if spec.has_points:
        del least["trials"]  # it measures every point
    tree = {key: raw[key] for key in raw.keys() - {"stop"}}
    tree["budget"] = {**raw.get("budget", {}), **least}
    if spec.selects:
        every = budget["score_every"] or 1
        rung = max(1, least["epochs"] // 4 // every) * every
        halving = {"min_resource": rung, "reduction_factor": 2}
        tree["pruner"] = {"name": "successive-halving", **halving}
    reported = {
        name: value
        for name, value in spec.reported_params.items()
        if name not in spec.fixed
    }
    fits = reported and spec.in_space(reported).keys() == reported.keys()
    begins = spec.warm_start or spec.transfer
    is_free = not (begins or spec.constraints or spec.has_points)
    if spec.selects and fits and is_free:
        point = spec.in_space({**spec.about.defaults, **reported})
        tree["warm_start"] = {"points": [point]}
    if spec.confirm is not None:
        tree["confirm"] = {"top": 1, "seeds": 2, "tolerances": False}
    if "name" not in given:
        tree["name"] = f"{spec.name}-quick"
    return tree


def _pin(
    model: Any, table: Mapping[str, Any], base: Path, where: str
) -> dict[str, Any]:
    """Return a table with absolute paths and pins from its model, see
    ``TaskParams.resolve``."""
    if not hasattr(model, "resolve"):
        return dict(table)
    try:
        resolved = model.resolve(base)
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None
    before = model.model_dump(mode="json")
    after = resolved.model_dump(mode="json")
    pins = {key: after[key] for key in after if after[key] != before.get(key)}
    return {**table, **pins}


def parse_override(text: str, example: str = "space.tau_ns.high=40") -> tuple[str, Any]:
    """Split ``key=value`` as given to ``--set``; the value is TOML, else a text.

    Raises:
        SpecError: it is none; the message shows an ``example``.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise SpecError(
            f"--set {text}: expected key=value. Write for instance --set {example}."
        )
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value.strip()


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    node: Any = raw
    for table in tables:
        node = node.setdefault(table, {})
        if not isinstance(node, dict):
            raise SpecError(f"--set {key}: {table!r} is a value, not a table.")
    node[last] = value


def keep_beginning(spec: StudySpec, path: Path) -> str | None:
    """Append to a study's file where it begins, if the file has nothing of that, is not
    ours, and can be; return the name of the table, if written."""
    name = "transfer" if spec.transfer else "warm_start"
    table = spec.stored()[name]
    if spec.transfer:  # the trials, which are many, are in the database
        table.pop("sources")
    known = read_toml(path, SpecError)
    if name in known or path.parent.resolve() == _INSTALLED.resolve():
        return None
    with suppress(OSError), path.open("a", encoding="utf-8") as text:
        text.write(f"\n{tomli_w.dumps({name: table})}")
        return name
    return None


def dumps(spec: StudySpec) -> str:
    """The study file of a spec: valid TOML, which ``validate`` turns into an equal
    spec."""
    stored = spec.stored()
    stored.pop("device", None)  # its values are in the tables
    if not spec.has_class:  # these say how networks train
        del stored["protocol"]
        del stored["budget"]["epochs"]
    return tomli_w.dumps(
        {key: own for key, own in stored.items() if own not in ({}, "")}
    )

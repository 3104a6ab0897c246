"""Study files: found, read with ``--set key=value``, and written back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.errors import SpecError
from hpo.study.messages import did_you_mean
from hpo.study.rules.check import validate
from hpo.study.spec import StudySpec


def directories() -> list[Path]:
    """Where study files are looked for by name: ``./studies``, then the ones installed with us."""
    found = [Path("studies"), Path(__file__).parents[2] / "studies"]
    unique = {directory.resolve(): directory for directory in reversed(found)}
    return [d for d in reversed(unique.values()) if d.is_dir()]


def available() -> dict[str, Path]:
    """Study files by name; a file in ``./studies`` hides an installed one of the same name."""
    files: dict[str, Path] = {}
    for directory in directories():
        for path in sorted(directory.glob("*.toml")):
            files.setdefault(path.stem, path)
    return files


def describe(path: Path) -> str:
    """What a study file says that it is, or what is wrong with it; reads nothing but the file."""
    try:
        return str(_parse(path).get("description", ""))
    except SpecError as error:
        return f"broken: {error}"


def find(study: str) -> Path:
    """The file of a study given by name or by path.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    if study.endswith(".toml") or "/" in study:
        path = Path(study)
        if not path.is_file():
            raise SpecError(
                f"{study}: the study file must exist, but there is none. Check the path."
            )
        return path
    files = available()
    if study not in files:
        beside = f"{study}.toml"
        hint = f"For the file in the working directory, give {beside}. "
        raise SpecError(
            f"unknown study {study!r}. {hint if Path(beside).is_file() else ''}"
            f"{did_you_mean(study, files)}"
        )
    return files[study]


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
        overrides: ``key=value`` as given to ``--set``; the value is read as TOML, else as text.
        values: further overrides by dotted key (``budget.trials``), from options of their own.
        quick: a small study of another name in place of it, see ``_quicker``.

    Raises:
        SpecError: the first problem, located by file (or option) and key.
    """
    path = find(study)
    raw = _parse(path)
    given = dict(parse_override(text) for text in overrides)
    given.update(values or {})
    for key, value in given.items():
        _assign(raw, key, value)
    raw.setdefault("name", path.stem)
    where = str(path)
    if given:
        where += " with " + ", ".join(f"{key}={value!r}" for key, value in given.items())
    if quick:
        raw, where = _quicker(raw, validate(raw, where=where), given), f"{where} with --quick"
    return read(raw, base=path.parent, where=where)


def read(raw: Mapping[str, Any], *, base: Path, where: str) -> StudySpec:
    """Validate what a study file holds, and pin the data that it names.

    Args:
        raw: its tables, with ``name``.
        base: directory in which relative paths begin.
        where: what messages call it.

    Raises:
        SpecError: the first problem, located.
    """
    spec = validate(raw, where=where)
    task = _pinned(spec.task_params, spec.task, base.absolute(), f"{where}: task")
    varied = _pinned(spec.hardware, spec.variability, base.absolute(), f"{where}: variability")
    if task != spec.task or varied != (spec.variability or {}):
        spec = validate({**raw, "task": task, "variability": varied}, where=where)
    return spec


QUICK = {"trials": 8, "members": 1, "epochs": 15}
"""``[budget]`` of a quick study, at most."""


def _quicker(raw: dict[str, Any], spec: StudySpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """A study for a first look: few short trials, one network each, and two fresh seeds.

    Its name is another one, so that it is never mixed with what it is a look at; a name and a
    budget that were ``given`` stay. A race and a pruner would have too little to go by.
    """
    budget = spec.budget.model_dump()
    least = {key: min(budget[key], most) for key, most in QUICK.items()}
    least |= {key: budget[key] for key in QUICK if f"budget.{key}" in given}
    if spec.sweep is not None:
        del least["trials"]  # it measures every point
    tree = {key: raw[key] for key in raw.keys() - {"racing", "pruner", "stop", "warm_start"}}
    tree["budget"] = {**raw.get("budget", {}), **least}
    if spec.confirm is not None:
        tree["confirm"] = {"top": 1, "members": 2}
    return tree if "name" in given else {**tree, "name": f"{spec.name}-quick"}


def _pinned(model: Any, table: Mapping[str, Any] | None, base: Path, where: str) -> dict[str, Any]:
    """A table with what its model makes absolute and pins, see ``TaskParams.resolved``."""
    if not hasattr(model, "resolved"):
        return dict(table or {})
    try:
        resolved = model.resolved(base)
    except ValueError as error:
        raise SpecError(f"{where}: {error}") from None
    before, after = model.model_dump(mode="json"), resolved.model_dump(mode="json")
    return {**(table or {}), **{key: after[key] for key in after if after[key] != before.get(key)}}


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}. Mend that line.") from None
    except RecursionError:
        raise SpecError(f"{path}: tables and lists must not be nested so deeply.") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: must be UTF-8 text, but {error}. Save it as UTF-8.") from None
    except ValueError as error:  # Python converts no number of thousands of digits
        raise SpecError(f"{path}: not a readable number: {error}. Shorten it.") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}.") from None


def parse_override(text: str, example: str = "space.tau_ns.high=40") -> tuple[str, Any]:
    """Key and value of ``key=value`` as given to ``--set``; the value is TOML, else a text.

    Raises:
        SpecError: it is none; the message shows an ``example``.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise SpecError(f"--set {text}: `key=value` must hold. Write for instance --set {example}.")
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
            raise SpecError(f"--set {key}: {table!r} must be a table, but it is a value.")
    node[last] = value


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dumps(spec: StudySpec) -> str:
    """The study file of a spec: valid TOML, which ``validate`` turns into an equal spec."""
    tree = {key: value for key, value in spec.stored().items() if value not in ({}, "")}
    return "\n".join(_table((), tree)).strip() + "\n"


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> list[str]:
    """Lines of a table: its values first, then its subtables; ``[space]`` holds inline tables."""
    inline = path[:1] == ("space",)
    lines = ["", f"[{_name(path)}]"] if path else []
    subtables = []
    for key, value in table.items():
        tables = isinstance(value, list) and value and isinstance(value[0], Mapping)
        if (isinstance(value, Mapping) and not inline) or tables:
            subtables.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in subtables:
        if isinstance(value, Mapping):
            lines += _table((*path, key), value)
        for item in value if isinstance(value, list) else ():
            pairs = [f"{_key(name)} = {_value(entry)}" for name, entry in item.items()]
            lines += ["", f"[[{_name((*path, key))}]]", *pairs]
    return lines


def _name(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # A TOML basic string is a JSON string, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

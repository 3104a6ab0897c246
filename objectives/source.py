"""What an objective computes with: the source of its modules, as far as it is ours or the user's.

A result depends on them as it does on the study file. Installed packages do not count (their
versions are in the lineage of every trial), nor does the service itself, which trains nothing.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import sysconfig
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import objectives

_OURS, _SERVICE = "objectives", "hpo"
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@cache
def modules(objective: str) -> Mapping[str, str]:
    """A hash of the source of each module that an objective, by its name, is made of.

    These are the objective's own module, those of its base classes, and whatever these import, at
    any place in them, and so on. Comments, docstrings and blank lines do not count.

    Raises:
        LookupError: there is no such objective.
    """
    found: dict[str, str] = {}
    named = objectives.BUILT_IN.get(objective, objective).partition(":")[0]
    classes = type(objectives.load(objective)).__mro__
    wanted = [named, *(cls.__module__ for cls in classes)]
    while wanted:
        name = wanted.pop()
        path = None if name in found else _path(name)
        if path is not None:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            found[name] = hashlib.sha256(_stripped(text, tree).encode()).hexdigest()[:16]
            wanted += _imports(tree, name, is_package=path.name == "__init__.py")
    return MappingProxyType(dict(sorted(found.items())))


def fingerprint(objective: str) -> str:
    """One hash of ``modules``."""
    lines = (f"{name} {own}" for name, own in modules(objective).items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _path(name: str) -> Path | None:
    """The file of a module that counts; None of any other, and of what is no module.

    Nothing is imported: a package is searched as it lies on the disk.
    """
    top, *others = name.split(".")
    if top in (_SERVICE, "__main__"):
        return None
    spec = importlib.util.find_spec(top)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if spec is None or not (places or str(spec.origin).endswith(".py")):
        return None
    first = Path(places[0] if places else str(spec.origin)).resolve()
    if top != _OURS and any(first.is_relative_to(installed) for installed in _INSTALLED):
        return None
    if not places:
        return first if not others else None
    for place in places:
        inner = Path(place).resolve().joinpath(*others)
        for path in (inner / "__init__.py", inner.with_suffix(".py") if others else inner):
            if path.is_file():
                return path
    return None


def _imports(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Names of what a module imports; some are not of modules."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _stripped(text: str, tree: ast.Module) -> str:
    """The lines of a module that say something, without comments and docstrings."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            for row in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())

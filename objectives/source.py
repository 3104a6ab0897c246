"""What a result is computed with: the source of its modules, as far as it is ours or the user's.

A result depends on them as it does on the study file. Installed packages do not count (their
versions are in the lineage of every trial). Of the service, which trains nothing, count the modules
that decide: what they are is found by ``hash_imports``.

``python -m hpo.objectives.source`` prints the revision of a checkout as JSON. Kept as
``hpo/revision.json``, it tells an installation without the checkout, such as a container, what it
was made from.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import subprocess
import sysconfig
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hpo import objectives

REGISTRY = "hpo.objectives"
"""The module that names what is built in: it says nothing of what any of them computes."""
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def modules(objective: str, *others: str) -> Mapping[str, str]:
    """A hash of the source of each module that an objective, by its name, is made of.

    ``others`` are classes, each at ``package.module:Class``, that its study is made of, too.

    These are the objective's own module, those of its base classes and of its parameters' (which
    are a device), and whatever these import, at any place in them, and so on. Comments, docstrings
    and blank lines do not count. A module is read once by a process, as Python does: what is
    computed with is what was read.

    Raises:
        LookupError: there is no such objective.
    """
    named = [objectives.BUILT_IN.get(objective, objective), *others]
    loaded = objectives.load(objective)
    known = [type(loaded), loaded.Params, *(objectives.import_class(o, repr(o)) for o in others)]
    classes = (cls for own in known for cls in own.__mro__)
    wanted = [*(name.partition(":")[0] for name in named), *(cls.__module__ for cls in classes)]
    return hash_imports(wanted, _read)


Module = tuple[str, tuple[str, ...]]
"""The hash of a module, and the names that it imports."""


def hash_imports(names: Iterable[str], read: Callable[[str], Module | None]) -> dict[str, str]:
    """A hash of each of these modules, of those that they import, and so on.

    ``read`` gives None of a name that does not count.
    """
    found: dict[str, str] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        module = None if name in found else read(name)
        if module is not None:
            found[name], imports = module
            wanted += imports
    return dict(sorted(found.items()))


@cache
def _read(name: str) -> Module | None:
    """A module that an objective is made of; None of any other."""
    path = _path(name)
    return None if path is None else read_source(name, path)


def hash_tree(root: Path, *names: str, alone: Collection[str]) -> dict[str, str]:
    """A hash of each of these modules of a source tree, of those that they import, and so on.

    Packages count for nothing: they compute nothing. Of those ``alone``, no imports count.
    """

    def read(name: str) -> Module | None:
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if not path.is_file():
            return None
        own, imports = read_source(name, path)
        return own, () if name in alone else imports

    return hash_imports([*names, *alone], read)


def read_source(name: str, path: Path) -> Module:
    """What the file of a module says."""
    content = path.read_bytes()
    try:
        tree = ast.parse(importlib.util.decode_source(content))
        imports = tuple(_imports(tree, name, path))
    except (SyntaxError, ValueError):
        imports = ()
    return hash_source(content), imports


def hash_source(content: bytes) -> str:
    """A hash of what a file says, without comments, docstrings and blank lines."""
    try:
        text = importlib.util.decode_source(content)
        content = _stripped(text, ast.parse(text)).encode()
    except (SyntaxError, ValueError, tokenize.TokenError):  # not for this Python: never imported
        pass
    return hashlib.sha256(content).hexdigest()[:16]


def fingerprint(objective: str) -> str:
    """One hash of ``modules``."""
    return hash_modules(modules(objective))


def hash_modules(found: Mapping[str, str]) -> str:
    """One hash of all that are found."""
    lines = (f"{name} {own}" for name, own in found.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def revision() -> dict[str, Any]:
    """That of the source that this process has read; see ``checkout_revision``."""
    return checkout_revision(Path(objectives.__path__[0]).parents[1])


def checkout_revision(root: Path) -> dict[str, Any]:
    """Revision and dirty flag of a checkout, or of the one that an installation was made from.

    ``dirty``: whether tracked files differ from the revision, documents aside: no result depends on
    them, and the reproduction writes some while it runs; "unknown" where nobody can tell.
    """
    if found := _git(root, "rev-parse", "HEAD"):
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ":!docs")
        return {"revision": found, "dirty": "unknown" if changed is None else bool(changed)}
    try:
        kept: dict[str, Any] = json.loads((root / "hpo/revision.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        why = "git does not answer" if (root / ".git").exists() else "not a git checkout"
        return {"revision": f"unknown ({why})", "dirty": "unknown"}
    return kept


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def _path(name: str) -> Path | None:
    """The file of a module that counts; None of any other, and of what is no module.

    Nothing is imported: a package is searched as it lies on the disk.
    """
    top, *others = name.split(".")
    ours = top == "hpo"
    if top == "__main__" or (ours and others[:1] != ["objectives"]):
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if spec is None or not (places or str(spec.origin).endswith(".py")):
        return None
    first = Path(places[0] if places else str(spec.origin)).resolve()
    if not ours and _is_installed(first):
        return None
    if not places:
        return first if first.is_file() and not others else None
    for place in places:
        inner = Path(place).resolve().joinpath(*others)
        for path in (inner / "__init__.py", inner.with_suffix(".py") if others else inner):
            if path.is_file():
                return path
    return None


def _is_installed(path: Path) -> bool:
    """Whether it is Python's or a package's, wherever that was installed."""
    named = {"site-packages", "dist-packages"} & {*path.parts}
    return bool(named) or any(path.is_relative_to(installed) for installed in _INSTALLED)


def _imports(tree: ast.Module, name: str, path: Path) -> Iterator[str]:
    """Names of what a module imports; some are not of modules."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(filter(None, [*parents, base]))
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _stripped(text: str, tree: ast.Module) -> str:
    """The lines of a module that say something, without comments and docstrings."""
    lines = text.split("\n")
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        ):
            inside |= {*range(node.lineno, node.end_lineno or node.lineno)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            last = first.end_lineno or first.lineno
            alone = lines[last - 1].encode()[first.end_col_offset :].strip() == b""
            if alone and lines[first.lineno - 1][: first.col_offset].strip() == "":
                lines[first.lineno - 1 : last] = [""] * (last - first.lineno + 1)
                inside -= {*range(first.lineno, last)}
    # a row of ``inside`` ends within a text, whose blanks count
    found = (line if k in inside else line.rstrip() for k, line in enumerate(lines, start=1))
    return "\n".join(line for k, line in enumerate(found, start=1) if line or k in inside)


if __name__ == "__main__":
    print(json.dumps(revision()))

"""Hashes of the source that a result depends on, ours or the user's.

A result depends on it as on the study file. Installed packages do not count: their
versions are in the lineage of every trial. Of the service, the modules that decide
count; ``hash_imports`` follows their imports.

``python -m hpo.provenance.source`` prints the revision of a checkout as JSON. An
installation without the checkout, such as a container, reads it from
``hpo/revision.json``.
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

REGISTRY = "hpo.objectives"
"""The registry of built-in objectives, whose changes do not count."""
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


_COUNTED = (["objectives"], ["contract"], ["statistics"])
"""Our packages that a network is trained and scored with; others have a tree of their
own in ``hash_tree``."""


def modules(names: Iterable[str], classes: Iterable[type]) -> dict[str, str]:
    """Return a hash of the source of each module that a result depends on.

    These are the modules ``names``, those of the ``classes`` and of their base classes,
    and all their imports. Comments, docstrings and blank lines do not count. A process
    reads a module once, as Python does.
    """
    bases = (base for cls in classes for base in cls.__mro__)
    return hash_imports([*names, *(base.__module__ for base in bases)], _read)


Module = tuple[str, tuple[str, ...]]
"""The hash of a module, and the names of its imports."""


def hash_imports(
    names: Iterable[str], read: Callable[[str], Module | None]
) -> dict[str, str]:
    """Return a hash of each of these modules, of their imports, and so on.

    ``read`` returns None for a name that does not count.
    """
    hashes: dict[str, str] = {}
    queue = list(names)
    while queue:
        name = queue.pop()
        module = None if name in hashes else read(name)
        if module is not None:
            hashes[name], imports = module
            queue += imports
    return dict(sorted(hashes.items()))


@cache
def _read(name: str) -> Module | None:
    """Read a module that an objective may consist of; None for other modules."""
    path = _path(name)
    return None if path is None else read_source(name, path)


def hash_tree(root: Path, *names: str, alone: Collection[str]) -> dict[str, str]:
    """Return a hash of each of these modules of a source tree, of their imports, and so
    on.

    Packages do not count: they compute nothing. The imports of ``alone`` do not count,
    either.
    """

    def read(name: str) -> Module | None:
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if not path.is_file():
            return None
        digest, imports = read_source(name, path)
        return digest, () if name in alone else imports

    return hash_imports([*names, *alone], read)


def read_source(name: str, path: Path) -> Module:
    """Return the hash of a module's file, and the names of its imports."""
    content = path.read_bytes()
    try:
        tree = ast.parse(importlib.util.decode_source(content))
        imports = tuple(_imports(tree, name, path))
    except (SyntaxError, ValueError):
        imports = ()
    return hash_source(content), imports


def hash_source(content: bytes) -> str:
    """Return a hash of a source file without comments, docstrings and blank lines."""
    try:
        text = importlib.util.decode_source(content)
        content = _strip(text, ast.parse(text)).encode()
    except (
        SyntaxError,
        ValueError,
        tokenize.TokenError,
    ):  # not for this Python: never imported
        pass
    return hashlib.sha256(content).hexdigest()[:16]


def hash_modules(hashes: Mapping[str, str]) -> str:
    """Return one hash of the hashes of modules."""
    lines = (f"{name} {digest}" for name, digest in hashes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def revision() -> dict[str, Any]:
    """Return the revision of this process; see ``checkout_revision``."""
    return checkout_revision(Path(__file__).parents[2])


def checkout_revision(root: Path) -> dict[str, Any]:
    """Return revision and dirty flag of a checkout, or of that of an installation.

    ``dirty``: whether tracked files differ from the revision, or "unknown". Documents
    are ignored:
    no result depends on them, and the reproduction writes some while it runs.
    """
    if commit := _git(root, "rev-parse", "HEAD"):
        changed = _git(
            root, "status", "--porcelain", "--untracked-files=no", "--", ":!docs"
        )
        return {
            "revision": commit,
            "dirty": "unknown" if changed is None else bool(changed),
        }
    try:
        kept: dict[str, Any] = json.loads(
            (root / "hpo/revision.json").read_text(encoding="utf-8")
        )
    except FileNotFoundError:
        why = (
            "git does not answer" if (root / ".git").exists() else "not a git checkout"
        )
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
    """Return the file of a module that counts; None for other names.

    Nothing is imported: a package is searched on the disk.
    """
    top, *others = name.split(".")
    ours = top == "hpo"
    if top == "__main__" or (ours and others[:1] not in _COUNTED):
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
        for path in (
            inner / "__init__.py",
            inner.with_suffix(".py") if others else inner,
        ):
            if path.is_file():
                return path
    return None


def _is_installed(path: Path) -> bool:
    """Return whether a file belongs to Python or to an installed package."""
    in_packages = {"site-packages", "dist-packages"} & {*path.parts}
    return bool(in_packages) or any(
        path.is_relative_to(installed) for installed in _INSTALLED
    )


def _imports(tree: ast.Module, name: str, path: Path) -> Iterator[str]:
    """Yield the names that a module imports; some are not modules."""
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


def _strip(text: str, tree: ast.Module) -> str:
    """Return the source without comments, docstrings and blank lines."""
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
    # lines of ``inside`` end within a string, whose blanks count
    stripped = (
        line if k in inside else line.rstrip() for k, line in enumerate(lines, start=1)
    )
    return "\n".join(
        line for k, line in enumerate(stripped, start=1) if line or k in inside
    )


if __name__ == "__main__":
    print(json.dumps(revision()))

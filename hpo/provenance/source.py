"""Hashes of the source that a result depends on, ours or the user's.

A result depends on it as on the study file. The source of installed packages does not
count: their versions are in the lineage of every trial, and those of packages that
decide are pinned, see ``package_versions``. Of the service, the modules that decide
count; ``hash_imports`` follows their imports.

``python -m hpo.provenance.source`` prints the revision of a checkout as JSON. An
installation without the checkout, such as a container, reads it from
``hpo/revision.json``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import subprocess
import sysconfig
import tokenize
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hpo.provenance import numerics

PACKAGE = "package "
"""Beginning of the names of packages, beside those of modules."""
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
    reads a module once, as Python does. Of modules ``names`` that were installed, the
    version of their package counts.
    """
    named = [*names]
    bases = (base for cls in classes for base in cls.__mro__)
    found = hash_imports([*named, *(base.__module__ for base in bases)], read_module)
    installed = [name for name in named if name not in found]
    return {**found, **package_versions(_packages_of(installed))}


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
        if name in hashes:
            continue
        module = read(name)
        if module is not None:
            hashes[name], imports = module
            queue += imports
    return dict(sorted(hashes.items()))


@cache
def read_module(name: str) -> Module | None:
    """Read a module that an objective may consist of; None for other modules."""
    path = find(name)
    return None if path is None else read_source(name, path)


def hash_tree(root: Path, *names: str, alone: Collection[str]) -> dict[str, str]:
    """Return a hash of each of these modules of ours, of their imports, and so on.

    ``root`` is the folder of ``hpo``: a clone, or that of all installed packages, of
    which nothing else counts. Packages do not count: they compute nothing. The imports
    of ``alone`` do not count, either.
    """

    def read(name: str) -> Module | None:
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if not name.startswith("hpo.") or not path.is_file():
            return None
        digest, imports = read_source(name, path)
        if name in alone:
            imports = ()
        return digest, imports

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


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of installed packages, each by ``"package NAME"``."""
    found = numerics.versions([*packages])
    return {f"{PACKAGE}{name}": version for name, version in found.items()}


def _packages_of(modules: Iterable[str]) -> list[str]:
    """Return the installed packages that modules belong to; those of Python have
    none."""
    tops = {name.partition(".")[0] for name in modules}
    if not tops:
        return []
    known = importlib.metadata.packages_distributions()
    return sorted({package for top in tops for package in known.get(top, ())})


def hash_source(content: bytes) -> str:
    """Return a hash of a source file without comments, docstrings and blank lines."""
    # what this Python cannot parse is never imported
    with suppress(SyntaxError, ValueError, tokenize.TokenError):
        text = importlib.util.decode_source(content)
        content = _strip(text, ast.parse(text)).encode()
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
    are ignored: no result depends on them, and the reproduction writes some while it
    runs.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit:
        command = ("status", "--porcelain", "--untracked-files=no", "--", ":!docs")
        changed = _git(root, *command)
        dirty = "unknown" if changed is None else bool(changed)
        return {"revision": commit, "dirty": dirty}
    kept = root / "hpo/revision.json"
    if kept.exists():
        read: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return read
    why = "git does not answer" if (root / ".git").exists() else "not a git checkout"
    return {"revision": f"unknown ({why})", "dirty": "unknown"}


def _git(root: Path, *arguments: str) -> str | None:
    """Run git in a checkout and return its output; None without one, or if it fails."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if run.returncode != 0:
        return None
    return run.stdout.strip()


def find(name: str) -> Path | None:
    """Return the file of a module that counts; None for other names.

    Nothing is imported: a package is searched on the disk.
    """
    top, *others = name.split(".")
    is_ours = top == "hpo"
    if top == "__main__" or (is_ours and others[:1] not in _COUNTED):
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    candidates = []
    if not others and spec.origin:
        candidates.append(Path(spec.origin))
    places = spec.submodule_search_locations or ()
    for place in places:
        inner = Path(place).resolve().joinpath(*others)
        candidates += [inner / "__init__.py", inner.with_suffix(".py")]
    for path in candidates:
        if path.suffix == ".py" and path.is_file():
            if is_ours or not _is_installed(path.resolve()):
                return path
            return None
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
            base = "." * node.level + (node.module or "")
            with suppress(ImportError):  # no such parent
                base = importlib.util.resolve_name(base, package)
            yield from _with_parents(base.lstrip("."))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _strip(text: str, tree: ast.Module) -> str:
    """Return the source without comments, docstrings and blank lines."""
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING):
            _remove_docstring(node, lines)
    inside: set[int] = set()
    """Numbers of lines that end within a string, whose blanks count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            inside.update(range(node.lineno, node.end_lineno or node.lineno))
    kept = []
    for row, line in enumerate(lines, start=1):
        if row in inside:
            kept.append(line)
        elif line.rstrip():
            kept.append(line.rstrip())
    return "\n".join(kept)


_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _remove_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
    lines: list[str],
) -> None:
    """Remove a docstring from the tree and the lines, unless it shares a line."""
    if ast.get_docstring(node, clean=False) is None:
        return
    first = node.body[0]
    last = first.end_lineno or first.lineno
    before = lines[first.lineno - 1][: first.col_offset]
    after = lines[last - 1].encode()[first.end_col_offset :]
    if before.strip() or after.strip():
        return
    for row in range(first.lineno, last + 1):
        lines[row - 1] = ""
    node.body.pop(0)


if __name__ == "__main__":
    print(json.dumps(revision()))

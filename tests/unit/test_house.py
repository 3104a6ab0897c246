"""Packages are imported by their faces: what CONTRIBUTING.md calls a map of the
house."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "hpo").rglob("*.py"))


def imported(source: Path) -> Iterator[str]:
    """The full names that a file imports from ``hpo``; ``hpo.objectives`` has rules of
    its own."""
    ours = re.compile(r"hpo(?!\.objectives)(\.|$)")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and ours.match(node.module or ""):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                alias.name
                for alias in node.names
                if ours.match(alias.name) and "." in alias.name
            )


def refused(name: str, package: str) -> str | None:
    """Why a file of ``package`` may not import ``name``; None if it may."""
    _, *parts = name.split(".")
    path = ROOT / "hpo"
    for depth, part in enumerate(parts):
        if depth and parts[0] != package and (path / "__init__.py").exists():
            face = import_module(".".join(["hpo", *parts[:depth]]))
            if part not in getattr(face, "__all__", ()):
                return f"{part} is not in __all__ of {face.__name__}"
        path = path / part
    if parts[0] != package and parts[-1].startswith("_"):
        return f"{parts[-1]} is private"
    return None


@pytest.mark.parametrize(
    "source", SOURCES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_imports_what_faces_name(source: Path) -> None:
    package = source.relative_to(ROOT / "hpo").parts[0]
    wrong = {name: why for name in imported(source) if (why := refused(name, package))}
    assert not wrong


def test_what_is_not_in_a_face_is_refused() -> None:
    """The check above finds what it looks for."""
    said = refused("hpo.search.comparison.extrapolate", "worker")
    assert said == "comparison is not in __all__ of hpo.search"
    assert refused("hpo.console._EXAMPLES", "worker") == "_EXAMPLES is private"
    assert refused("hpo.search.comparison.extrapolate", "search") is None


def test_every_face_says_what_its_package_is_for_and_names_modules() -> None:
    for face in (path for path in SOURCES if path.name == "__init__.py"):
        module = import_module(".".join(face.parent.relative_to(ROOT).parts))
        assert module.__doc__, face
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name) or import_module(f"{module.__name__}.{name}")


def test_only_study_and_search_ask_a_spec_for_its_kind() -> None:
    """Others take a ``Result``, which is a Search, a Front or a Sweep."""
    asked = re.compile(r"spec\.(costs|selects|sweep)\b")
    at_home = (ROOT / "hpo" / "study", ROOT / "hpo" / "search")
    others = [path for path in SOURCES if not path.is_relative_to(at_home[0])]
    others = [path for path in others if not path.is_relative_to(at_home[1])]
    assert not [
        str(path) for path in others if asked.search(path.read_text(encoding="utf-8"))
    ]


def test_no_view_asks_a_result_for_its_kind() -> None:
    """A result answers for itself; words and reports are looked up by its type."""
    asked = re.compile(r"isinstance\([^)]*\b(Search|Front|Sweep)\b|\.selects\b")
    views = sorted((ROOT / "hpo" / "views").rglob("*.py"))
    assert views
    assert not [str(path) for path in views if asked.search(path.read_text("utf-8"))]


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    """Pytest reads no second file of the same name."""
    names = [path.name for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    assert [name for name in names if names.count(name) > 1] == []

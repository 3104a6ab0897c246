"""How much a reader takes in at once: short functions, few files beside rooms, and one
thought a line.

Arrows and circles between packages are checked by import-linter (``make check``), the
complexity of functions by ruff.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = {"hpo": 8, "objectives": 6}
"""Directories, each with the most files that may stand beside its rooms."""
MOST_LINES = 50
"""Of a function."""
MOST_CONDITIONAL = 15
"""Conditional expressions per 1,000 lines of code."""
MOST_PACKED = 10
"""Statements that hold two thoughts, in all."""

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def sources(tree: str) -> list[Path]:
    """The Python files below a directory, without those behind links."""
    return sorted((ROOT / tree).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def code_lines(tree: ast.AST) -> int:
    """The number of lines on which a node begins or ends."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)]
    starts = {node.lineno for node in nodes}
    return len(starts | {node.end_lineno for node in nodes if node.end_lineno})


def is_packed(node: ast.AST) -> bool:
    """Whether a node is of a kind that a reader must unpack."""
    match node:
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple()):
            packed = True
        case ast.For(iter=ast.IfExp() | ast.BoolOp()):
            packed = True
        case ast.Expr(value=ast.BoolOp() | ast.IfExp()):
            packed = True
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            packed = is_text(left) and isinstance(
                right, ast.Compare | ast.Name | ast.UnaryOp | ast.Attribute
            )
        case ast.IfExp():
            packed = contains(node, (ast.IfExp,))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            packed = contains(node, COMPREHENSIONS)
        case _:
            packed = False
    return packed


def is_text(node: ast.AST) -> bool:
    """Whether a node writes a list or a text."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.List | ast.JoinedStr)


def contains(node: ast.AST, kinds: tuple[type[ast.AST], ...]) -> bool:
    """Whether a node has another one of these kinds inside."""
    return any(isinstance(n, kinds) for n in ast.walk(node) if n is not node)


def packed_places() -> Iterator[str]:
    """The places of all packed nodes."""
    for tree in TREES:
        for path in sources(tree):
            for node in ast.walk(parsed(path)):
                if is_packed(node):
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("a, b = x, y", True),
        ("a, b = pair", False),
        ("text = 'points' * plural", True),
        ("for x in a if a else b: pass", True),
        ("done and stop()", True),
        ("x = a if b else c if d else e", True),
        ("x = a if b else c", False),
        ("[x for x in [y for y in z]]", True),
    ],
)
def test_a_packed_line_is_seen(text: str, packed: bool) -> None:
    assert any(map(is_packed, ast.walk(ast.parse(text)))) == packed


@pytest.mark.parametrize("tree", TREES)
def test_functions_are_short(tree: str) -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources(tree)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > MOST_LINES
    ]
    assert not long


@pytest.mark.parametrize(("tree", "most"), TREES.items())
def test_few_files_stand_beside_rooms(tree: str, most: int) -> None:
    assert len([*(ROOT / tree).glob("*.py")]) <= most


@pytest.mark.parametrize("tree", TREES)
def test_conditional_expressions_are_rare(tree: str) -> None:
    trees = [parsed(path) for path in sources(tree)]
    nodes = [node for one in trees for node in ast.walk(one)]
    conditional = sum(isinstance(node, ast.IfExp) for node in nodes)
    assert 1000 * conditional <= MOST_CONDITIONAL * sum(map(code_lines, trees))


def test_few_lines_hold_two_thoughts() -> None:
    places = [*packed_places()]
    assert len(places) <= MOST_PACKED, places

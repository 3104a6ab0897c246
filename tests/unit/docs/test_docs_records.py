"""Every test that docs/records name as evidence exists."""

from __future__ import annotations

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest
from stack import ROOT

RECORDS = ROOT / "docs/records"
PLACES = sorted([*RECORDS.glob("*.md"), *RECORDS.glob("tables/*.csv")])
NAMED = re.compile(r"\btest_\w+(?:\.py)?(?:::test_\w+)?|::test_\w+")
"""A file, with or without a test; or `::test_b`, of the file that was named before."""
OPTIONS = ["test_fraction"]
"""Of tasks; they are named like tests."""


@cache
def functions() -> dict[str, set[str]]:
    """By the name of its file, every test function of the repository."""
    return {
        path.stem: {
            node.name
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for path in (ROOT / "tests").rglob("test_*.py")
    }


def named(text: str) -> list[tuple[str, str | None]]:
    """Each file and test that a text names."""
    found: list[tuple[str, str | None]] = []
    for match in NAMED.finditer(text):
        file, _, test = match[0].partition("::")
        file = file.removesuffix(".py") or found[-1][0]
        found.append((file, test or None))
    return found


def missing(text: str) -> list[str]:
    return [
        f"{file}::{test}" if test else file
        for file, test in named(text)
        if file not in OPTIONS
        if file not in functions() or (test and test not in functions()[file])
    ]


def test_a_name_that_nothing_has_is_found() -> None:
    text = "test_ledger::test_none, ::test_two, test_nowhere.py and test_docs_records"
    assert missing(text) == [
        "test_ledger::test_none",
        "test_ledger::test_two",
        "test_nowhere",
    ]


@pytest.mark.parametrize("place", PLACES, ids=lambda path: path.name)
def test_tests_that_are_named_exist(place: Path) -> None:
    assert missing(place.read_text("utf-8")) == []


@pytest.mark.parametrize("name", ["operations-breaks", "operations-lines"])
def test_each_line_says_what_happens_now_and_how_it_is_known(name: str) -> None:
    with (RECORDS / f"tables/{name}.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert len(head) == 3
    assert [row for row in rows if len(row) != 3 or not all(row)] == []

"""What is said of a mistake in a study file.

Each file in ``refusals`` is a study; then come keys that are given another value, or
left out, and below them what this is refused with.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hpo.errors import SpecError
from hpo.search.options import check
from hpo.study import file
from hpo.study.file import restore, validate

FILES = sorted(Path(__file__).with_name("refusals").glob("*.txt"))


def mistakes() -> list[Any]:
    """Each a study, the lines that change it, and the message, all in one line."""
    cases = []
    for path in FILES:
        study, _, text = path.read_text(encoding="utf-8").partition("\n---\n\n")
        found = re.findall(r"((?:^\S.*\n)+)((?:^    \S.*\n)+)", text, re.MULTILINE)
        assert "".join(map("".join, found)) == text, path
        for changes, message in found:
            name = f"{path.stem}: {changes.strip()}"
            case = (study, changes.splitlines(), " ".join(message.split()))
            cases.append(pytest.param(*case, id=name))
    return cases


def changed(study: str, changes: list[str]) -> dict[str, Any]:
    """The study with keys set to other values, or left out where none is given."""
    tree = tomllib.loads(study)
    for change in changes:
        key, _, value = change.partition(" =")
        *tables, last = key.split(".")
        node: Any = tree
        for table in tables:
            node = (
                node[int(table)]
                if isinstance(node, list)
                else node.setdefault(table, {})
            )
        if value:
            node[last] = tomllib.loads(f"value ={value}")["value"]
        else:
            del node[last]
    return tree


@pytest.mark.parametrize(("study", "changes", "message"), mistakes())
def test_a_mistake_is_located(study: str, changes: list[str], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(validate(changed(study, changes), where="s.toml"), "s.toml")
    assert str(caught.value) == f"s.toml: {message}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_without_one_the_study_is_valid_and_can_be_stored_and_written(
    path: Path,
) -> None:
    study, _, _ = path.read_text(encoding="utf-8").partition("\n---\n\n")
    spec = validate(changed(study, []), where="s.toml")
    check(spec, "s.toml")
    stored = json.loads(json.dumps([spec.stored(), spec.about.stored()]))
    assert restore(*stored, "s.toml") == spec
    written = {"name": spec.name, **tomllib.loads(file.dumps(spec))}
    assert validate(written, where="again") == spec

"""Stored studies keep their meaning when a default of their objective has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpo.errors import StudyError
from hpo.study import file
from hpo.study.rules import check as rules_check

FILE = """
objective = "stepped_objective:SteppedObjective"
[budget]
trials = 4
members = 1
epochs = 2
[space]
x = { low = 0.0, high = 1.0 }
"""


def load(folder: Path, *lines: str) -> Any:
    path = folder / "stepped.toml"
    path.write_text(FILE + "\n".join(lines))
    return file.load(str(path))


def test_a_file_that_names_none_gets_the_present_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.fixed == {"integrator": "exact", "max_step_ns": 0.35}
    assert loaded.filled == {"integrator", "max_step_ns"}
    assert loaded.params({"x": 0.5}).model_dump()["max_step_ns"] == 0.35
    named = load(tmp_path, "[fixed]", 'integrator = "map"', "max_step_ns = 2")
    assert named.fixed == {"integrator": "map", "max_step_ns": 2}
    searched = load(tmp_path, "max_step_ns = { low = 0.1, high = 1.0, log = true }")
    assert searched.fixed == {"integrator": "exact"}
    assert searched.kind("max_step_ns") == "float"


def test_a_sweep_that_names_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "swept.toml"
    curve = '[[sweep.curves]]\nlabel = "dt"\nx = "max_step_ns"\nvalues = [0.1, 1, 2.5]\n'
    path.write_text(FILE.partition("[space]")[0].replace("trials = 4\n", "") + curve)
    loaded = file.load(str(path))
    assert loaded.fixed == {"integrator": "exact"}
    found = [loaded.params(loaded.point(k)).model_dump()["max_step_ns"] for k in range(3)]
    assert found == [0.1, 1.0, 2.5]


def test_a_stored_study_that_names_none_keeps_hash_and_meaning(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    stored = rules_check.restore({**loaded.stored(), "fixed": {}})
    params = stored.params({"x": 0.5}).model_dump()
    assert (params["integrator"], params["max_step_ns"]) == ("map", 10.0)
    assert "integrator" not in json.dumps(stored.stored())
    assert stored.hash != loaded.hash
    relaunched = rules_check.in_terms_of(stored, loaded)
    assert relaunched == stored
    assert not rules_check.extends(stored, relaunched)
    again = tmp_path / "again.toml"
    again.write_text(file.dumps(stored))
    assert 'integrator = "map"' in again.read_text()
    assert (
        rules_check.in_terms_of(stored, file.load(str(again), values={"name": stored.name}))
        == stored
    )


def test_a_file_that_no_longer_names_what_was_chosen_is_refused(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    fixed = {"integrator": "map", "max_step_ns": 0.1}
    stored = rules_check.restore({**loaded.stored(), "fixed": fixed})
    with pytest.raises(StudyError, match=r"differs in fixed\.max_step_ns: 0\.1 -> 0\.35\. Only"):
        rules_check.extends(stored, rules_check.in_terms_of(stored, loaded))
    for fixed in (
        {"integrator": "map", "max_step_ns": 0.35},
        {"integrator": "exact", "max_step_ns": 10.0},
        {"max_step_ns": 0.35},
    ):
        stored = rules_check.restore({**loaded.stored(), "fixed": fixed})
        assert rules_check.in_terms_of(stored, loaded) == stored
    searched = load(tmp_path, "max_step_ns = { low = 0.1, high = 1.0 }")
    with pytest.raises(StudyError, match=r"space\.max_step_ns\.high: 1\.0 -> None"):
        rules_check.extends(searched, rules_check.in_terms_of(searched, load(tmp_path)))


def test_a_file_that_names_todays_default_is_another_study_than_an_old_one(tmp_path: Path) -> None:
    loaded = load(tmp_path, "[fixed]", 'integrator = "exact"')
    stored = rules_check.restore({**loaded.stored(), "fixed": {}})
    with pytest.raises(StudyError, match=r"fixed\.integrator: None -> 'exact'\. Only"):
        rules_check.extends(stored, rules_check.in_terms_of(stored, loaded))

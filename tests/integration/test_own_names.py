"""What a user calls his files neither breaks nor hides what is ours: real processes, no forks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forkserver import genuine
from workers import SUPPORT

STUDY = """
objective = "toy_objective:ToyObjective"
confirm = false
[budget]
trials = 2
members = 1
epochs = 2
[space]
x = { low = 0.0, high = 1.0 }
"""
HPO = [str(Path(sys.executable).with_name("hpo"))]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where somebody works who calls his own files as ours, and as one of Python's."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.toml").write_text(STUDY)
    shutil.copy(SUPPORT / "toy_objective.py", tmp_path)
    for name in ("objectives", "random"):
        (tmp_path / f"{name}.py").write_text('raise RuntimeError("a file of the user\'s")\n')
    return tmp_path


def run(line: list[str], directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": "", "HPO_STORAGE": url, "HPO_HOME": str(directory / "home")}
    with genuine():
        return subprocess.run(
            line,
            cwd=directory,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=120,
        )


def test_a_launch_and_its_workers_find_ours_and_the_users(
    directory: Path, database_url: str
) -> None:
    line = [sys.executable, "-m", "hpo.launch"]  # which looks here first
    (directory / "studies" / "__init__.py").touch()
    done = run([*line, "--study", "mine", "--workers", "1", "--no-report"], directory, database_url)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 trials settled: 2 complete" in done.stdout


def test_study_files_of_both_are_found(directory: Path, database_url: str) -> None:
    (directory / "objectives.py").unlink()
    (directory / "objectives").mkdir()
    (directory / "hpo").mkdir()
    listed = run([*HPO, "studies", "--files", "--json"], directory, database_url)
    names = [file["name"] for file in json.loads(listed.stdout)["files"]]
    assert names[0] == "mine"
    assert "seqdigits" in names
    planned = run([*HPO, "launch", "--study", "seqdigits", "--dry-run"], directory, database_url)
    assert planned.returncode == 0, planned.stderr
    assert "the best trial by posterior mean, on 10 fresh seeds" in planned.stdout


def test_an_objective_in_a_file_called_objectives_is_told_to_take_another_name(
    directory: Path, database_url: str
) -> None:
    line = [*HPO, "launch", "--study", "mine", "--set", "objective=objectives:Mine", "--dry-run"]
    done = run(line, directory, database_url)
    assert done.returncode == 1
    assert "import hpo.objectives; a file of your own needs another name." in done.stderr

"""A study over a user's own file, by TOML alone, with a real launch and real workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from workers import ledger_at

from hpo.study.trials import StudyState

STUDY = """
objective = "spintronic"
[budget]
trials = 2
window = 1
members = 1
epochs = 3
[task]
name = "arrays"
path = "sines.npz"
normalise = "standard"
[fixed]
layers = 1
width = 8
batch_size = 20
[space]
tau_ns = { low = 2.0, high = 20.0, log = true }
[sampler]
name = "random"
[confirm]
top = 1
members = 2
"""


def write_sines(path: Path, phase: float = 0.0) -> None:
    """Noisy sines of two frequencies, two channels, labelled by name."""
    y = np.arange(60) % 2
    t = np.arange(24)[:, np.newaxis] + np.array([0.0, 3.0]) + phase
    x = np.sin(0.3 * (1 + 2 * y[:, np.newaxis, np.newaxis]) * t)
    np.savez(path, x=x + 0.1 * np.random.default_rng(0).normal(size=x.shape), y=y)


def launch(directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hpo", "launch", "--study", "sines.toml", "--workers", "1"],
        cwd=directory,
        env={**os.environ, "HPO_STORAGE": url, "HPO_HOME": str(directory / "home")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_sines(tmp_path / "sines.npz")
    (tmp_path / "sines.toml").write_text(STUDY)
    return tmp_path


def test_a_file_of_ones_own_is_searched_and_confirmed(directory: Path, database_url: str) -> None:
    done = launch(directory, database_url)
    assert done.returncode == 0, done.stderr
    with ledger_at(database_url) as ledger:
        snapshot = ledger.snapshot("sines")
    assert snapshot.state == StudyState.DONE
    assert [slot.state for slot in snapshot.search] == ["complete", "complete"]
    assert snapshot.spec.task["path"] == str(directory / "sines.npz")
    assert "sines: confirmed " in done.stdout

    write_sines(directory / "sines.npz", phase=1.0)
    again = launch(directory, database_url)
    assert again.returncode == 1
    assert "task.sha256: " in again.stderr
    assert "Traceback" not in again.stderr

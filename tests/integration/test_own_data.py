"""A study over a user's own file, by TOML alone, with a real launch and real workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from workers import ledger_at

from hpo.study.trials import StudyState


def write_sines(path: Path) -> None:
    """Noisy sines of two frequencies, two channels, labelled by name."""
    y = np.arange(62) % 2
    t = np.arange(24)[:, np.newaxis] + np.array([0.0, 3.0])
    x = np.sin(0.3 * (1 + 2 * y[:, np.newaxis, np.newaxis]) * t)
    np.savez(path, x=x + 0.1 * np.random.default_rng(0).normal(size=x.shape), y=y)


def hpo(line: str, directory: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hpo", *line.split()],
        cwd=directory,
        env={**os.environ, "HPO_STORAGE": url, "HPO_HOME": str(directory / "home")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_two_commands_lead_from_a_file_to_a_confirmed_result(
    tmp_path: Path, database_url: str
) -> None:
    write_sines(tmp_path / "sines.npz")
    launch = "launch sines.toml --quick --workers 1"
    for line in ("new study sines --data sines.npz", launch):
        done = hpo(line, tmp_path, database_url)
        assert done.returncode == 0, done.stderr
    with ledger_at(database_url) as ledger:
        snapshot = ledger.snapshot("sines-quick")
    assert snapshot.state == StudyState.DONE
    assert re.search("sines-quick: confirmed .*\n  95 % interval .* 31 series ", done.stdout)
    scored = sorted(network.info["n_scored"] for network in snapshot.search[0].members)
    assert scored == [6, 6, 6, 6, 7], "five folds of 31"

"""The studies that the documentation shows run as it says: real launches, with few trials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stack import ROOT

SMALL = ["--trials", "2", "--set", "budget.members=1", "--set", "budget.epochs=2"]


NARROW = ["--set", "fixed.width=8"]
OWN = ["--set", "sampler={name='near_best:NearBest', reach=0.1}", "--set", "budget.window=1"]


@pytest.mark.parametrize(
    ("study", "less"), [("conv", []), ("bench", []), ("first", NARROW), ("first", [*NARROW, *OWN])]
)
def test_it_is_searched_and_confirmed(
    study: str, less: list[str], database_url: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "docs/examples", tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "hpo", "launch", "--study", f"{study}.toml", "--workers", "1"]
    done = subprocess.run(
        [*command, *SMALL, *less, "--set", "confirm.members=2"],
        cwd=tmp_path,
        env={**os.environ, "HPO_STORAGE": database_url, "HPO_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{study}: confirmed " in done.stdout
    assert "on 2 fresh seeds" in done.stdout
    assert " on 1 worker that had trials, " in done.stdout
    assert (tmp_path / f"{study}-report.html").exists()

"""The units of deploy/systemd, as systemd reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from required import program
from stack import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    ours = tmp_path / unit.name
    text, count = re.subn(
        r"(?m)^ExecStart=\S+/hpo ",
        f"ExecStart={sys.executable} -m hpo ",
        unit.read_text(),
    )
    assert count == 1
    ours.write_text(text)
    done = subprocess.run([analyze, "verify", ours], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_hpo_knows_the_command(unit: Path) -> None:
    line = re.search(r"(?m)^ExecStart=\S+/hpo (.*)$", unit.read_text())
    assert line
    words = [*line[1].split(), "--help"]
    done = subprocess.run(
        [sys.executable, "-m", "hpo", *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    options = {word for word in words if word.startswith("--")}
    assert all(option in done.stdout for option in options)

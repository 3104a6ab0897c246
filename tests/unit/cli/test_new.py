"""``hpo new objective``: what it writes runs, and is what the documentation shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stack import ROOT

from hpo.cli import main

EXAMPLES = ROOT / "docs" / "examples"


def test_it_writes_what_the_documentation_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["new", "objective", "conv"]) == 0
    out = capsys.readouterr().out
    assert out == "conv.py, conv.toml, test_conv.py: run it with hpo launch conv.toml\n"
    for name in ("conv.py", "conv.toml"):
        assert (tmp_path / name).read_text() == (EXAMPLES / name).read_text()


def test_it_runs_as_it_is(tmp_path: Path) -> None:
    for line in (
        ["-m", "hpo", "new", "objective", "my_net"],
        ["-m", "hpo", "launch", "my_net.toml", "--dry-run"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_net.py"],
    ):
        done = subprocess.run([sys.executable, *line], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "class MyNetObjective(Objective)" in (tmp_path / "my_net.py").read_text()


NO_MODULE = "NAME must be that of a Python module, and not hpo, objectives, studies, but got "


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, f"{NO_MODULE}{name!r}") for name in ("my-net", "class", "hpo", "a.b")),
        ("gru", "test_gru.py: no file of this name must be there, but one is"),
    ],
)
def test_it_writes_nothing_that_is_no_module_or_is_there(
    name: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_gru.py").write_text("mine")
    assert main.main(["new", "objective", name]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_gru.py"]

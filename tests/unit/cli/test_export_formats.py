"""`hpo export --format`: a package outside writes a result."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import snapshots

from hpo.cli import export, main
from hpo.study.result import Result

MODULE = """
def write(result, path):
    path.write_text(f"{result.name}: {len(result.search)} trials")
"""
ENTRY_POINTS = """
[hpo.exporters]
one-line = own_exporter:write
broken = no_such_module:write
"""


class Ledger:
    """A ledger with one study."""

    def result(self, name: str, *, curves: bool) -> Result:
        assert name == "toy-study"
        return snapshots.realistic(snapshots.spec())


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with two exporters, and a ledger."""

    @contextmanager
    def looking(_: argparse.Namespace) -> Iterator[Ledger]:
        yield Ledger()

    (tmp_path / "own_exporter.py").write_text(MODULE)
    metadata = tmp_path / "own_exporter-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: own-exporter\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(export, "looking", looking)
    monkeypatch.chdir(tmp_path)


def run(line: str) -> int:
    return main.main(["export", "toy-study", *line.split()])


@pytest.mark.usefixtures("_installed")
def test_an_installed_package_writes_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--format one-line -o toy.txt") == 0
    assert capsys.readouterr().out == "toy.txt\n"
    assert Path("toy.txt").read_text().startswith("toy-study: ")


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "other",
            "error: --format: no installed package has the exporter 'other'. Valid:"
            " broken, one-line.\n",
        ),
        (
            "broken",
            "error: --format broken: no_such_module:write cannot be imported: No module"
            " named 'no_such_module'.\n",
        ),
    ],
)
def test_a_format_that_no_package_has_is_refused(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"--format {name} -o toy.txt") == 1
    assert capsys.readouterr().err == message

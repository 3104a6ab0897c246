"""The source of a study's own modules: what a backup takes along, and what an import
writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workers import toy_spec

from hpo.errors import HpoError
from hpo.ledger import backup_sources
from hpo.ledger.backup_file import BackupError
from hpo.ledger.backup_sources import SourceLine
from hpo.provenance import source

DEVICE = "LIMIT = 3.0  # from the data sheet\r\n"


def pinned(**modules: str) -> list[dict[str, Any]]:
    """What a study has pinned: these modules, and one of ours."""
    hashes = {name: source.hash_source(text.encode()) for name, text in modules.items()}
    return [{"modules": {**hashes, "hpo.objectives": "0"}}]


def line(text: str = DEVICE, module: str = "bench_device") -> SourceLine:
    digest = source.hash_source(text.encode())
    return SourceLine(module=module, is_package=False, hash=digest, text=text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a device of one's own, from which modules are imported."""
    (tmp_path / "bench_device.py").write_bytes(DEVICE.encode())
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_module_is_taken_along_as_it_was_pinned(folder: Path) -> None:
    code = pinned(bench_device=DEVICE, bench_gone="x = 1")
    sources = backup_sources.collect(toy_spec(), code)
    assert [(own.path, own.text) for own in sources.found] == [
        (Path("bench_device.py"), DEVICE)
    ]
    assert sources.missing == {
        "bench_gone": "not found in the working directory, nor installed"
    }
    (folder / "bench_device.py").write_text("LIMIT = 4.0")
    sources = backup_sources.collect(toy_spec(), code)
    assert sources.found == ()
    assert sources.missing["bench_device"] == "it has changed since"


def test_it_is_written_unchanged_and_replaces_no_other_file(tmp_path: Path) -> None:
    inner = line("x = 1", "lab.devices.fast")
    written = backup_sources.write([line(), inner], tmp_path / "new")
    assert written[1] == tmp_path / "new/lab/devices/fast.py"
    assert written[0].read_bytes() == DEVICE.encode()
    with pytest.raises(HpoError, match=r"bench_device\.py: the file exists already"):
        backup_sources.write([inner, line("LIMIT = 4.0")], tmp_path / "new")
    assert written[0].read_bytes() == DEVICE.encode()


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (
            line(module="../../bench_device"),
            "module: expected the name of a module of one's own, got"
            " '../../bench_device'.",
        ),
        (
            line(module="sitecustomize"),
            "module: expected the name of a module of one's own, got 'sitecustomize'.",
        ),
        (
            line("LIMIT = 4.0"),
            "text: expected the module of the study, of hash"
            f" {source.hash_source(DEVICE.encode())}, got"
            f" {source.hash_source(b'LIMIT = 4.0')}.",
        ),
        (
            line(module="bench_other"),
            "text: expected the module of the study, of hash None, got"
            f" {source.hash_source(DEVICE.encode())}.",
        ),
    ],
)
def test_what_is_no_module_of_the_study_is_refused(own: SourceLine, why: str) -> None:
    with pytest.raises(BackupError) as caught:
        backup_sources.check([own], pinned(bench_device=DEVICE), "f: line 1")
    end = "The file was changed; use another copy."
    assert str(caught.value) == f"f: line 1: sources.0.{why} {end}"

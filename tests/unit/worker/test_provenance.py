"""Which revision results name: that of the checkout, or the one that an installation
kept."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import pytest

from hpo.provenance import numerics as rounding
from hpo.provenance import source
from hpo.worker.crew import THREADS


def _git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    done = subprocess.run(
        ["git", "-C", str(root), *who, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_checkout_tells_its_revision_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hpo").mkdir()
    (tmp_path / "hpo/code.py").write_text("1\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "hpo/code.py")
    _git(tmp_path, "commit", "--quiet", "--message", "one")
    revision = _git(tmp_path, "rev-parse", "HEAD")
    assert source.checkout_revision(tmp_path) == {"revision": revision, "dirty": False}
    (tmp_path / "untracked.txt").write_text("no result depends on it")
    assert source.checkout_revision(tmp_path)["dirty"] is False
    (tmp_path / "hpo/code.py").write_text("2\n")
    assert source.checkout_revision(tmp_path) == {"revision": revision, "dirty": True}
    monkeypatch.setenv("PATH", "")
    unknown = {"revision": "unknown (git does not answer)", "dirty": "unknown"}
    assert source.checkout_revision(tmp_path) == unknown


def test_an_installation_tells_what_it_was_made_from(tmp_path: Path) -> None:
    unknown = {"revision": "unknown (not a git checkout)", "dirty": "unknown"}
    assert source.checkout_revision(tmp_path) == unknown
    (tmp_path / "hpo").mkdir()
    kept = {"revision": "0123", "dirty": True}
    (tmp_path / "hpo/revision.json").write_text(json.dumps(kept))
    assert source.checkout_revision(tmp_path) == kept


def test_what_decides_last_bits_has_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rounding.numerics(THREADS)
    assert rounding.numerics(THREADS) == before
    for name in ("NUMBA_CPU_NAME", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS"):
        with monkeypatch.context() as changed:
            changed.setenv(name, "another")
            assert rounding.numerics(THREADS) != before
    for thing, name, other in (
        (rounding, "cpu_lines", {"flags": "fewer"}),
        (platform, "libc_ver", ("glibc", "1.0")),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(thing, name, lambda other=other: other)
            assert rounding.numerics(THREADS) != before

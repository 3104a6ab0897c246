"""``[variability] devices``: the file, what is pinned of it, and what is said of mistakes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import trainings
from trainings import evaluate

from hpo.errors import SpecError
from hpo.objectives import measured
from hpo.objectives.contract import UnavailableError
from hpo.study import file
from hpo.study.file import restore
from hpo.study.spec import StudySpec

TEXT = "device,tau_ns,s\nA1,10.0,0.5\nA2,14.0,0.4\n"
SMALL = trainings.SMALL | {"epochs": 2}


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    path = tmp_path / "devices.csv"
    path.write_text(TEXT)
    return path


def load(directory: Path, **variability: Any) -> StudySpec:
    """The study with a file of devices, unless ``devices`` is None."""
    variability = {"devices": "devices.csv", **variability}
    variability = {key: value for key, value in variability.items() if value is not None}
    study: dict[str, Any] = {
        "name": "s",
        "objective": "spintronic",
        "budget": {"trials": 4},
        "space": {"tau_ns": {"low": 1.0, "high": 10.0}},
        "variability": variability,
    }
    return file.read(study, base=directory, where="s.toml")


def test_a_study_pins_the_content_and_the_file_may_move(devices: Path, tmp_path: Path) -> None:
    study = load(tmp_path)
    load(tmp_path, oscillator_noise_per_sqrt_ns=0.01)  # what is not measured is drawn
    table = study.variability or {}
    digest = hashlib.sha256(devices.read_bytes()).hexdigest()
    assert table == {"devices": str(devices), "devices_sha256": digest}
    assert restore(study.stored()) == study
    (tmp_path / "other").mkdir()
    devices.rename(tmp_path / "other" / "devices.csv")
    moved = load(tmp_path / "other")
    assert moved.variability != study.variability
    assert (moved.hash, moved.differences(study)) == (study.hash, [])
    (tmp_path / "other" / "devices.csv").write_text(TEXT.replace("14.0", "15.0"))
    changed = load(tmp_path / "other")
    assert changed.differences(study) == ["variability.devices_sha256"]
    assert changed.hash != study.hash


def test_a_worker_without_the_file_leaves_the_study_to_others(
    devices: Path, tmp_path: Path
) -> None:
    how = dict(load(tmp_path).variability or {}, draws=2)
    assert evaluate("spintronic", seed=7, **SMALL, variability=how).score >= 0
    measured.read_pinned.cache_clear()
    devices.write_text(TEXT.replace("0.4", "0.3"))
    changed = f"{devices}: the devices changed since the study began: expected devices_sha256="
    with pytest.raises(UnavailableError, match=re.escape(changed)):
        evaluate("spintronic", seed=7, **SMALL, variability=how)
    devices.unlink()
    gone = f"{devices}: expected a readable CSV file, got none. Correct the path; every "
    with pytest.raises(UnavailableError, match=re.escape(gone)):
        evaluate("spintronic", seed=7, **SMALL, variability=how)


def test_a_file_as_spreadsheets_write_it(devices: Path, tmp_path: Path) -> None:
    devices.write_bytes(b"\xef\xbb\xbfs , tau_ns\r\n1,2e0\r\n\r\n 3 ,4\r\n")
    found = measured.read(devices)
    assert found.columns == {"s": (1.0, 3.0), "tau_ns": (2.0, 4.0)}
    assert (found.n, found.factors("s")) == (2, (0.5, 1.5))


def test_a_mistake_is_located(devices: Path, tmp_path: Path) -> None:
    devices.write_text("s\n0\n")
    said = f"s.toml: variability: {devices}: expected a number above 0, got '0' in line 2"
    with pytest.raises(SpecError, match=re.escape(said)):
        load(tmp_path)
    with pytest.raises(SpecError, match="variability: devices_sha256: needs `devices`"):
        load(tmp_path, devices=None, devices_sha256=64 * "0")

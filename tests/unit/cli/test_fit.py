"""``hpo fit``: from files to a preset that a study names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpo.cli import main
from hpo.study import file

Said = Callable[..., str]

STUDY = """\
objective = "spintronic"
device = "lab.toml:stno"
budget = { trials = 4, epochs = 2 }
task = { name = "sequential-digits" }
fixed = { drive_high = 2.5 }
space = { tau_ns = { low = 1.0, high = 9.0 }, lr0 = { low = 0.1, high = 0.2 } }
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with powers at rest of four oscillators, whose thresholds differ."""
    random = np.random.default_rng(0)
    rows = ["device,current_ma,power"]
    for number, threshold in enumerate((2.8, 3.0, 3.1, 3.4)):
        current = np.linspace(0.2, 8.0, 40)
        a = current / threshold - 1.0
        x = (a + np.sqrt(a**2 + 4e-3 * (a + 1.0))) / (2.0 * (a + 1.0))
        power = 250.0 * (x + 0.001 * random.standard_normal(40))
        for pair in zip(current, power, strict=True):
            rows.append(f"d{number},{pair[0]:.6g},{pair[1]:.6g}")
    (tmp_path / "sweep.csv").write_text("\n".join([*rows, ""]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_names_what_was_measured(said: Said, lab: Path) -> None:
    line = ("--data", "sweep.csv", "--fixed", "tau_ns=5", "--preset", "lab.toml:stno")
    page = said("fit", "spintronic", *line)
    for text in (
        "spintronic: 4 devices, 160 values\n",
        "f_cut_per_ns     –         not determined",
        "tau_ns           5         given",
        "lab.toml:stno\nstno-fit.html\n",
    ):
        assert text in page
    table = tomllib.loads((lab / "lab.toml").read_text())["stno"]
    assert 2.9 < table["threshold_ma"] < 3.25
    assert 0.04 < table["variability"]["s_spread"] < 0.16
    low, high = table["intervals"]["thermal_power"]
    assert low < 1e-3 < high
    assert "f_cut_per_ns" not in table.get("fixed", {})
    (lab / "my.toml").write_text(STUDY)
    spec = file.load("my.toml")
    assert spec.device == "lab.toml:stno"
    assert spec.fixed == {
        "drive_low": 0.0,
        "drive_high": 2.5,
        "thermal_power": table["thermal_power"],
    }
    assert spec.variability == table["variability"]
    assert (
        file.validate(
            {"name": "my", **tomllib.loads(file.dumps(spec))}, where="again"
        ).hash
        == spec.hash
    )
    assert "threshold" in said("guide", "--device", "lab.toml:stno")
    assert "plotly" in (lab / "stno-fit.html").read_text()


def test_a_program_reads_what_was_found(said: Said, lab: Path) -> None:
    found = json.loads(said("fit", "spintronic", "--data", "sweep.csv", "--json"))
    assert found["preset"] == "sweep.toml:sweep"
    assert found["parameters"]["threshold_ma"]["is_determined"]
    assert found["parameters"]["threshold_ma"]["n_devices"] == 4
    assert found["parameters"]["tau_ns"] == {
        "value": None,
        "low": None,
        "high": None,
        "is_determined": False,
        "n_devices": 0,
        "spread": None,
    }
    assert [*found["devices"]] == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "spintronic --data no.csv",
            "hpo fit: no.csv: expected NumPy (.npz), NumPy (.npy), a directory of .npy"
            " files, CSV (.csv), TSV (.tsv), Parquet (.parquet), HDF5 (.h5, .hdf5),"
            " NetCDF (.nc) or MATLAB (.mat), got nothing there. Correct the path.",
        ),
        (
            "spintronic --data sweep.csv --fixed tau_ns=-1",
            "hpo fit: tau_ns: expected a number above 0, got -1.0. Change it.",
        ),
        (
            "spintronic --data sweep.csv --fixed tau=1",
            "hpo fit: spintronic: --fixed: expected a parameter, got tau. Did you mean"
            " 'tau_ns'? Known: tau_ns, f_cut_per_ns, thermal_power, q, sigma,"
            " threshold_ma, scale, offset.",
        ),
        (
            "spintronic --data sweep.csv --fixed q",
            "--fixed q: expected NAME=VALUE with a number. Write for instance --fixed"
            " thermal_power=1e-3.",
        ),
        (
            "spintronic --data flat.csv",
            "hpo fit: the data determine no parameter, so nothing is written. Measure"
            " below and above the threshold current, with less noise.",
        ),
        (
            "spintronic --data sweep.csv --preset lab",
            "--preset lab: expected FILE.toml:NAME. Write for instance --preset"
            " lab.toml:stno.",
        ),
        (
            "spintronic --data sweep.csv --preset old.toml:a",
            "old.toml: it has a table [a] already. Take another name: --preset"
            " old.toml:NEW.",
        ),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(
    line: str, message: str, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab / "old.toml").write_text("[a]\ntau_ns = 1.0\n")
    noise = [0.3, -0.5, 0.9, 0.1, -0.8, 0.4, -0.2, 0.7, -0.6, 0.0]
    _write_powers(lab / "flat.csv", [0.1 * k for k in range(10)], noise[::-1])
    before = sorted(lab.iterdir())
    assert main.main(["fit", *line.split()]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"
    assert sorted(lab.iterdir()) == before


def _write_powers(path: Path, currents: list[float], powers: list[float]) -> None:
    rows = [f"{i},{p}" for i, p in zip(currents, powers, strict=True)]
    path.write_text("\n".join(["current_ma,power", *rows]) + "\n")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (
            "lab.toml:x",
            "my.toml: device: unknown device 'lab.toml:x'. Valid: stno.",
        ),
        (
            "no.toml:x",
            "my.toml: device: no.toml: not a readable TOML file ([Errno 2] No such file"
            " or directory: 'no.toml'). Check the path.",
        ),
        (
            "lab.toml:stno",
            "my.toml: device lab.toml:stno: thermal_power: expected a number above 0,"
            " got -1. Change it.",
        ),
    ],
)
def test_a_study_with_an_unknown_device_is_refused(
    device: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.toml").write_text("[stno]\nthermal_power = -1\n")
    (tmp_path / "my.toml").write_text(STUDY.replace("lab.toml:stno", device))
    with pytest.raises(file.SpecError) as caught:
        file.load("my.toml")
    assert str(caught.value) == said


def test_a_study_may_name_a_device_of_ours() -> None:
    tree = {
        "name": "s",
        "objective": "spintronic",
        "device": "vortex-mtj",
        "budget": {"trials": 4, "epochs": 2},
        "space": {"lr0": {"low": 0.1, "high": 0.2}},
    }
    spec = file.read(tree, base=Path(), where="s.toml")
    assert spec.fixed["tau_ns"] == 26.5
    assert spec.fixed["drive_high"] == 2.3
    assert 1e-5 < float(str(spec.fixed["thermal_power"])) < 1e-2

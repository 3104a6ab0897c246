"""``hpo new``, ``hpo params`` and ``hpo guide``: what writes and explains
objectives."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import recordings
from stack import ROOT

from hpo import objectives
from hpo.cli import main
from hpo.study import file


def said(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert main.main([*line]) == 0
    return capsys.readouterr().out


# --- hpo new ---


def test_it_writes_what_the_documentation_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out = said(capsys, "new", "objective", "conv")
    assert (
        out
        == "conv.py, conv.toml, test_conv.py: run it with hpo launch conv.toml, test it"
        " with pytest test_conv.py\n"
    )
    for name in ("conv.py", "conv.toml"):
        assert (tmp_path / name).read_text() == (
            ROOT / "docs/examples" / name
        ).read_text()


def test_a_device_with_a_wrong_rest_fails_its_test(tmp_path: Path) -> None:
    run = functools.partial(
        subprocess.run, cwd=tmp_path, capture_output=True, text=True
    )
    run([sys.executable, "-m", "hpo", "new", "device", "my_net"], check=True)
    with (tmp_path / "my_net.py").open("a") as own:
        own.write("\n    def rest(self):\n        return 0.5\n")
    done = run([sys.executable, "-m", "pytest", "-q", "-k", "rests", "test_my_net.py"])
    assert "at rest() = (0.5,) the states still change by (-0.26" in done.stdout


@pytest.mark.parametrize(
    ("what", "base", "tests"), [("device", "Device", 3), ("objective", "Objective", 1)]
)
def test_it_runs_as_it_is(what: str, base: str, tests: int, tmp_path: Path) -> None:
    for line in (
        ["-m", "hpo", "new", what, "my_net"],
        ["-m", "ruff", "format", "--check", "--isolated", "."],
        ["-m", "hpo", "launch", "my_net.toml", "--dry-run"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_net.py"],
    ):
        done = subprocess.run(
            [sys.executable, *line], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout
    assert f"({base}):" in (tmp_path / "my_net.py").read_text()


PLANT = "time_ns,power,heat\n" + "".join(
    f"{5 * t},{t % 7},{t % 9}\n" for t in range(400)
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data of every kind."""
    monkeypatch.chdir(tmp_path)
    recordings.save(tmp_path / "own.npz", x=recordings.ending_in_nan())
    recordings.save_csv(
        tmp_path / "files", recordings.series(), recordings.labels(), "left,right"
    )
    datasets.save_images(datasets.save_ts(tmp_path / "sets"))
    (tmp_path / "small").mkdir()
    for kind, array in zip(
        ("images-idx3", "labels-idx1"), datasets.images(60, 0), strict=True
    ):
        small = datasets.idx(array[:, :4, :4] if array.ndim > 1 else array)
        (tmp_path / "small" / f"my-{kind}-ubyte").write_bytes(small)
    (tmp_path / "plant.csv").write_text(PLANT)
    (tmp_path / "plant2.csv").write_text("# rig 3\n# " + PLANT.replace("_ns", "_s"))
    (tmp_path / "rows.csv").write_text(
        PLANT.replace("time_ns", "sample").replace("heat", "label")
    )
    np.savez(
        tmp_path / "all.npz",
        x=np.ones((9, 5)),
        y=np.arange(9),
        u=np.ones(9),
        target=[1],
    )
    return tmp_path


HALF = {"test_fraction": 0.5, "normalise": "standard", "validation_folds": 5}


@pytest.mark.parametrize(
    ("line", "task", "told"),
    [
        (
            "own.npz",
            {"path": "own.npz", **HALF, "pad": "before"},
            "2 to 5 points; 0 is put before",
        ),
        ("files", {"path": "files", **HALF}, "3: 0 (20), 1 (20), 2 (20)"),
        (
            "sets/Made_TRAIN.ts",
            {"path": "sets/Made"},
            "48: 30 train, 18 test (as the files say)",
        ),
        (
            "sets",
            {"path": "sets", "side": 14},
            "90: 60 train, 30 test (as the files say)",
        ),
        ("small", {"path": "small", "test_fraction": 0.5}, "length     16 points"),
        (
            "plant.csv",
            {"inputs": "power", "targets": "heat", "horizon": 0},
            "5 by the column time",
        ),
        (
            "plant.csv --inputs heat,power",
            {"horizon": 1, "washout": 39},
            "heat: 0 to 8; power: 0",
        ),
        (
            "plant2.csv",
            {"inputs": "power"},
            "5 by the column time_s; its name does not end in ns",
        ),
        (
            "rows.csv",
            {"inputs": "sample, power"},
            "note       channel sample grows evenly. If it",
        ),
        (
            "rows.csv",
            {"targets": "label"},
            "note       If each row is a labelled series, give",
        ),
    ],
)
def test_a_study_fits_the_data(
    line: str,
    task: dict[str, Any],
    told: str,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = said(capsys, "new", "study", "mine", "--data", *line.split())
    spec, text = file.load("mine.toml"), Path("mine.toml").read_text()
    assert told in out
    assert told in text
    assert task.items() <= tomllib.loads(text)["task"].items()
    assert spec.fixed["dt_ns"] == (5.0 if line.startswith("plant.") else 1.0)
    assert spec.confirm


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "none",
            (
                "none: expected a file or a directory, got nothing there. Correct the"
                " path."
            ),
        ),
        (
            ".",
            (
                ".: expected data that a task reads, got a directory of all.npz, files,"
                " own."
            ),
        ),
        (
            "small --task predict",
            "small: expected a series to predict, got series with labels. G",
        ),
        (
            "plant.csv --task classify",
            "plant.csv: expected series with labels, got one series",
        ),
        (
            "all.npz",
            (
                "all.npz: expected one kind of data, got the arrays x, y, u and"
                " target. Add"
            ),
        ),
        (
            "own.npz --horizon 2",
            "own.npz: expected a series to predict, got series with labels.",
        ),
        (
            "plant.csv --targets hot",
            "plant.csv: expected `targets`, columns of the file, got ",
        ),
        (
            "own.npz --dt-ns 0",
            "presentation: expected `dt_ns > 0`, got dt_ns=0.0. Use an",
        ),
    ],
)
def test_data_that_make_no_study_are_refused(
    line: str, text: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["new", "study", "mine", "--data", *line.split()]) == 1
    assert capsys.readouterr().err.startswith(f"error: hpo new study: {text}")
    assert not Path("mine.toml").exists()


NO_MODULE = "expected the name of a new Python module, got "


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (name, f"{NO_MODULE}{name!r}")
            for name in ("my-net", "class", "hpo", "torch", "a.b")
        ),
        ("gru", "test_gru.py: the file exists already"),
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


# --- hpo params ---


@pytest.mark.parametrize("name", [*objectives.BUILT_IN, "toy_objective:ToyObjective"])
def test_every_parameter_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "params", name, "--json"))["params"]
    objective = objectives.load(name)
    hardware = objective.variability.model_fields if objective.variability else ()
    names = [one for one in objective.Params.model_fields if one != "variability"]
    assert [one["name"] for one in found] == [
        *names,
        *(f"variability.{one}" for one in hardware),
    ]
    assert all(one["meaning"] for one in found)
    table = said(capsys, "params", name).splitlines()
    assert table[0].split() == ["name", "unit", "default", "bounds", "meaning"]
    assert max(map(len, table)) <= 120


def test_numbers_have_their_unit_default_and_bounds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed = json.loads(said(capsys, "params", "spintronic", "--json"))["params"]
    found = {one["name"]: one for one in listed}
    tau = found["tau_ns"]
    assert (tau["unit"], tau["default"], tau["bounds"]) == ("ns", 14.12, "> 0, ≤ 1e+06")
    assert (tau["exclusiveMinimum"], tau["maximum"], tau["minimum"]) == (0, 1e6, None)
    assert tau["meaning"] == "relaxation time of a neuron, in ns"
    layered = [name for name, one in found.items() if one["per_layer"]]
    own = ["s", "density_inter", "density_intra", "width", "tau_ns", "f_cut_per_ns"]
    assert layered == own
    assert found["readout"]["choices"] == ["y", "x"]
    assert found["variability.weight_bits"]["bounds"] == "≥ 2, ≤ 16"


def test_an_unknown_objective_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["params", "spintronik"]) == 1
    assert capsys.readouterr().err.endswith("Did you mean 'spintronic'?\n")


# --- hpo guide ---


def test_every_rule_is_explained_with_its_equation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = said(capsys, "guide", "--dt-ns", "0.5")
    for text in (
        "τ = 14.12 × 0.5 = 7.06 ns",
        "= 2.824 ns to 14.12 / 0.4 × 0.5 = 17.65 ns",
        "N = 0.5 × 32 + 0.5 × 32 = 32",
        "(Eq. 11, Eq. 9)",
        "(Eq. 10)",
        "1 / (0.5 × 0.5 × √32) = 0.7071 per ns",
        "I × Δt = 0.5 × 0.7071 × √32 × 0.5 = 1\n",
        "lr = 0.7071 / 100 = 0.007071",
        "96 neurons × 100 fJ + 2896 synapses × 10 fJ = 38.56 pJ in 100 ns",
        "64 points × 0.5 ns = 32 ns per series: 12.34 pJ",
        (
            "E = 2 Ms V B = 2 × 800 kA/m × 50,000 nm³ × 1.45 GHz / (28 GHz/T) ="
            " 4.143e-18 J"
        ),
        "x_th = kT / E = 1.381e-23 × 300 / 4.143e-18 = 0.001\n",
        (
            "noise = √(2 x_th / τ) = √(2 × 0.001 / 7.06) = 0.01683 per √ns at the"
            " recommended τ"
        ),
        "thermal_power = 0.001\n",
    ):
        assert text in page
    assert max(map(len, page.splitlines())) <= 100


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["--temperature-k", "77"], "1.381e-23 × 77 / 4.143e-18 = 0.000257\n"),
        (
            ["--device", "vortex-mtj"],
            "E = Ms V B = 1300 kA/m × 662,700 nm³ × 0.3 GHz / (28",
        ),
        (
            ["--device", "vortex-mtj"],
            "√(2 × 0.000449 / 26.5) = 0.005819 per √ns at the device's τ",
        ),
        (
            ["--device", "double-vortex", "--power", "0.6"],
            "= 4π × 8 × 0.6 × 0.04 / 1000 / (1 + 0²) = 0.00241\n",
        ),
    ],
)
def test_the_thermal_power_of_a_device_is_derived(
    line: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert text in said(capsys, "guide", *line)


DEVICES = """
mine = { thermal_power = 0.002, source = "our lab" }
hot = { volume_nm3 = 1.0, ms_ka_per_m = 1.0 }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(DEVICES)
    return path


def test_a_device_may_be_of_a_file_of_ones_own(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = said(capsys, "guide", "--device", f"{mine}:mine")
    assert "     our lab\n     x_th = 0.002\n" in page
    assert "thermal_power = 0.002\n" in page
    found = json.loads(said(capsys, "guide", "--device", f"{mine}:mine", "--json"))
    assert found["thermal_power"] == 0.002


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--device {mine}:hot", "{mine}:hot: frequency_ghz is missing. Add it."),
        ("--device {mine}:other", "unknown device '{mine}:other'. Valid: hot, mine."),
        ("--device {mine}.no:x", "{mine}.no: not a readable TOML file"),
        (
            "--device vortex",
            "unknown device 'vortex'. Did you mean 'vortex-mtj'? Valid: double-vo",
        ),
        ("--linewidth-mhz 1", "tau_ns is missing. Add it."),
        (
            "--temperature-k -4",
            (
                "nano-oscillator: temperature_k: expected a number above 0, got -4.0."
                " Change it."
            ),
        ),
        (
            "--dt-ns 0",
            "recommended relaxation time: expected `dt_ns > 0`, got dt_ns=0.0. Us",
        ),
        ("--dt-ns 5000", "dt_ns: expected at most 1000, got 5000.0."),
        (f"--width {'9' * 400}", "int too large to convert to float"),
    ],
)
def test_what_cannot_be_is_refused(
    line: str, text: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["guide", *line.format(mine=mine).split()]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: hpo guide: {text.format(mine=mine)}")


@pytest.mark.parametrize("dt_ns", ["0.0001", "1", "1000"])
def test_it_ends_with_a_study_that_validates(
    dt_ns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = said(
        capsys, "guide", "--dt-ns", dt_ns, "--width", "16", "--density-intra", "0"
    )
    study: dict[str, Any] = tomllib.loads(
        page[page.index('objective = "spintronic"') :]
    )
    spec = file.validate(
        {"name": "guided", "budget": {"trials": 1}, **study}, where="guide"
    )
    assert spec.fixed["dt_ns"] == float(dt_ns)
    assert set(spec.space) == {"tau_ns", "lr0", "f_cut_per_ns", "lr_decay"}


TABLES = ["stop", "warm_start", "variability", "cost", "constraints"]


@pytest.mark.parametrize("table", TABLES)
def test_every_further_table_that_it_shows_can_be_taken(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = said(capsys, "guide")
    text = page[page.index('objective = "spintronic"') :]
    shown = re.findall(r"^# \[(\w+)\]", text, re.MULTILINE)
    assert shown == TABLES
    block = next(b for b in text.split("\n\n") if b.startswith(f"# [{table}]"))
    study = tomllib.loads(
        text.replace(block, re.sub("^# ", "", block, flags=re.MULTILINE))
    )
    budget = {"trials": 200, "members": 4}
    spec = file.validate({"name": "guided", "budget": budget, **study}, where="guide")
    assert getattr(spec, table)


def test_json_has_names_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(
        said(capsys, "guide", "--json", "--channels", "2", "--classes", "3")
    )
    assert found["tau_ns"] == {"low": 5.648, "best": 14.12, "high": pytest.approx(35.3)}
    assert found["n_synapses"] == 2896 + 16 - 7 * 32
    assert found["presentation_ns"] == 64.0
    assert found["energy_pj"] == pytest.approx(
        0.64 * (96 * 0.1 + found["n_synapses"] * 0.01)
    )

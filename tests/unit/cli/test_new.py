"""``hpo new``: modules, tests and studies that it writes."""

from __future__ import annotations

import functools
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import recordings
from stack import ROOT

from hpo.cli import main
from hpo.study import file

Said = Callable[..., str]


def test_it_writes_what_the_documentation_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    # tests of the documentation import the module of that name
    monkeypatch.delitem(sys.modules, "conv", raising=False)
    out = said("new", "objective", "conv")
    assert (
        out
        == "conv.py, conv.toml, test_conv.py: run it with hpo launch conv.toml, test it"
        " with python -m pytest test_conv.py (once: pip install pytest)\n"
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


CONFIG = str(ROOT / "pyproject.toml")


@pytest.mark.parametrize(
    ("what", "base", "tests"), [("device", "Device", 4), ("objective", "Objective", 1)]
)
def test_it_runs_as_it_is(what: str, base: str, tests: int, tmp_path: Path) -> None:
    for line in (
        ["-m", "hpo", "new", what, "my_net"],
        ["-m", "ruff", "format", "--check", "--isolated", "."],
        ["-m", "hpo", "launch", "my_net.toml", "--dry-run"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_net.py"],
        # in a clone, without the plugins of its own tests
        ["-m", "pytest", "-q", "-p", "no:timeout", "-c", CONFIG, "test_my_net.py"],
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
    wide = np.c_[np.arange(60) % 2, np.sin(np.arange(900)).reshape(60, 15)]
    np.savetxt(tmp_path / "wide.tsv", wide, delimiter="\t")
    names = ",".join(["activity", *map(str, range(15))])
    text = [
        ",".join([("run", "walk")[int(row[0])], *map(str, row[1:])]) for row in wide
    ]
    (tmp_path / "wide.csv").write_text("\n".join([names, *text]))
    long = ["subject,walk,time_ns,ax,label"]
    for k in range(600):
        walk = k // 10
        long.append(f"{'ab'[walk % 3 // 2]},{walk},{5 * (k % 10)},{k % 7},{walk % 2}")
    (tmp_path / "long.csv").write_text("\n".join(long))
    (tmp_path / "untimed.csv").write_text("\n".join(long).replace("time_ns", "az"))
    stamped = ["when,power,state"]
    for k in range(400):
        stamped.append(f"2026-01-01T{k // 60:02}:{k % 60:02}:00Z,{k % 7 / 3},{k % 2}")
    (tmp_path / "stamped.csv").write_text("\n".join(stamped))
    (tmp_path / "z").mkdir()
    np.save(tmp_path / "z/z.npy", recordings.series())
    np.savez(
        tmp_path / "named.npz", signals=recordings.series(), kind=np.arange(60) % 2
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
            "wide.csv",
            {"labels": "activity", "test_fraction": 0.5},
            "note       each row is a series, labelled by activity",
        ),
        (
            "wide.tsv --labels 0",
            {"labels": "0"},
            "columns are numbered from 0",
        ),
        (
            "long.csv",
            {"labels": "label", "series": "walk", "inputs": "ax"},
            "note       the column subject is left out: texts",
        ),
        (
            "untimed.csv --series walk --labels label",
            {"inputs": "az, ax"},
            "values     az: 0 to 45; ax: 0 to 6",
        ),
        (
            "stamped.csv --targets state",
            {"inputs": "power", "targets": "state"},
            "time step  60 s by the column when; point_ns = 1 unless --point-ns is"
            " given",
        ),
        (
            "named.npz --inputs signals --labels kind",
            {"inputs": "signals", "labels": "kind"},
            "classes    2: 0 (30), 1 (30)",
        ),
        (
            "rows.csv --task predict",
            {"inputs": "sample, power", "targets": "label"},
            "note       channel sample grows evenly. If it",
        ),
    ],
)
def test_a_study_fits_the_data(
    line: str,
    task: dict[str, Any],
    told: str,
    data: Path,
    said: Said,
) -> None:
    out = said("new", "study", "mine", "--data", *line.split())
    spec, text = file.load("mine.toml"), Path("mine.toml").read_text()
    assert told in out
    assert told in text
    assert task.items() <= tomllib.loads(text)["task"].items()
    has_ns = line.startswith(("plant.", "long."))
    assert spec.fixed["point_ns"] == (5.0 if has_ns else 1.0)
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
                " long.csv, named.npz, …. Give NumPy (.npz), NumPy (.npy), a directory"
            ),
        ),
        (
            "small --task predict",
            "small: expected a series to predict, got series with labels. G",
        ),
        (
            "plant.csv --task classify",
            (
                "plant.csv: a table without a column that is certainly of labels:"
                " time_ns, power, heat. Say how to read it:\n  --task classify"
                " --labels NAME: the labels are in NAME\n"
            ),
        ),
        (
            "rows.csv",
            (
                "rows.csv: a table of 400 rows and 3 columns. Say how to read it:\n"
                "  --task classify --labels label --series row: each row is a series,"
                " with its label in label\n"
                "  --task predict --targets label: one series of 400 points, to predict"
                " label\n"
            ),
        ),
        (
            "wide.tsv",
            (
                "wide.tsv: a table of 60 rows and 16 columns. Say how to read it:\n"
                "  --task classify --labels 0 --series row: each row is a series, with"
                " its label in 0\n"
                "  --task predict --targets 0: one series of 60 points, to predict 0\n"
            ),
        ),
        (
            "untimed.csv --labels label",
            (
                "untimed.csv: a table with labels in label, in which rows may belong"
                " together. Say how to read it:\n"
                "  --task classify --labels label --series row: each row is a series,"
                " with its label in label\n"
                "  --task classify --labels label --series walk: rows with the same"
                " walk are a series, with the label label\n"
            ),
        ),
        (
            "stamped.csv",
            (
                "stamped.csv: a table of 400 rows and 3 columns. Say how to read it:\n"
                "  --task classify --labels state --series NAME: rows with the same"
                " NAME are a series, with the label state\n"
                "  --task predict --targets state: one series of 400 points, to predict"
                " state\n"
            ),
        ),
        (
            "z/z.npy",
            (
                "z/z.npy: expected series and their labels, or a series and its"
                " targets, got one array, z (60, 5, 2). Give both in one file, or as"
                " .npy files in a directory."
            ),
        ),
        (
            "named.npz",
            (
                "named.npz: expected arrays x and y (series and their labels), or u and"
                " target (a series to predict), got the arrays signals (60, 5, 2), kind"
                " (60,). Name them: --inputs NAME --labels NAME, or"
            ),
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
            "own.npz --point-ns 0",
            "presentation: expected `point_ns > 0`, got point_ns=0.0. Use an",
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

"""Data in memory: what ``hpo.new_study`` and ``hpo.launch`` write and ask."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from recordings import labels, series, unequal

import hpo
from hpo.errors import HpoError
from hpo.launch import from_data
from hpo.objectives.data.formats import read

X = series()
Y = np.array(["run", "sit", "walk"])[labels()]
TIME = pd.date_range("2026-01-01", periods=300, freq="h", name="when")
PLANT = pd.DataFrame({"power": np.sin(np.arange(300.0))}, index=TIME)
PLANT["heat"] = PLANT.power.cumsum()
WIDE = pd.DataFrame(X[:, :, 0]).assign(label=labels())

LONG = pd.DataFrame({"left": X[:, :, 0].ravel(), "t": np.tile(np.arange(5.0), 60)})
LONG["walk"] = np.repeat(np.arange(60), 5)
LONG["who"] = np.repeat(Y, 5)
SHUFFLED = LONG.sample(frac=1, random_state=0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("data", "options", "task"),
    [
        ((X, Y), {}, {"name": "arrays"}),
        ((X, list(Y)), {}, {"name": "arrays"}),
        ((X, pd.Series(Y).astype("category")), {}, {"name": "arrays"}),
        ((unequal(), Y), {}, {"pad": "before"}),
        ({"signals": X, "who": Y}, {"inputs": "signals", "labels": "who"}, {}),
        (WIDE, {"labels": "label", "series": "row"}, {"labels": "label"}),
        (PLANT, {"targets": ["heat"]}, {"inputs": "power", "targets": "heat"}),
        (
            PLANT.rename(columns={"heat": "heat, W"}),
            {"targets": ["heat, W"]},
            {"inputs": "power", "targets": '"heat, W"'},
        ),
        (PLANT.to_xarray(), {"horizon": 3}, {"inputs": "power", "horizon": 3}),
        (
            PLANT.rename_axis(index=None),
            {"targets": "heat"},
            {"inputs": "power", "targets": "heat"},
        ),
        (PLANT.heat, {}, {"inputs": "heat", "targets": "heat", "horizon": 1}),
        (PLANT.to_numpy(), {}, {"inputs": "0", "targets": "1"}),
        (xr.DataArray(X[0, :, 0].repeat(60)), {}, {"horizon": 1}),
    ],
)
def test_a_study_of_data_in_memory_is_written_beside_them(
    data: Any, options: Any, task: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert hpo.new_study("mine", data, **options) == Path("mine.toml")
    written = tomllib.loads(Path("mine.toml").read_text())["task"]
    assert task.items() <= written.items()
    assert re.fullmatch(r"mine-[0-9a-f]{8}\.npz", written["path"])
    assert f"{written['path']}: the data, " in capsys.readouterr().out


def test_the_same_data_are_the_same_files_and_others_are_not(folder: Path) -> None:
    for _ in range(2):  # a cell that runs again
        hpo.new_study("mine", (X, Y))
    (data,) = folder.glob("*.npz")
    assert np.array_equal(read(data).examples.x, X.astype("f4"))
    with pytest.raises(HpoError, match=r"mine\.toml: the file exists already"):
        hpo.new_study("mine", (X + 1, Y))
    assert [*folder.glob("*.npz")] == [data]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            SHUFFLED,
            (
                "hpo.new_study: data: a table with labels in who, in which rows may"
                " belong together. Say how to read it:\n  labels='who', series='row':"
                " each row is a series, with its label in who\n  labels='who',"
                " series='walk': rows with the same walk are a series, with the label"
                " who"
            ),
        ),
        (
            PLANT.assign(mood=np.repeat(Y, 5)),
            (
                "hpo.new_study: data: a table of 300 rows and 4 columns. Say how to"
                " read it:\n  labels='mood', series='NAME': rows with the same NAME are"
                " a series, with the label mood\n  targets='heat': one series of 300"
                " points, to predict heat"
            ),
        ),
        (
            PLANT[:0],
            "hpo.new_study: data: expected at least one row, got none. Add it.",
        ),
        (
            LONG[["t", "left"]],
            (
                "hpo.new_study: data: expected rows in the order of t, got another"
                " order. Sort them, or separate series that follow each other; or, if"
                " that is no time, name inputs."
            ),
        ),
        (
            WIDE,
            (
                "hpo.new_study: data: a table of 60 rows and 6 columns. Say how to read"
                " it:\n  labels='label', series='row': each row is a series, with its"
                " label in label\n  targets='label': one series of 60 points, to"
                " predict label"
            ),
        ),
        (
            {"signals": X, "who": Y},
            (
                "hpo.new_study: data: expected arrays x and y (series and their"
                " labels), or u and target (a series to predict), got the arrays"
                " signals (60, 5, 2), who (60,). Name them: inputs='NAME',"
                " labels='NAME', or inputs='NAME', targets='NAME'."
            ),
        ),
        (
            (X, [object()] * 60),
            (
                "hpo.new_study: data: expected numbers, texts or times, got object in"
                " `y` (object). Convert it."
            ),
        ),
        (
            ([np.zeros((3, 2)), np.zeros((4, 1))] * 30, Y),
            (
                "hpo.new_study: data: expected 2 channels in every series, got 1 in"
                " x[1]. Give every series the same channels."
            ),
        ),
    ],
)
def test_what_is_unclear_is_asked_in_words_of_python(
    data: Any, message: str, folder: Path
) -> None:
    with pytest.raises(HpoError) as caught:
        hpo.new_study("mine", data)
    assert str(caught.value) == message
    assert not [*folder.iterdir()]


def test_rows_of_a_series_have_to_be_in_the_order_of_time() -> None:
    with pytest.raises(HpoError, match="expected rows of each walk in the order of t,"):
        hpo.new_study("mine", SHUFFLED, labels="who", series="walk")


def test_a_misspelt_column_of_many_is_named_with_those_of_texts_first() -> None:
    many = pd.DataFrame(np.tile(X[:, :, 0], 3))
    with pytest.raises(HpoError) as caught:
        hpo.new_study("mine", many.assign(who=Y), labels="whom")
    assert "Did you mean 'who'? Name one of who, 0, 1, 2," in str(caught.value)


def test_labels_with_fractions_are_a_series_to_predict() -> None:
    with pytest.raises(HpoError) as caught:
        hpo.new_study("mine", PLANT, labels="heat", series="row")
    assert str(caught.value) == (
        "hpo.new_study: data: expected whole numbers or texts in `heat`, got"
        " 0.8414709848078965 in row 2. To predict it, make the study with"
        " targets='heat'."
    )


def test_other_names_than_those_of_the_study_are_refused_with_the_key() -> None:
    hpo.new_study("own", WIDE, labels="label", series="row")
    with pytest.raises(HpoError) as caught:
        hpo.launch("own.toml", data=(X, Y))
    assert str(caught.value) == (
        "own.toml with task.path='data': task: data: expected an array `label`, got the"
        ' arrays x (60, 5, 2), y (60,). Give another name: task={"labels": "y"}.'
    )


def test_a_launch_takes_data_for_its_task(folder: Path) -> None:
    tables = {"name": "mine", "task": {"labels": "label", "normalise": "minmax"}}
    with from_data.added({}, tables, WIDE) as given:
        assert given["task"] == {
            "name": "arrays",
            "path": f"{next(folder.glob('mine-*.npz')).name}",
            "labels": "label",
            "test_fraction": 0.5,
            "normalise": "minmax",
            "validation_folds": 5,
        }
    with from_data.added("studies/own.toml", {}, (X, Y)) as given:
        (path,) = folder.glob("own-*.npz")
        assert given == {"task": {"path": str(path)}}

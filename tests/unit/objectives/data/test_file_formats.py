"""The same data in every format of named arrays and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr
from recordings import labels, series
from stack import ROOT

from hpo.objectives.data import formats
from hpo.objectives.data.formats import Choice, read
from hpo.objectives.data.tasks.arrays import ArraysParams
from hpo.objectives.data.tasks.own_series import OwnSeriesParams

X = series()
Y = np.array(["run", "sit", "walk"])[labels()]


def write_hdf5(path: Path, **arrays: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            kept = array.astype(object) if array.dtype.kind == "U" else array
            file[name] = kept


def write_matlab_7_3(path: Path, **arrays: Any) -> None:
    """HDF5 as MATLAB writes it: axes in reverse, texts as cells of characters."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                cells = []
                for k, text in enumerate(array):
                    codes = np.array([[ord(c)] for c in text], dtype="u2")
                    cells.append(file.create_dataset(f"#refs#/{k}", data=codes).ref)
                kept = file.create_dataset(name, (1, len(cells)), h5py.ref_dtype)
                kept[0] = cells
                kept.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                kept = file.create_dataset(name, data=np.atleast_2d(array.T))
                kept.attrs["MATLAB_class"] = np.bytes_("double")


def write_netcdf(path: Path, **arrays: Any) -> None:
    variables = {}
    for name, array in arrays.items():
        dimensions = ("sample", "time", "channel")[: array.ndim]
        variables[name] = (dimensions, array)
    xr.Dataset(variables).to_netcdf(path, engine="h5netcdf")


def write_npys(path: Path, **arrays: Any) -> None:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)


WRITERS: dict[str, Callable[..., None]] = {
    "d.npz": np.savez,
    "d": write_npys,
    "d.h5": write_hdf5,
    "d.nc": write_netcdf,
    "d.mat": lambda path, **arrays: scipy.io.savemat(
        path, {**arrays, "y": arrays["y"].astype(object)}
    ),
    "v73.mat": write_matlab_7_3,
}


@pytest.mark.parametrize("name", WRITERS)
def test_labelled_series_are_read_and_pinned(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, x=X, y=Y)
    task = ArraysParams(path=name).resolve(tmp_path)
    recording = task.verified()
    task.verify()
    assert np.array_equal(recording.examples.x, X.astype("f4"))
    assert recording.classes == ("run", "sit", "walk")
    assert np.array_equal(recording.examples.label, labels())


PLANT = pd.DataFrame(
    {
        "when": pd.date_range("2026-01-01", periods=300, freq="min"),
        "power": np.sin(np.arange(300.0)),
        "heat": np.cos(np.arange(300.0)),
    }
)
TABLES: dict[str, Callable[[Path], Any]] = {
    "p.csv": lambda path: PLANT.to_csv(path, index=False),
    "p.tsv": lambda path: PLANT.to_csv(path, index=False, sep="\t"),
    "p.parquet": PLANT.to_parquet,
    "p.nc": lambda path: PLANT.to_xarray().to_netcdf(path, engine="scipy"),
    "p.npy": lambda path: np.save(path, PLANT.to_records(index=False)),
    "p.npz": lambda path: np.savez(path, **{n: PLANT[n] for n in PLANT}),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_tables_are_read(name: str, tmp_path: Path) -> None:
    TABLES[name](tmp_path / name)
    task = OwnSeriesParams(path=name, inputs="power", targets="heat", horizon=5)
    series = task.resolve(tmp_path).series()
    assert np.array_equal(series.u[:, 0], PLANT.power[:-5])
    assert np.array_equal(series.target[:, 0], PLANT.heat[5:])
    stamps = task.resolve(tmp_path).model_copy(update={"targets": "when"})
    with pytest.raises(ValueError, match=r"numbers in `when`, got '2026-01-01T00:00"):
        stamps.series()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(Y).to_numpy(),
        pd.Series(Y).astype("category").to_numpy(),
        pd.Series(Y, dtype=object).to_numpy(),
        Y.astype("S"),
        Y.astype(np.dtypes.StringDType()).astype(object),
        Y[:, None],
    ],
    ids=["pandas", "category", "object", "bytes", "strings", "column"],
)
def test_labels_of_any_type_are_texts(y: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=y)
    assert read(tmp_path / "d.npz").classes == ("run", "sit", "walk")


def test_labels_that_are_whole_floats_are_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=labels() * 1.0)
    assert read(tmp_path / "d.npz").classes == ("0", "1", "2")


def test_a_pickle_among_labels_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    np.savez(tmp_path / "d.npz", x=X, y=np.array([Harm()] * 60, dtype=object))
    with pytest.raises(ValueError, match=r"It holds Python objects, as columns of pan"):
        read(tmp_path / "d.npz")
    assert not (tmp_path / "harm").exists()


def test_a_long_table_has_the_series_of_arrays(tmp_path: Path) -> None:
    n, points, _ = X.shape
    rows = X.reshape(-1, 2)
    table = pd.DataFrame({"left": rows[:, 0], "right": rows[:, 1]})
    table["walk"] = np.repeat(np.arange(n)[::-1], points)
    table["who"] = np.repeat(Y, points)
    table["test"] = np.repeat(np.arange(n) < 30, points)
    table.to_csv(tmp_path / "long.csv", index=False)
    choice = Choice(labels="who", series="walk")
    recording = read(tmp_path / "long.csv", choice=choice)
    assert np.array_equal(recording.examples.x, X.astype("f4"))
    assert recording.test.tolist() == [True] * 30 + [False] * 30
    table.loc[3, "who"] = "sit"
    table.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(ValueError, match=r"of the series 59, 'run', got 'sit' in l"):
        read(tmp_path / "long.csv", choice=choice)


def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hdf5(tmp_path / "d.h5", x=X, y=Y)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        ValueError, match=r"the package h5py.*pip install 'hpo-dynamics\[data\]'"
    ):
        read(tmp_path / "d.h5")


@pytest.mark.parametrize("name", ["d.h5", "d.nc", "d.mat", "d.parquet", "d.npy"])
def test_a_damaged_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(ValueError, match=rf"{name}: expected an? .* file, got "):
        read(tmp_path / name)


def test_the_documentation_lists_every_format() -> None:
    page = (ROOT / "docs/reference/data-formats.md").read_text()
    for one in formats.ARRAYS:
        for ending in one.endings:
            assert f"`{ending}`" in page

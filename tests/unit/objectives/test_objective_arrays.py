"""A user's own data: how it is split, and every rule by its text."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from recordings import N, labels, save, save_csv, series

from objectives.contract import Protocol
from objectives.tasks import TASKS, csvs, load
from objectives.tasks import npz as npz_file
from objectives.tasks.arrays import ArraysParams
from objectives.tasks.data import Examples
from objectives.tasks.recorded import halves
from objectives.tasks.recording import read


def rows(examples: Examples) -> set[bytes]:
    return {one.tobytes() for one in examples.x}


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    return save(tmp_path / "data.npz")


def test_every_task_has_a_loader_and_the_first_is_the_default() -> None:
    assert next(iter(TASKS)) == "sequential-digits"
    digits = load(
        TASKS["sequential-digits"](name="sequential-digits"),
        protocol=Protocol.CONFIRM,
        member_seed=0,
    )
    assert len(digits.train) == 898


@pytest.mark.parametrize("protocol", list(Protocol))
def test_halves_are_disjoint_and_hold_every_class(npz: Path, protocol: Protocol) -> None:
    task = ArraysParams(path=str(npz))
    split = load(task, protocol=protocol, member_seed=3)
    assert (split.n_classes, split.n_channels) == (3, 2)
    assert split.train.x.dtype == np.float32
    assert not rows(split.train) & rows(split.score)
    sizes = {Protocol.VALIDATION: (21, 9)}.get(protocol, (30, 30))
    assert (len(split.train), len(split.score)) == sizes
    for part in (split.train, split.score):
        assert len(set(np.bincount(part.label))) == 1, "stratified"
    if protocol is Protocol.VALIDATION:
        assert not rows(split.score) & rows(halves(task, read(npz)).test)


def test_series_keep_their_labels_and_seeds_choose_the_split(npz: Path) -> None:
    label_of = {one.tobytes(): y for one, y in zip(series().astype("f4"), labels(), strict=True)}
    first, again, other = (
        load(ArraysParams(path=str(npz), split_seed=s), protocol=Protocol.PAPER, member_seed=0)
        for s in (0, 0, 1)
    )
    for part in (first.train, first.score):
        assert all(label_of[one.tobytes()] == y for one, y in zip(part.x, part.label, strict=True))
    assert np.array_equal(first.train.x, again.train.x)
    assert rows(first.train) != rows(other.train)


def test_fractions_set_the_sizes(npz: Path) -> None:
    task = ArraysParams(path=str(npz), test_fraction=0.2, validation_fraction=0.25)
    split = load(task, protocol=Protocol.VALIDATION, member_seed=0)
    assert (len(split.train), len(split.score)) == (36, 12)


def test_a_split_of_ones_own(tmp_path: Path) -> None:
    test = np.arange(N) < 21
    path = save(tmp_path / "data.npz", test=test)
    split = load(ArraysParams(path=str(path)), protocol=Protocol.CONFIRM, member_seed=0)
    assert np.array_equal(split.score.x, series().astype("f4")[:21])
    assert np.array_equal(split.train.x, series().astype("f4")[21:])


@pytest.mark.parametrize("how", ["minmax", "standard"])
def test_statistics_come_from_the_training_half_alone(tmp_path: Path, how: Any) -> None:
    x = np.concatenate([series() * [3.0, 100.0] + [5.0, -7.0], np.full((N, 5, 1), 4.0)], axis=2)
    test = np.arange(N) % 2 == 1
    x[test] *= 1000
    path = save(tmp_path / "data.npz", x=x, test=test)
    split = load(
        ArraysParams(path=str(path), normalise=how), protocol=Protocol.CONFIRM, member_seed=0
    )
    seen = split.train.x.astype(np.float64)
    if how == "minmax":
        assert np.allclose(seen.min((0, 1)), 0, atol=1e-6)
        assert np.allclose(seen.max((0, 1)), [1, 1, 0], atol=1e-6)
    else:
        assert np.allclose(seen.mean((0, 1)), 0, atol=1e-6)
        assert np.allclose(seen.std((0, 1)), [1, 1, 0], atol=1e-6)
    assert np.abs(split.score.x).max() > 100
    search = load(
        ArraysParams(path=str(path), normalise=how), protocol=Protocol.VALIDATION, member_seed=0
    )
    assert rows(search.train) | rows(search.score) == rows(split.train), "one scale for a study"


def test_resolved_makes_absolute_and_pins(npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    task = ArraysParams(path=f"../{npz.parent.name}/data.npz").resolved(npz.parent)
    assert task.path == str(npz)
    assert task.sha256 == hashlib.sha256(npz.read_bytes()).hexdigest()
    assert task.resolved(Path("/elsewhere")) == task
    digits = TASKS["sequential-digits"](name="sequential-digits")
    assert digits.resolved(npz.parent) is digits


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_data_that_changed_is_refused(tmp_path: Path, form: str) -> None:
    if form == "npz":
        path = changed = save(tmp_path / "data.npz")
    else:
        path = save_csv(tmp_path / "series", series(), labels())
        changed = path / "7.csv"
    task = ArraysParams(path=str(path)).resolved(tmp_path)
    load(task.model_copy(update={"sha256": None}), protocol=Protocol.PAPER, member_seed=0)
    if form == "npz":
        save(path, x=series() + 1)
    else:
        changed.write_text(changed.read_text().replace("0.", "1.", 1))
    new = ArraysParams(path=str(path)).resolved(tmp_path).sha256
    assert new != task.sha256
    text = (
        f"{path}: `sha256 == {task.sha256!r}` must hold, but got sha256={new!r}: the data changed "
        "since the study began. Put the old data back, or begin a new study"
    )
    for refused in (
        lambda: load(task, protocol=Protocol.PAPER, member_seed=0),
        lambda: task.resolved(tmp_path),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            refused()


def test_data_that_went_away_is_refused(npz: Path) -> None:
    task = ArraysParams(path=str(npz)).resolved(npz.parent)
    npz.unlink()
    text = (
        f"{npz}: a readable file must hold, but got No such file or directory. Correct the "
        "path; workers on other hosts need the data at the same place."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        load(task, protocol=Protocol.PAPER, member_seed=0)


def with_value(value: float) -> NDArray[np.float64]:
    x = series()
    x[4, 2, 1] = value
    return x


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {"x": with_value(np.nan)},
            "finite numbers in `x` (up to 3.4e38) must hold, but got x[4, 2, 1]=nan (1 such values)"
            ". Mend or leave out that series.",
        ),
        ({"x": with_value(-np.inf)}, "but got x[4, 2, 1]=-inf (1 such"),
        ({"x": with_value(1e300)}, "but got x[4, 2, 1]=1e+300 (1 such"),
        (
            {"x": series().astype(str)},
            "numbers in `x` must hold, but got x.dtype=<U32. Convert it: x.astype(float).",
        ),
        ({"x": series() * 1j}, "numbers in `x` must hold, but got x.dtype=complex128."),
        (
            {"x": series()[:, 0, 0]},
            "`x` of shape (n, time) or (n, time, channels) must hold, but got x.shape=(60,). "
            "Reshape it: x[n] is one series.",
        ),
        ({"x": series()[..., np.newaxis]}, "but got x.shape=(60, 5, 2, 1)."),
        (
            {"x": series()[:, :0]},
            "at least one series, time point and channel must hold, but got x.shape=(60, 0, 2).",
        ),
        ({"x": series()[:0], "y": labels()[:0]}, "but got x.shape=(0, 5, 2)."),
        (
            {"y": labels() * 0.5},
            "whole numbers or texts in `y` must hold, but got y.dtype=float64. Convert it: "
            "y.astype(int) or y.astype(str).",
        ),
        (
            {"y": labels()[:-1]},
            "one label per series, `y.shape == (60,)`, must hold, but got y.shape=(59,). Give as "
            "many labels as series.",
        ),
        ({"y": np.eye(3, dtype=int)[labels()]}, "but got y.shape=(60, 3)."),
        (
            {"y": np.full(N, "walk")},
            "at least two classes in `y` must hold, but got the label 'walk' only. There is "
            "nothing to tell apart: add series of another class.",
        ),
        (
            {"test": np.arange(N)},
            "true or false per series, `test.shape == (60,)`, must hold, but got test.dtype=int64, "
            "test.shape=(60,). Convert it: test.astype(bool).",
        ),
        (
            {"y": np.where(np.arange(N) < 4, 9, labels())},
            "enough series of every class to train, to validate and to test must hold, but got 4 "
            "of the class '9' with test_fraction=0.5, validation_fraction=0.3. Record more of it, "
            "or change the fractions.",
        ),
        (
            {"test": np.zeros(N, dtype=bool)},
            "must hold, but got 20 of the class '0' with 0 series marked as test, "
            "validation_fraction=0.3. Record more of it, or mark others as test.",
        ),
        (
            {"x": np.array([np.zeros(3), np.zeros(4)], dtype=object)},
            "an array of numbers or texts `x` must hold, but got Object arrays cannot be loaded "
            "when allow_pickle=False. Write it with numpy.savez; where series are of unequal "
            'lengths, as numbers with NaN at the end of the shorter ones, and pad = "before" in '
            "[task].",
        ),
    ],
)
def test_broken_arrays_are_refused_where_they_are(
    tmp_path: Path, arrays: dict[str, Any], text: str
) -> None:
    path = save(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{re.escape(text)}"):
        ArraysParams(path="data.npz").resolved(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("~nobody-of-that-name/d.npz", "a readable file must hold, but got No such file"),
        ("d\0.npz", "a readable file must hold, but got embedded null byte. Correct the path"),
        ("d" * 300 + ".npz", "a path that can be read must hold, but got File name too long."),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / name))}: {re.escape(text)}"):
        ArraysParams(path=name).resolved(tmp_path)


@pytest.mark.parametrize(
    ("name", "got"), [("data.txt", "path='{}'"), ("data", "nothing there"), ("d.npz", None)]
)
def test_other_paths_are_refused(tmp_path: Path, name: str, got: str | None) -> None:
    (tmp_path / "data.txt").touch()
    path = tmp_path / name
    text = (
        f"{path}: an .npz file, or a directory of CSV files with labels.csv, must hold, but got "
        f"{got.format(path)}. Correct the path;"
        if got
        else f"{path}: a readable file must hold, but got No such file or directory."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        ArraysParams(path=name).resolved(tmp_path)


def test_shares_that_pass_hold_for_every_seed(tmp_path: Path) -> None:
    y = np.array([0] * 8 + [1] * 9 + [2] * 31)
    path = save(tmp_path / "data.npz", x=series()[: len(y)], y=y)
    for seed in range(20):
        task = ArraysParams(path=str(path), split_seed=seed)
        for protocol in Protocol:
            split = load(task, protocol=protocol, member_seed=seed)
            for part in (split.train, split.score):
                assert np.bincount(part.label, minlength=3).min() >= 1


@pytest.mark.parametrize("values", [{}, {"path": ""}, {"path": "x", "normalise": "max"}])
def test_models_refuse_what_they_do_not_know(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ArraysParams(**values)


# --- bounds --------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match="must hold") as caught:
        read(path)
    return str(caught.value)


def csv_folder(folder: Path, name: str) -> Path:
    """A directory whose second series is the file of this name."""
    (folder / "a.csv").write_text("1\n2\n")
    (folder / "labels.csv").write_text(f"file,label\na.csv,0\n{name},1\n")
    return folder


@pytest.mark.timeout(10)
def test_devices_pipes_and_files_elsewhere_are_no_series(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        regular = (
            f"{tmp_path / name}: a regular file must hold, but got a directory, a device or a pipe."
        )
        assert refusal(csv_folder(tmp_path, name)).startswith(regular)
    for name in ("/etc/passwd", "../a.csv"):
        assert refusal(csv_folder(tmp_path, name)).startswith(
            f"{tmp_path / 'labels.csv'}: files of this directory must hold, but got {name!r}."
        )


def test_what_unpacks_to_more_than_memory_is_refused_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_file, "LARGEST_BYTES", 10_000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 10)), y=np.zeros(1000))
    assert (tmp_path / "bomb.npz").stat().st_size < 2000
    assert "GiB of series must hold, but got 8.22e-05 GiB." in refusal(tmp_path / "bomb.npz")
    np.savez_compressed(
        tmp_path / "fine.npz", x=np.zeros((100, 10)), y=np.zeros(100), z=np.zeros(9**5)
    )
    assert len(npz_file.read(tmp_path / "fine.npz").x) == 100, "what is not ours is not unpacked"
    with zipfile.ZipFile(tmp_path / "bare.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(20_000))
    assert "GiB of series must hold, but got" in refusal(tmp_path / "bare.npz")
    monkeypatch.setattr(csvs, "MOST_CELLS", 10)
    (tmp_path / "long.csv").write_text("1,2\n" * 6)
    said = refusal(csv_folder(tmp_path, "long.csv"))
    assert said.startswith(f"{tmp_path / 'long.csv'}: at most 10 cells must hold, but got 12.")


@pytest.mark.parametrize("header", ["{'descr': '<f8', 'shape': (", "(" * 5000, "'\\", "\0"])
def test_a_broken_header_is_said_in_words(tmp_path: Path, header: str) -> None:
    text = header.ljust(118 if len(header) < 118 else len(header)).encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(tmp_path / "broken.npz", "w") as archive:
        archive.writestr("x.npy", array)
    said = refusal(tmp_path / "broken.npz")
    assert said.startswith(f"{tmp_path / 'broken.npz'}: an array of numbers or texts `x` must hold")

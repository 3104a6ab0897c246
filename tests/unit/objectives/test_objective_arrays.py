"""A user's own data: what is read, how it is split, and every rule by its text."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from objectives.contract import Protocol
from objectives.tasks import TASKS, load
from objectives.tasks.arrays import ArraysParams, halves
from objectives.tasks.data import Examples
from objectives.tasks.recording import read

N = 60


def series(channels: int = 2) -> NDArray[np.float64]:
    """Series of 5 points that are all different."""
    return np.random.default_rng(0).normal(size=(N, 5, channels))


def labels() -> NDArray[np.int64]:
    return np.arange(N) % 3


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{"x": series(), "y": labels(), **arrays})
    return path


def save_csv(directory: Path, x: NDArray[Any], label: NDArray[Any], header: str = "") -> Path:
    directory.mkdir()
    rows = ["file,label"]
    for number, (one, y) in enumerate(zip(x, label, strict=True)):
        lines = [header] if header else []
        lines += [",".join(map(repr, map(float, point))) for point in one]
        (directory / f"{number}.csv").write_text("\n".join(lines) + "\n")
        rows.append(f"{number}.csv,{y}")
    (directory / "labels.csv").write_text("\n".join(rows) + "\n")
    return directory


def rows(examples: Examples) -> set[bytes]:
    return {one.tobytes() for one in examples.x}


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    return save(tmp_path / "data.npz")


def test_every_task_has_a_loader_and_the_first_is_the_default() -> None:
    assert list(TASKS) == ["sequential-digits", "arrays"]
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
        assert not rows(split.score) & rows(halves(task, read(npz))[1])


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


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (labels() * 5 + 2, ("2", "7", "12")),
        (np.array(["sit", "run", "walk"])[labels()], ("run", "sit", "walk")),
        (labels() > 0, ("False", "True")),
    ],
)
def test_classes_are_numbered_in_sorted_order(
    tmp_path: Path, y: NDArray[Any], classes: tuple[str, ...]
) -> None:
    recording = read(save(tmp_path / "data.npz", y=y))
    assert recording.classes == classes
    assert [classes[k] for k in recording.examples.label] == [str(label) for label in y]


def test_one_channel_needs_no_axis(tmp_path: Path) -> None:
    x = series()[:, :, 0]
    recording = read(save(tmp_path / "data.npz", x=x))
    assert np.array_equal(recording.examples.x, x.astype("f4")[:, :, np.newaxis])


@pytest.mark.parametrize("header", ["", "left,right"])
def test_csv_files_are_the_same_data(tmp_path: Path, header: str) -> None:
    directory = save_csv(tmp_path / "series", series(), labels(), header)
    from_csv, from_npz = read(directory), read(save(tmp_path / "data.npz"))
    assert np.array_equal(from_csv.examples.x, from_npz.examples.x)
    assert np.array_equal(from_csv.examples.label, from_npz.examples.label)
    assert from_csv.classes == from_npz.classes


def test_csv_labels_that_are_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    directory = save_csv(tmp_path / "series", series(), labels() * 5 + 2)
    assert read(directory).classes == ("2", "7", "12")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["01", "1", "2"], ("01", "1", "2")),
        (["-3", "10", "2"], ("-3", "2", "10")),
        (["1_0", "2", "3"], ("1_0", "2", "3")),
        (["9" * 30, "9" * 29, "1"], ("1", "9" * 29, "9" * 30)),
        (["0.5", "1", "10"], ("0.5", "1", "10")),
    ],
)
def test_csv_labels_are_whole_numbers_only_if_written_as_such(
    tmp_path: Path, names: list[str], classes: tuple[str, ...]
) -> None:
    directory = save_csv(tmp_path / "series", series(), np.array(names)[labels()])
    recording = read(directory)
    assert recording.classes == classes
    assert [classes[k] for k in recording.examples.label] == [names[k] for k in labels()]


def test_csv_with_a_split_of_ones_own_and_blank_lines(tmp_path: Path) -> None:
    directory = save_csv(tmp_path / "series", series(), np.array(["a", "b", "c"])[labels()])
    lines = (directory / "labels.csv").read_text().splitlines()
    marked = [f"{line},{int(k % 2)}" for k, line in enumerate(lines[1:])]
    (directory / "labels.csv").write_text(
        "﻿" + "\n\n".join(["file,label,test", *marked]), encoding="utf-8"
    )
    recording = read(directory)
    assert recording.test.tolist() == [k % 2 == 1 for k in range(N)]


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
        f"{npz}: a readable .npz file must hold, but got No such file or directory. Correct the "
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
            "when allow_pickle=False. Series of different lengths must be cut or padded",
        ),
    ],
)
def test_broken_arrays_are_refused_where_they_are(
    tmp_path: Path, arrays: dict[str, Any], text: str
) -> None:
    path = save(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{re.escape(text)}"):
        ArraysParams(path="data.npz").resolved(tmp_path)


def other_names(path: Path) -> None:
    np.savez(path, X=series(), y=labels())


def single_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, series())


def cut_off(path: Path) -> None:
    path.write_bytes(save(path).read_bytes()[:-200])


def damaged(path: Path) -> None:
    content = bytearray(save(path).read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)


def bare_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", "1,2")
        file.writestr("y.npy", "1,2")


def claims_too_much(path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, series())
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", buffer.getvalue().replace(b"(60, 5, 2), }  ", b"(60000000000000,)}"))


def encrypted(path: Path) -> None:
    content = bytearray(save(path).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of both headers
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (
            other_names,
            "an array `x` must hold, but got the arrays X, y. "
            'Save it: numpy.savez("….npz", x=x, y=y).',
        ),
        (single_array, "an .npz file must hold, but got a single array. Write it with numpy.savez"),
        (cut_off, "an .npz file must hold, but got File is not a zip file. Write it with"),
        (damaged, "an array of numbers or texts `x` must hold, but got Bad CRC-32"),
        (bare_member, "an array `x` must hold, but got other bytes. Write it with numpy.savez."),
        (claims_too_much, "an array of numbers or texts `x` must hold, but got Unable to allocate"),
        (
            encrypted,
            "an array of numbers or texts `x` must hold, but got File 'x.npy' is encrypted",
        ),
        (lambda path: path.write_bytes(b""), "an .npz file must hold, but got No data left in"),
        (Path.mkdir, "labels.csv: a readable file must hold, but got No such file or directory."),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, write: Callable[[Path], Any], text: str) -> None:
    path = tmp_path / "data.npz"
    write(path)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{re.escape(text)}"):
        ArraysParams(path="data.npz").resolved(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("~nobody-of-that-name/d.npz", "a readable .npz file must hold, but got No such file"),
        ("d\0.npz", "a readable .npz file must hold, but got embedded null byte. Correct the path"),
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
        else f"{path}: a readable .npz file must hold, but got No such file or directory."
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        ArraysParams(path=name).resolved(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("labels.csv", "", "a first line `file,label` or `file,label,test` must hold, but got ''."),
        ("labels.csv", "0.csv,1\n", "must hold, but got '0.csv,1'. Name the columns."),
        ("labels.csv", "file,label\n", "at least one series must hold, but got the first line"),
        (
            "labels.csv",
            "file,label\n0.csv,\n",
            "a value for file, label in row 2 must hold, but got '0.csv,'. Mend that row.",
        ),
        (
            "labels.csv",
            "file,label\n0.csv,1\n0.csv,2\n",
            "each file once must hold, but got '0.csv' again in row 3. Remove one.",
        ),
        (
            "labels.csv",
            "file,label,test\n0.csv,1,maybe\n",
            "0 or 1 must hold, but got test='maybe' in row 2. Mend that row.",
        ),
        ("1.csv", "", "at least one time point must hold, but got no row of numbers."),
        ("1.csv", "a,b\n", "at least one time point must hold, but got no row of numbers."),
        (
            "1.csv",
            "1,2\n\n3,4x\n",
            "finite numbers, separated by commas, must hold, but got '4x' in line 3, column 2. "
            "Mend that cell.",
        ),
        ("1.csv", "1;2\n3;4\n", "must hold, but got '3;4' in line 2, column 1."),
        ("1.csv", "1_0,2\n", "must hold, but got '1_0' in line 1, column 1."),
        (
            "labels.csv",
            "file,label\na\0.csv,1\n",
            "a\0.csv: a readable file must hold, but got embedded null byte. Correct",
        ),
        ("1.csv", "1,nan\n", "must hold, but got 'nan' in line 1, column 2."),
        ("1.csv", "1,\n", "must hold, but got '' in line 1, column 2."),
        (
            "1.csv",
            "1,2\n3\n",
            "2 channels in every row must hold, but got 1 in line 2. Give each row the same number",
        ),
        (
            "1.csv",
            "1,2\n3,4\n",
            "5 time points of 2 channels, as in 0.csv, must hold, but got 2 time points of 2 "
            "channels. Cut or pad the series to one length.",
        ),
        ("1.csv", "1\n" * 5, "must hold, but got 5 time points of 1 channels."),
        ("1.csv", b"\xff\xfe1", "UTF-8 text must hold, but got 'utf-8' codec can't decode"),
        ("1.csv", "1," + "2" * 200_000, "CSV text must hold, but got field larger than"),
        ("1.csv", None, "a readable file must hold, but got No such file or directory. Correct"),
    ],
)
def test_broken_csv_is_refused_by_file_line_and_column(
    tmp_path: Path, file: str, content: str | bytes | None, text: str
) -> None:
    directory = save_csv(tmp_path / "series", series(), labels())
    path = directory / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    where = directory if "null byte" in text else path
    with pytest.raises(ValueError, match=f"^{re.escape(str(where))}.*{re.escape(text)}"):
        ArraysParams(path="series").resolved(tmp_path)


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

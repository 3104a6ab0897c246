"""A user's own data: what is read from its files, and what is wrong with them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import N, labels, save, save_csv, series

from objectives.tasks.arrays import ArraysParams
from objectives.tasks.recording import read


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
            'channels. Write pad = "before" in [task], or cut the series to one length.',
        ),
        (
            "1.csv",
            "1\n" * 5,
            "must hold, but got 5 time points of 1 channels. Give every series the same channels.",
        ),
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

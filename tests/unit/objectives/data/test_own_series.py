"""A user's own series: what is read from files, how it is split and scaled, what is too
much."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
import trainings
from datasets import rows
from numpy.typing import NDArray
from recordings import N, ending_in_nan, labels, save, save_csv, series, unequal

from hpo.contract import Protocol
from hpo.objectives.data import load
from hpo.objectives.data.formats import delimited, read
from hpo.objectives.data.formats import npz as npz_file
from hpo.objectives.data.tasks.arrays import ArraysParams
from hpo.objectives.networks import network_file
from hpo.objectives.training.artifacts import load_network, network_input

REMEDY = 'Write pad = "before" in [task], or cut the series to one length.'


def test_ts_and_idx_files_are_read_and_pinned(tmp_path: Path) -> None:
    datasets.save_ts(datasets.save_images(tmp_path))
    for path, shape in (("Made_TRAIN.ts", (30, 5, 2)), (".", (90, 784, 1))):
        task = ArraysParams(path=path).resolve(tmp_path)
        assert task.digest() == task.sha256
        assert task.read().examples.shape == shape
    assert task.read().examples.x.max() == 1.0


def test_seeds_choose_the_split_and_fractions_the_sizes(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz")
    label_of = {
        one.tobytes(): y for one, y in zip(series().astype("f4"), labels(), strict=True)
    }
    task = ArraysParams(path=str(path), test_fraction=0.2, validation_fraction=0.25)
    split = load(task, protocol=Protocol.VALIDATION, member_seed=0)
    assert (len(split.train), len(split.score)) == (36, 12)
    for part in (split.train, split.score):
        assert all(
            label_of[one.tobytes()] == y
            for one, y in zip(part.x, part.label, strict=True)
        )
        assert len(set(np.bincount(part.label))) == 1, "stratified"
    task.check_splits()
    seeded = task.on_split(1)
    other = load(seeded, protocol=Protocol.VALIDATION, member_seed=0)
    assert rows(split.train) != rows(other.train)


def test_shares_that_pass_hold_for_every_seed(tmp_path: Path) -> None:
    y = np.array([0] * 8 + [1] * 9 + [2] * 31)
    path = save(tmp_path / "data.npz", x=series()[: len(y)], y=y)
    for seed in range(20):
        task = ArraysParams(path=str(path), split_seed=seed)
        for protocol in Protocol:
            split = load(task, protocol=protocol, member_seed=seed)
            for part in (split.train, split.score):
                assert np.bincount(part.label, minlength=3).min() >= 1


# --- bounds ---


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match="expected") as caught:
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
            f"{tmp_path / name}: expected a regular file, got a directory, a device or"
            " a pipe."
        )
        assert refusal(csv_folder(tmp_path, name)).startswith(regular)
    for name in ("/etc/passwd", "../a.csv"):
        assert refusal(csv_folder(tmp_path, name)).startswith(
            f"{tmp_path / 'labels.csv'}: expected files of this directory, got"
            f" {name!r}."
        )


def test_what_unpacks_to_more_than_memory_is_refused_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_file, "LARGEST_BYTES", 10_000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 10)), y=np.zeros(1000))
    assert (tmp_path / "bomb.npz").stat().st_size < 2000
    assert "GiB of series, got 7.46e-05 GiB." in refusal(tmp_path / "bomb.npz")
    np.savez_compressed(
        tmp_path / "fine.npz", x=np.zeros((100, 10)), y=np.zeros(100), z=np.zeros(9**5)
    )
    assert len(npz_file.variables(tmp_path / "fine.npz").get("x")) == 100, (
        "what is not ours is not unpacked"
    )
    with zipfile.ZipFile(tmp_path / "bare.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(20_000))
    assert "GiB of series, got" in refusal(tmp_path / "bare.npz")
    monkeypatch.setattr(delimited, "MOST_CELLS", 10)
    (tmp_path / "long.csv").write_text("1,2\n" * 6)
    said = refusal(csv_folder(tmp_path, "long.csv"))
    assert said.startswith(
        f"{tmp_path / 'long.csv'}: expected at most 10 cells, got 12."
    )


# --- what is read ---


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
    assert [classes[k] for k in recording.examples.label] == [
        names[k] for k in labels()
    ]


def test_csv_with_a_split_of_ones_own_and_blank_lines(tmp_path: Path) -> None:
    directory = save_csv(
        tmp_path / "series", series(), np.array(["a", "b", "c"])[labels()]
    )
    lines = (directory / "labels.csv").read_text().splitlines()
    marked = [f"{line},{int(k % 2)}" for k, line in enumerate(lines[1:])]
    (directory / "labels.csv").write_text(
        "﻿" + "\n\n".join(["file,label,test", *marked]), encoding="utf-8"
    )
    recording = read(directory)
    assert recording.test.tolist() == [k % 2 == 1 for k in range(N)]
    task = ArraysParams(path=str(directory))
    with pytest.raises(ValueError, match="the data say which series are"):
        task.check_splits()


# --- series of unequal lengths ---


def split_of(
    path: Path, **task: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The training part and the test part of everything, as networks get them."""
    found = load(
        ArraysParams(path=str(path), **task), protocol=Protocol.CONFIRM, member_seed=0
    )
    return found.train.x, found.score.x


def test_a_shorter_series_begins_later_and_files_of_both_kinds_are_the_same(
    tmp_path: Path,
) -> None:
    test = np.arange(60) < 30
    path = save(tmp_path / "data.npz", x=ending_in_nan(), test=test)
    train, tested = split_of(path, pad="before")
    assert train.shape == (30, 5, 2)
    for seen, own in zip(np.concatenate([tested, train]), unequal(), strict=True):
        assert not seen[: 5 - len(own)].any(), "0 before its first point"
        assert np.array_equal(seen[5 - len(own) :], own.astype("f4"))
    directory = save_csv(tmp_path / "series", unequal(), labels())
    lines = (directory / "labels.csv").read_text().splitlines()
    marked = [f"{line},{int(of)}" for line, of in zip(lines[1:], test, strict=True)]
    (directory / "labels.csv").write_text("\n".join(["file,label,test", *marked]))
    assert np.array_equal(split_of(directory, pad="before")[0], train)


@pytest.mark.parametrize("how", ["minmax", "standard"])
def test_channels_are_scaled_by_real_points_of_the_training_half(
    tmp_path: Path, how: Any
) -> None:
    """One scale for a study; of a constant channel nothing is left."""
    x, test = ending_in_nan() * [3.0, 100.0] + [5.0, -7.0], np.arange(N) < 30
    own = x[~test].reshape(-1, 2)
    own = own[~np.isnan(own[:, 0])]
    low = own.min(axis=0) if how == "minmax" else own.mean(axis=0)
    wide = np.ptp(own, axis=0) if how == "minmax" else own.std(axis=0)
    wanted = np.c_[(own - low) / wide, np.zeros(len(own))]
    x[test] *= 1000
    path = save(tmp_path / "data.npz", x=np.c_["2", x, 0 * x[:, :, :1] + 4], test=test)
    task = ArraysParams(path=str(path), pad="before", normalise=how)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert np.allclose(split.train.x[-1][-1], wanted[-1], atol=1e-5)
    real = split.train.x[split.train.x.any(axis=2)]
    assert np.allclose(np.sort(real, axis=0), np.sort(wanted, axis=0), atol=1e-5)
    assert np.abs(split.score.x).max() > 100
    search = load(task, protocol=Protocol.VALIDATION, member_seed=0)
    assert rows(search.train) | rows(search.score) == rows(split.train)


@pytest.mark.parametrize("how", ["none", "minmax", "standard"])
def test_series_of_one_length_are_what_they_were(tmp_path: Path, how: Any) -> None:
    path = save(tmp_path / "data.npz")
    for before, after in zip(
        split_of(path, normalise=how),
        split_of(path, normalise=how, pad="before"),
        strict=True,
    ):
        assert np.array_equal(before, after)


def test_a_worker_that_has_read_them_padded_refuses_them_for_a_study_without(
    tmp_path: Path,
) -> None:
    save_csv(tmp_path / "series", unequal(), labels())
    task = ArraysParams(path="series", pad="before").resolve(tmp_path)
    load(task, protocol=Protocol.SEARCH_ON_TEST, member_seed=0)
    with pytest.raises(ValueError, match=re.escape(REMEDY)):
        load(
            task.model_copy(update={"pad": None}),
            protocol=Protocol.SEARCH_ON_TEST,
            member_seed=0,
        )


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Any]:
    """A network that learnt series of unequal lengths, in a file, and the same in
    memory."""
    data = save(tmp_path / "data.npz", x=ending_in_nan(), test=np.arange(60) < 30)
    task = ArraysParams(path=str(data), normalise="standard", pad="before")
    member = trainings.member(
        "spintronic", Protocol.CONFIRM, task=task, **trainings.SMALL
    )
    network_file.write(tmp_path / "best.safetensors", member.to_bytes(), {})
    return tmp_path / "best.safetensors", member


def test_a_saved_network_takes_new_recordings_as_it_took_the_data(
    saved: tuple[Path, Any],
) -> None:
    path, member = saved
    x = network_input(path, unequal()[:30])
    assert torch.equal(x, torch.from_numpy(member.trace(range(30)).inputs))
    assert load_network(path)(x).shape == (1, 30, 3)
    assert network_input(path, []).shape == (0, 5, 2)


LONG = (
    "expected series of at most 5 points, got 6 in series[1]. Cut it: the network was"
    " trained on"
)
SHAPE = (
    "expected series of shape (time, 2) of finite numbers, got series[1].shape={}."
    " Correct"
)


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (np.zeros((6, 2)), f"{LONG} series of at most this length."),
        (np.zeros((4, 3)), SHAPE.format((4, 3))),
        (np.full((4, 2), np.nan), SHAPE.format((4, 2))),
        (np.zeros(4), SHAPE.format((4, 1))),
        (np.zeros((0, 2)), SHAPE.format((0, 2))),
    ],
)
def test_what_a_saved_network_cannot_take_is_refused(
    saved: tuple[Path, Any], one: NDArray[np.float64], text: str
) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"{saved[0]}: ") + ".*" + re.escape(text)
    ):
        network_input(saved[0], [series()[0], one])


def test_a_network_of_series_of_one_length_takes_one_length(tmp_path: Path) -> None:
    one = trainings.member("spintronic", seed=7, **trainings.SMALL)
    network_file.write(tmp_path / "n.safetensors", one.to_bytes(), {})
    flat = [np.linspace(0.0, 1.0, 64), np.ones(64)]
    assert torch.equal(
        network_input(tmp_path / "n.safetensors", flat),
        torch.tensor(np.array(flat), dtype=torch.float32)[:, :, None],
    )
    with pytest.raises(
        ValueError, match="expected series of one length, got 3 in series"
    ):
        network_input(tmp_path / "n.safetensors", [*flat, np.ones(3)])

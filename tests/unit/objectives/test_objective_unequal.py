"""Series of unequal lengths: brought to one, or refused with what to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainings
from numpy.typing import NDArray
from recordings import labels, save, save_csv, series, unequal

import objectives
from objectives import network_file
from objectives.artifacts import load_network, network_input
from objectives.contract import Protocol
from objectives.tasks import load
from objectives.tasks.arrays import ArraysParams

REMEDY = 'Write pad = "before" in [task], or cut the series to one length.'


def ending_in_nan() -> NDArray[np.float64]:
    """The series as an array, with a point more that none of them has."""
    x = np.full((len(unequal()), 6, 2), np.nan)
    for one, row in zip(unequal(), x, strict=True):
        row[: len(one)] = one
    return x


def split_of(path: Path, **task: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The training part and the test part of everything, as networks get them."""
    found = load(ArraysParams(path=str(path), **task), protocol=Protocol.CONFIRM, member_seed=0)
    return found.train.x, found.score.x


def test_a_shorter_series_begins_later_and_files_of_both_kinds_are_the_same(tmp_path: Path) -> None:
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
def test_channels_are_scaled_by_real_points_alone(tmp_path: Path, how: Any) -> None:
    x = ending_in_nan() * [3.0, 100.0] + [5.0, -7.0]
    path = save(tmp_path / "data.npz", x=x, test=np.arange(60) < 30)
    own = x[30:].reshape(-1, 2)
    own = own[~np.isnan(own[:, 0])]
    low = own.min(axis=0) if how == "minmax" else own.mean(axis=0)
    wide = np.ptp(own, axis=0) if how == "minmax" else own.std(axis=0)
    train, _ = split_of(path, pad="before", normalise=how)
    wanted = (own - low) / wide
    assert np.allclose(train[-1][-1], wanted[-1], atol=1e-5)
    real = train[train.any(axis=2)]
    assert np.allclose(np.sort(real, axis=0), np.sort(wanted, axis=0), atol=1e-5)


@pytest.mark.parametrize("how", ["none", "minmax", "standard"])
def test_series_of_one_length_are_what_they_were(tmp_path: Path, how: Any) -> None:
    path = save(tmp_path / "data.npz")
    for before, after in zip(
        split_of(path, normalise=how), split_of(path, normalise=how, pad="before"), strict=True
    ):
        assert np.array_equal(before, after)


def broken(value: float) -> NDArray[np.float64]:
    x = ending_in_nan()
    x[7, 1, 0] = value
    return x


@pytest.mark.parametrize(
    ("x", "pad", "text"),
    [
        (
            ending_in_nan(),
            None,
            "6 points in every series must hold, but got 2 in x[0], then NaN. " + REMEDY,
        ),
        (broken(np.nan), "before", "but got x[7, 1, 0]=nan (1 such values)."),
        (broken(np.inf), None, "but got x[7, 1, 0]=inf (1 such values)."),
        (np.full((60, 5, 2), np.nan), "before", "but got x[0, 0, 0]=nan (600 such values)."),
        (ending_in_nan()[:, :, 0], None, "but got 2 in x[0], then NaN."),
    ],
)
def test_what_is_no_series_is_refused(
    tmp_path: Path, x: NDArray[np.float64], pad: Any, text: str
) -> None:
    save(tmp_path / "data.npz", x=x)
    with pytest.raises(ValueError, match=re.escape(text)):
        ArraysParams(path="data.npz", pad=pad).resolved(tmp_path)


def test_a_worker_that_has_read_them_padded_refuses_them_for_a_study_without(
    tmp_path: Path,
) -> None:
    save_csv(tmp_path / "series", unequal(), labels())
    task = ArraysParams(path="series", pad="before").resolved(tmp_path)
    load(task, protocol=Protocol.PAPER, member_seed=0)
    with pytest.raises(ValueError, match=re.escape(REMEDY)):
        load(task.model_copy(update={"pad": None}), protocol=Protocol.PAPER, member_seed=0)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Any]:
    """A network that learnt series of unequal lengths, in a file, and the same in memory."""
    data = save(tmp_path / "data.npz", x=ending_in_nan(), test=np.arange(60) < 30)
    objective: Any = objectives.load("spintronic")
    member = objective.member(
        objective.Params(**trainings.SMALL),
        task=ArraysParams(path=str(data), normalise="standard", pad="before"),
        protocol=Protocol.CONFIRM,
        member_seed=7,
    )
    network_file.write(tmp_path / "best.safetensors", member.packed(), {})
    return tmp_path / "best.safetensors", member


def test_a_saved_network_takes_new_recordings_as_it_took_the_data(
    saved: tuple[Path, Any],
) -> None:
    path, member = saved
    x = network_input(path, unequal()[:30])
    assert torch.equal(x, torch.from_numpy(member.trace(range(30), "x").inputs))
    assert load_network(path)(x).shape == (1, 30, 3)
    assert network_input(path, []).shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (
            np.zeros((6, 2)),
            "series of at most 5 points must hold, but got 6 in series[1]. Cut it: the network has "
            "seen no longer one.",
        ),
        (
            np.zeros((4, 3)),
            "series of shape (time, 2) of finite numbers must hold, but got "
            "series[1].shape=(4, 3).",
        ),
        (
            np.full((4, 2), np.nan),
            "of finite numbers must hold, but got series[1].shape=(4, 2). Mend",
        ),
        (np.zeros(4), "but got series[1].shape=(4, 1)."),
        (np.zeros((0, 2)), "but got series[1].shape=(0, 2)."),
    ],
)
def test_what_a_saved_network_cannot_take_is_refused(
    saved: tuple[Path, Any], one: NDArray[np.float64], text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{saved[0]}: ") + ".*" + re.escape(text)):
        network_input(saved[0], [series()[0], one])


def test_a_network_of_series_of_one_length_takes_one_length(tmp_path: Path) -> None:
    one = trainings.member("spintronic", seed=7, **trainings.SMALL)
    network_file.write(tmp_path / "n.safetensors", one.packed(), {})
    flat = [np.linspace(0.0, 1.0, 64), np.ones(64)]
    assert torch.equal(
        network_input(tmp_path / "n.safetensors", flat),
        torch.tensor(np.array(flat), dtype=torch.float32)[:, :, None],
    )
    with pytest.raises(ValueError, match="series of one length must hold, but got 3 in series"):
        network_input(tmp_path / "n.safetensors", [*flat, np.ones(3)])

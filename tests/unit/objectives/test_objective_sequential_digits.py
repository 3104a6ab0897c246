"""Sequential digits: shapes, stratification, and which protocol may see which images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from objectives.contract import Protocol
from objectives.tasks.data import Examples
from objectives.tasks.sequential_digits import SequentialDigitsParams, halves, load

TASK = SequentialDigitsParams()


def images(examples: Examples) -> set[bytes]:
    return {series.tobytes() for series in examples.x}


def test_pixels_are_read_row_by_row_in_the_unit_interval() -> None:
    train, test = halves(0)
    digits = load_digits()
    pixels = {(image / 16).astype(np.float32).reshape(64, 1).tobytes() for image in digits.images}
    assert images(train) | images(test) == pixels
    assert train.x.shape == (898, 64, 1)
    assert test.x.shape == (899, 64, 1)
    assert train.x.dtype == np.float32
    assert train.label.dtype == np.int64
    assert (train.x.min(), train.x.max()) == (0.0, 1.0)


def test_series_keep_their_labels() -> None:
    digits = load_digits()
    label_of = {
        (image / 16).astype(np.float32).tobytes(): label
        for image, label in zip(digits.images, digits.target, strict=True)
    }
    for part in halves(3):
        assert all(label_of[s.tobytes()] == y for s, y in zip(part.x, part.label, strict=True))


def test_halves_are_disjoint_stratified_and_follow_the_split_seed() -> None:
    train, test = halves(0)
    assert not images(train) & images(test)
    counts = np.stack([np.bincount(part.label, minlength=10) for part in (train, test)])
    assert np.abs(counts[0] - counts[1]).max() <= 1
    assert images(halves(0)[0]) == images(train)
    assert images(halves(1)[0]) != images(train)


@pytest.mark.parametrize("protocol", [Protocol.PAPER, Protocol.CONFIRM])
def test_paper_and_confirm_train_on_one_half_and_score_on_the_other(protocol: Protocol) -> None:
    split = load(TASK, protocol=protocol, member_seed=5)
    train, test = halves(0)
    assert np.array_equal(split.train.x, train.x)
    assert np.array_equal(split.score.x, test.x)
    assert (split.n_classes, split.n_channels) == (10, 1)


@pytest.mark.parametrize("member_seed", [0, 1, 2**63])
def test_validation_never_touches_the_test_half(member_seed: int) -> None:
    split = load(TASK, protocol=Protocol.VALIDATION, member_seed=member_seed)
    train, test = halves(0)
    assert images(split.train) | images(split.score) == images(train)
    assert not images(split.train) & images(split.score)
    assert not (images(split.train) | images(split.score)) & images(test)
    assert (len(split.train), len(split.score)) == (629, 269)
    shares = [np.bincount(p.label, minlength=10) / len(p) for p in (split.train, split.score)]
    assert np.abs(shares[0] - shares[1]).max() < 0.005


def test_each_member_validates_on_its_own_images() -> None:
    first, second, again = (
        load(TASK, protocol=Protocol.VALIDATION, member_seed=seed) for seed in (0, 1, 0)
    )
    assert images(first.score) != images(second.score)
    assert np.array_equal(first.train.x, again.train.x)
    assert np.array_equal(first.score.x, again.score.x)


def test_validation_fraction_sets_the_size() -> None:
    task = SequentialDigitsParams(validation_fraction=0.05)
    split = load(task, protocol=Protocol.VALIDATION, member_seed=0)
    assert (len(split.train), len(split.score)) == (853, 45)

"""One suite over every task: what trains, what scores, and what pins it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import rows
from recordings import save

from hpo.contract import Protocol, TaskParams, UnavailableError
from hpo.objectives.data import TASKS, contents, host_cache, load
from hpo.objectives.data.examples import Split
from hpo.objectives.data.tasks import recorded
from hpo.objectives.data.tasks.recorded import FileParams

IN_FILES = sorted(name for name, task in TASKS.items() if issubclass(task, FileParams))


OTHERWISE: dict[str, Callable[[Path], dict[str, str]]] = {
    "arrays": lambda folder: {"path": str(save(folder / "d.npz", z=np.ones(1)))},
    "fashion-mnist": lambda folder: {
        "path": str(datasets.save_images(folder, n_test=33))
    },
    "spoken-digits": lambda folder: {
        "path": str(datasets.save_recordings(folder / "d.npz", z=np.ones(1)))
    },
    "ucr": lambda folder: {"path": str(datasets.save_ts(folder, channels=3))},
}
"""Task -> writes other data than ``datasets.WRITTEN``."""


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest, tmp_path: Path) -> TaskParams:
    return datasets.task(request.param, tmp_path)


def split_of(task: TaskParams, protocol: Protocol, seed: int = 3) -> Split:
    return load(task, protocol=protocol, member_seed=seed)


def equal(one: Split, other: Split) -> bool:
    pairs = ((one.train, other.train), (one.score, other.score))
    return (one.classes, one.scaling) == (other.classes, other.scaling) and all(
        np.array_equal(a.x, b.x) and np.array_equal(a.label, b.label) for a, b in pairs
    )


def test_the_search_never_sees_the_test_half(task: TaskParams) -> None:
    searching, confirming = (
        split_of(task, p) for p in (Protocol.VALIDATION, Protocol.CONFIRM)
    )
    assert rows(searching.train) | rows(searching.score) == rows(confirming.train)
    assert not rows(searching.train) & rows(searching.score)
    assert not rows(confirming.train) & rows(confirming.score)


def test_series_are_finite_numbers_of_one_shape_and_every_class_is_there(
    task: TaskParams,
) -> None:
    for protocol in Protocol:
        split = split_of(task, protocol)
        for part in (split.train, split.score):
            assert part.x.dtype == np.float32
            assert part.label.dtype == np.int64
            assert part.x.shape == part.shape == (len(part), *split.train.shape[1:])
            assert np.isfinite(part.x).all()
            assert set(part.label.tolist()) == set(range(split.n_classes))
        assert len(split.names) == split.n_classes


def test_a_member_alone_decides_what_validates(task: TaskParams) -> None:
    first, again = (split_of(task, Protocol.VALIDATION) for _ in range(2))
    assert equal(first, again)
    assert rows(split_of(task, Protocol.VALIDATION, seed=4).score) != rows(first.score)
    tested = [split_of(task, Protocol.CONFIRM, seed=seed) for seed in (3, 4)]
    assert equal(*tested)


def test_members_are_scored_on_folds_in_turn(task: TaskParams) -> None:
    folded = task.model_copy(update={"validation_folds": 3})
    whole = rows(split_of(folded, Protocol.CONFIRM).train)
    every = [
        split_of(folded.for_member(k), Protocol.VALIDATION, seed=k) for k in range(6)
    ]
    for turn in (every[:3], every[3:]):
        assert rows(turn[0].score) | rows(turn[1].score) | rows(turn[2].score) == whole
        assert sum(len(split.score) for split in turn) == len(turn[0].train) + len(
            turn[0].score
        )
        assert not any(rows(split.train) & rows(split.score) for split in turn)
    assert rows(every[0].score) != rows(every[3].score), (
        "the next turn has folds of its own"
    )
    assert equal(every[1], split_of(folded.for_member(1), Protocol.VALIDATION, seed=9))
    assert task.for_member(4) is task


def test_what_is_said_is_what_is_read(task: TaskParams) -> None:
    said = contents(task)
    assert said is not None
    searching, confirming = (
        split_of(task, p) for p in (Protocol.VALIDATION, Protocol.CONFIRM)
    )
    assert (said.train, said.validation) == (len(searching.train), len(searching.score))
    assert said.test == len(confirming.score)
    assert said.series == said.train + said.validation + said.test
    assert (said.points, said.channels) == searching.train.shape[1:]
    assert said.classes == searching.n_classes


def test_batches_are_the_series_in_order(task: TaskParams) -> None:
    train = split_of(task, Protocol.VALIDATION).train
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = train.take(order)
    parts = list(shuffled.batches(7))
    assert {len(part) for part in parts[:-1]} == {7}
    assert np.array_equal(np.concatenate([part.x for part in parts]), train.x[order])
    assert np.array_equal(
        np.concatenate([part.label for part in parts]), train.label[order]
    )


# --- files ---


def file_of(task: TaskParams) -> Path:
    assert isinstance(task, FileParams)
    return task.files[0]


@pytest.fixture(params=IN_FILES)
def in_files(request: pytest.FixtureRequest, tmp_path: Path) -> TaskParams:
    return datasets.task(request.param, tmp_path)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every file is large: its data go into a cache below this directory."""
    monkeypatch.setattr(host_cache, "LARGE_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recorded._load_once.cache_clear()
    return tmp_path / "cache" / "hpo" / "series"


def test_a_stored_task_is_resolved_to_itself(in_files: TaskParams) -> None:
    assert in_files.resolve(Path("/elsewhere")) == in_files
    assert isinstance(in_files, FileParams)
    assert in_files.digest() == in_files.sha256


def test_a_host_without_the_data_leaves_the_study_to_others(
    in_files: TaskParams,
) -> None:
    file_of(in_files).unlink()
    with pytest.raises(UnavailableError, match="expected"):
        split_of(in_files, Protocol.SEARCH_ON_TEST)


@pytest.mark.parametrize("cached", [False, True])
def test_other_data_than_was_pinned_is_refused(
    in_files: TaskParams, cached: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if cached:
        request.getfixturevalue("large")
        split_of(in_files, Protocol.SEARCH_ON_TEST)
        recorded._load_once.cache_clear()
    other = tmp_path / "other"
    other.mkdir()
    pinned = in_files.model_copy(update=OTHERWISE[in_files.name](other))
    assert isinstance(in_files, FileParams)
    text = f"expected sha256={in_files.sha256!r}, as when the study began, got sha256="
    with pytest.raises(UnavailableError, match=re.escape(text)):
        split_of(pinned, Protocol.SEARCH_ON_TEST)


def test_processes_of_a_host_share_large_data(
    in_files: TaskParams, large: Path
) -> None:
    made = split_of(in_files, Protocol.VALIDATION)
    (folder,) = (path for path in large.iterdir() if path.is_dir())
    written = (folder / "x.npy").stat()
    recorded._load_once.cache_clear()
    mapped = split_of(in_files, Protocol.VALIDATION)
    assert equal(made, mapped)
    assert (folder / "x.npy").stat() == written, "made once"
    assert not [path for path in large.iterdir() if path.suffix == ".draft"]


def test_a_cache_that_is_damaged_costs_memory_and_no_more(
    in_files: TaskParams, large: Path
) -> None:
    made = split_of(in_files, Protocol.VALIDATION)
    (folder,) = (path for path in large.iterdir() if path.is_dir())
    begin = (folder / "x.npy").read_bytes()[:200]
    (folder / "x.npy").unlink()  # which is mapped
    (folder / "x.npy").write_bytes(begin)
    recorded._load_once.cache_clear()
    text = f"{folder}: the cache cannot be read or written: "
    with pytest.warns(UserWarning, match=re.escape(text)):
        assert equal(split_of(in_files, Protocol.VALIDATION), made)


def test_every_option_counts_in_the_cache(tmp_path: Path, large: Path) -> None:
    for options in ({}, {"side": 14}, {"permutation_seed": 1}, {"n_train": 30}):
        split_of(datasets.task("fashion-mnist", tmp_path, **options), Protocol.CONFIRM)
    assert len([path for path in large.iterdir() if path.is_dir()]) == 4
    split_of(
        datasets.task("fashion-mnist", tmp_path, validation_fraction=0.5),
        Protocol.CONFIRM,
    )
    assert len([path for path in large.iterdir() if path.is_dir()]) == 4


HOLDER = """
import sys
from hpo.contract import Protocol
from hpo.objectives.data import TASKS, host_cache, load
host_cache.LARGE_BYTES = 0
task = TASKS["fashion-mnist"].model_validate_json(sys.argv[1])
split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
print("mapped", flush=True)
sys.stdin.readline()
print(split.train.x.sum(), split.score.x.sum())
"""


def test_what_nobody_asks_for_goes_when_more_is_written(
    tmp_path: Path, large: Path
) -> None:
    """A process that has mapped it keeps it; one that asks again has it made again."""

    def there() -> set[Path]:
        return {path for path in large.iterdir() if path.is_dir()}

    task = datasets.task("fashion-mnist", tmp_path)
    line = [sys.executable, "-c", HOLDER, task.model_dump_json()]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mapped\n"
        (old,) = there()
        split_of(datasets.task("fashion-mnist", tmp_path, side=14), Protocol.CONFIRM)
        (recent,) = there() - {old}
        for path, days in ((old, 31), (recent, 29)):
            then = time.time() - days * 86400
            os.utime(path, (then, then))
        with host_cache._lock(
            old.with_suffix(".lock")
        ):  # somebody asks for it just now
            split_of(
                datasets.task("fashion-mnist", tmp_path, n_train=30), Protocol.CONFIRM
            )
            assert {old, recent} < there()
        split_of(datasets.task("fashion-mnist", tmp_path, n_train=40), Protocol.CONFIRM)
        assert old not in there()
        assert recent in there()
        said, _ = holder.communicate("\n")
    recorded._load_once.cache_clear()
    again = split_of(task, Protocol.CONFIRM)
    assert old in there()
    assert said.split() == [str(part.x.sum()) for part in (again.train, again.score)]
    split_of(datasets.task("fashion-mnist", tmp_path, n_train=50), Protocol.CONFIRM)
    assert {old, recent} < there(), "it was asked for again"

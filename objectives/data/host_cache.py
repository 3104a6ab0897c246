"""Large data once per host: the first process prepares them on disk, and all processes
map them.

Mapped pages are the same memory in every process. The files are in the user's cache
directory and may be deleted at any time (processes that have mapped one keep it). Their
names are hashes of all their sources. Whoever writes a file removes those that were not
used for ``KEPT_S``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

import numpy as np
import platformdirs

from .examples import Examples, Scaling, Split

LARGE_BYTES = 2**23
"""Least size of the files of a task that is worth a copy on disk."""
KEPT_S = 30 * 86400.0


def are_large(files: Sequence[Path]) -> bool:
    """Tell whether files are worth a copy on disk; missing files are not."""
    return sum(path.stat().st_size for path in files if path.is_file()) >= LARGE_BYTES


def load_once(
    sources: str, make: Callable[[], Split], verify: Callable[[], None]
) -> Split:
    """Return the result of ``make``, which the first process calls and all processes
    map.

    Without a writable cache directory, every process makes its own.

    Args:
        sources: description of all that determines the data.
        make: reads and prepares the data.
        verify: checks that the files have not changed.

    Raises:
        ValueError: by ``make`` or ``verify``.
    """
    folder = platformdirs.user_cache_path("hpo") / "series" / _key(sources)
    made: Split | None = None
    try:
        with _lock(folder.with_suffix(".lock")):
            if not folder.exists():
                made = make()
                _write(folder, made)
            halves = _map(folder)
            os.utime(folder)
        if made is not None:
            _remove_old(folder.parent)
    except OSError as error:
        warnings.warn(
            f"{folder}: the cache cannot be read or written: {error}. Every process"
            " keeps its own copy of the data in memory. Repair or delete it.",
            stacklevel=2,
        )
        return make() if made is None else made
    if made is None:
        verify()
    return halves


def _key(sources: str) -> str:
    """Return a hash of the sources and of the code that reads and prepares them."""
    versions = f"{np.__version__} {metadata.version('scikit-learn')}"
    digest = hashlib.sha256(f"{versions} {sources}".encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


@contextmanager
def _lock(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on this host; a process that dies releases it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield


def _remove_old(cache: Path) -> None:
    """Remove data that nobody has used for ``KEPT_S`` or is using now."""
    before = time.time() - KEPT_S
    for folder in cache.iterdir():
        with suppress(OSError):  # somebody was faster, or has locked it
            if not folder.is_dir() or folder.stat().st_mtime >= before:
                continue
            with _lock(folder.with_suffix(".lock"), fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder.rename(folder.with_suffix(".draft")))


def _write(folder: Path, halves: Split) -> None:
    """Write the data completely or not at all, even if the power fails."""
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    parts = (halves.train, halves.score)
    scaling = halves.scaling
    shape = (sum(map(len, parts)), *halves.train.shape[1:])
    x = np.lib.format.open_memmap(draft / "x.npy", "w+", np.float32, shape)
    first = 0
    for half in parts:
        for batch in half.batches(4096):
            x[first : first + len(batch)] = batch.x
            first += len(batch)
    x.flush()
    np.savez(
        draft / "rest.npz",
        label=np.concatenate([half.label for half in parts]),
        n_train=len(halves.train),
        classes=np.array(halves.classes),
        scaling=np.array([scaling.shift, scaling.scale] if scaling else []),
    )
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    draft.rename(folder)


def _map(folder: Path) -> Split:
    """Map the data without reading the series.

    Raises:
        OSError: they cannot be read.
    """
    try:
        # copy on write: PyTorch wants writable arrays, although nobody writes
        x = np.asarray(np.load(folder / "x.npy", mmap_mode="c"))
        with np.load(folder / "rest.npz") as rest:
            label = rest["label"]
            n = int(rest["n_train"])
            classes = tuple(rest["classes"].tolist())
            pair = rest["scaling"].tolist()
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OSError(str(error)) from error
    scaling = None
    if pair:
        shift, scale = map(tuple, pair)
        scaling = Scaling(shift=shift, scale=scale)
    return Split(
        train=Examples(x=x[:n], label=label[:n]),
        score=Examples(x=x[n:], label=label[n:]),
        n_classes=len(classes),
        classes=classes,
        scaling=scaling,
    )

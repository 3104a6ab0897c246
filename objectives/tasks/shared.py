"""Large data once per host: prepared by the first process, on disk, and mapped by all of them.

Mapped pages are the same memory in every process. The files are in the user's cache directory and
may be deleted at any time (who has mapped one on this host keeps it); their names are hashes of all
that they were made of. When one is written, those go that nobody has asked for in ``KEPT_S``.
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

from hpo.objectives.tasks.data import Examples, Halves, Scaling

LARGE_BYTES = 2**23
"""Of the files that are read."""
KEPT_S = 30 * 86400.0


def are_large(files: Sequence[Path]) -> bool:
    """Whether it is worth a copy on disk; what is no file is not."""
    return sum(path.stat().st_size for path in files if path.is_file()) >= LARGE_BYTES


def once_per_host(told: str, make: Callable[[], Halves], verify: Callable[[], None]) -> Halves:
    """What ``make`` gives: made by the first process that asks, mapped by all.

    Without a cache directory that can be written, every process makes its own.

    Args:
        told: all that the data are made of.
        make: reads and prepares them.
        verify: looks whether what was read is still the same.

    Raises:
        ValueError: of ``make`` or ``verify``.
    """
    folder = platformdirs.user_cache_path("hpo") / "series" / _key(told)
    made: Halves | None = None
    try:
        with _locked(folder.with_suffix(".lock")):
            if not folder.exists():
                made = make()
                _write(folder, made)
            found = _mapped(folder)
            os.utime(folder)
        if made is not None:
            _remove_old(folder.parent)
    except OSError as error:
        warnings.warn(
            f"{folder}: the cache cannot be read or written: {error}. Every process keeps its own "
            "copy of the data in memory. Repair or delete it.",
            stacklevel=2,
        )
        return make() if made is None else made
    if made is None:
        verify()
    return found


def _key(told: str) -> str:
    """A hash of it, and of how data are read and prepared."""
    versions = f"{np.__version__} {metadata.version('scikit-learn')}"
    digest = hashlib.sha256(f"{versions} {told}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


@contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Alone on this host; a process that dies gives it up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield


def _remove_old(cache: Path) -> None:
    """Remove what nobody has asked for in a long time, and nobody is asking for now."""
    before = time.time() - KEPT_S
    for folder in (path for path in cache.iterdir() if path.is_dir()):
        with suppress(OSError):  # somebody was faster, or has locked it
            if folder.stat().st_mtime < before:
                with _locked(folder.with_suffix(".lock"), fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(folder.rename(folder.with_suffix(".draft")))


def _write(folder: Path, halves: Halves) -> None:
    """Write it whole or not at all, also where the power fails."""
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    train, test, scaling = halves.train, halves.test, halves.scaling
    shape = (len(train) + len(test), *train.shape[1:])
    x = np.lib.format.open_memmap(draft / "x.npy", "w+", np.float32, shape)
    first = 0
    for half in (train, test):
        for part in half.batches(4096):
            x[first : first + len(part)] = part.x
            first += len(part)
    x.flush()
    np.savez(
        draft / "rest.npz",
        label=np.concatenate([train.label, test.label]),
        n_train=len(train),
        classes=np.array(halves.classes),
        scaling=np.array([scaling.shift, scaling.scale] if scaling else []),
    )
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    draft.rename(folder)


def _mapped(folder: Path) -> Halves:
    """What was written, without reading the series.

    Raises:
        OSError: it cannot be read.
    """
    try:
        # copied on write: PyTorch wants arrays that can be written, and nobody does
        x = np.asarray(np.load(folder / "x.npy", mmap_mode="c"))
        with np.load(folder / "rest.npz") as rest:
            label, n = rest["label"], int(rest["n_train"])
            classes = tuple(rest["classes"].tolist())
            pair = rest["scaling"].tolist()
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OSError(str(error)) from error
    return Halves(
        train=Examples(x=x[:n], label=label[:n]),
        test=Examples(x=x[n:], label=label[n:]),
        classes=classes,
        scaling=Scaling(shift=tuple(pair[0]), scale=tuple(pair[1])) if pair else None,
    )

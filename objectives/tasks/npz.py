"""Reading an ``.npz`` file: arrays ``x``, ``y`` and, optionally, ``test``."""

from __future__ import annotations

import hashlib
import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.tasks.raw import LARGEST_BYTES, Raw, content, refuse, too_large

NAMES = ("x", "y", "test")
_UNEQUAL = (
    "Write it with numpy.savez; where series are of unequal lengths, as numbers with NaN at the end"
    ' of the shorter ones, and pad = "before" in [task].'
)


def read(path: Path) -> Raw:
    """The arrays of the file, and the hash of the very bytes that they were read from.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    bytes_ = content(path)
    arrays = _arrays(path, bytes_)
    for name in ("x", "y"):
        if name not in arrays:
            refuse(
                path,
                f"an array `{name}`",
                f"the arrays {', '.join(sorted(arrays)) or '(none)'}",
                'Save it: numpy.savez("….npz", x=x, y=y).',
            )
    return Raw(
        x=arrays["x"],
        y=arrays["y"],
        test=arrays.get("test"),
        sha256=hashlib.sha256(bytes_).hexdigest(),
    )


def _arrays(path: Path, bytes_: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that we know, and the names of the others with empty ones."""
    damaged = (
        *(OSError, EOFError, KeyError, ValueError, MemoryError),  # a header may claim any size
        *(zipfile.BadZipFile, zlib.error, RuntimeError),  # the last: encrypted, or packed otherwise
        *(SyntaxError, tokenize.TokenError, RecursionError),  # of a header, which is Python
    )
    try:
        loaded = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except damaged as error:
        refuse(path, "an .npz file", str(error), "Write it with numpy.savez.")
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        refuse(path, "an .npz file", "a single array", "Write it with numpy.savez(…, x=x, y=y).")
    arrays: dict[str, NDArray[Any]] = {}
    with loaded:
        _refuse_large(path, loaded.zip)
        for name in loaded.files:
            try:
                arrays[name] = loaded[name] if name in NAMES else np.empty(0)
            except damaged as error:
                remedy = _UNEQUAL if name == "x" else "Write it with numpy.savez."
                got = " ".join(str(error).split())
                refuse(path, f"an array of numbers or texts `{name}`", got, remedy)
            if not isinstance(arrays[name], np.ndarray):
                refuse(path, f"an array `{name}`", "other bytes", "Write it with numpy.savez.")
    return arrays


def _refuse_large(path: Path, archive: zipfile.ZipFile | None) -> None:
    """Add up what our arrays unpack to, before they are."""
    files = [] if archive is None else archive.infolist()
    size = sum(f.file_size for f in files if f.filename.removesuffix(".npy") in NAMES)
    if size > LARGEST_BYTES:
        too_large(path, size)

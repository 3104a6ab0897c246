"""Reading an ``.npz`` file: arrays ``x``, ``y`` and, optionally, ``test``."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.tasks.raw import Raw, refuse

NAMES = ("x", "y", "test")


def read(path: Path) -> Raw:
    """The arrays of the file, and the hash of the very bytes that they were read from.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # the latter: a zero byte in the name
        refuse(
            path,
            "a readable .npz file",
            getattr(error, "strerror", None) or str(error),
            "Correct the path; workers on other hosts need the data at the same place.",
        )
    arrays = _arrays(path, content)
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
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _arrays(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that we know, and the names of the others with empty ones."""
    damaged = (
        *(OSError, EOFError, KeyError, ValueError, MemoryError),  # a header may claim any size
        *(zipfile.BadZipFile, zlib.error, RuntimeError),  # the last: encrypted, or packed otherwise
    )
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
    except damaged as error:
        refuse(path, "an .npz file", str(error), "Write it with numpy.savez.")
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        refuse(path, "an .npz file", "a single array", "Write it with numpy.savez(…, x=x, y=y).")
    arrays: dict[str, NDArray[Any]] = {}
    with loaded:
        for name in loaded.files:
            try:
                arrays[name] = loaded[name] if name in NAMES else np.empty(0)
            except damaged as error:
                refuse(
                    path,
                    f"an array of numbers or texts `{name}`",
                    " ".join(str(error).split()),
                    "Series of different lengths must be cut or padded to one length.",
                )
            if not isinstance(arrays[name], np.ndarray):
                refuse(path, f"an array `{name}`", "other bytes", "Write it with numpy.savez.")
    return arrays

"""Reading an ``.npz`` file: arrays ``x``, ``y`` and, optionally, ``test``."""

from __future__ import annotations

import hashlib
import io
import textwrap
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.objectives.tasks.raw import LARGEST_BYTES, Raw, content, refuse, too_large

_UNEQUAL = (
    "Write it with numpy.savez; where series are of unequal lengths, as numbers with NaN at the end"
    ' of the shorter ones, and pad = "before" in [task].'
)


def read(path: Path) -> Raw:
    """The arrays of the file, and the hash of the very bytes that they were read from.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    bytes_, remedy = content(path), 'Save it: numpy.savez("….npz", x=x, y=y).'
    found = arrays(path, bytes_, ("x", "y"), remedy, optional=("test",))
    sha256 = hashlib.sha256(bytes_).hexdigest()
    return Raw(x=found["x"], y=found["y"], test=found.get("test"), sha256=sha256)


def arrays(
    path: Path, bytes_: bytes, names: Sequence[str], remedy: str, *, optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays of these names.

    Args:
        path: the file.
        bytes_: what it holds.
        names: what must be there.
        remedy: what to do where it is not.
        optional: what may be there.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    found = _arrays(path, bytes_, (*names, *optional))
    for name in names:
        if name not in found:
            refuse(
                path,
                f"an array `{name}`",
                f"the arrays {', '.join(sorted(found)) or '(none)'}",
                remedy,
            )
    return found


def _arrays(path: Path, bytes_: bytes, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays of these names, and the names of the others with empty ones."""
    damaged = (
        *(OSError, EOFError, KeyError, ValueError, MemoryError),  # a header may claim any size
        *(zipfile.BadZipFile, zlib.error, RuntimeError),  # the last: encrypted, or packed otherwise
        *(SyntaxError, tokenize.TokenError, RecursionError),  # of a header, which is Python
    )
    try:
        loaded = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except damaged as error:
        refuse(path, "an .npz file", _short(error), "Write it with numpy.savez.")
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        refuse(path, "an .npz file", "a single array", "Write it with numpy.savez(…, x=x, y=y).")
    found: dict[str, NDArray[Any]] = {}
    with loaded:
        _refuse_large(path, loaded.zip, names)
        for name in loaded.files:
            try:
                found[name] = loaded[name] if name in names else np.empty(0)
            except damaged as error:
                remedy = _UNEQUAL if name == "x" else "Write it with numpy.savez."
                refuse(path, f"an array of numbers or texts `{name}`", _short(error), remedy)
            if not isinstance(found[name], np.ndarray):
                refuse(path, f"an array `{name}`", "other bytes", "Write it with numpy.savez.")
    return found


def _short(error: BaseException) -> str:
    """What somebody else's error says; some quote the whole file."""
    return textwrap.shorten(str(error), 200, placeholder=" ...")


def _refuse_large(path: Path, archive: zipfile.ZipFile | None, names: Sequence[str]) -> None:
    """Add up what our arrays unpack to, before they are."""
    files = [] if archive is None else archive.infolist()
    size = sum(f.file_size for f in files if f.filename.removesuffix(".npy") in names)
    if size > LARGEST_BYTES:
        too_large(path, size)

"""Read an ``.npz`` file with arrays ``x``, ``y`` and, optionally, ``test``."""

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

from .raw import LARGEST_BYTES, Raw, content, refuse, too_large

_UNEQUAL = (
    "Write it with numpy.savez; where series are of unequal lengths, as numbers with"
    ' NaN at the end of the shorter ones, and pad = "before" in [task].'
)


def read(path: Path) -> Raw:
    """Return the arrays of the file, and the hash of its bytes.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    bytes_, remedy = content(path), 'Save it: numpy.savez("….npz", x=x, y=y).'
    by_name = arrays(path, bytes_, ("x", "y"), remedy, optional=("test",))
    sha256 = hashlib.sha256(bytes_).hexdigest()
    return Raw(x=by_name["x"], y=by_name["y"], test=by_name.get("test"), sha256=sha256)


def arrays(
    path: Path,
    bytes_: bytes,
    names: Sequence[str],
    remedy: str,
    *,
    optional: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """Return the arrays with these names.

    Args:
        path: the file.
        bytes_: its content.
        names: names of required arrays.
        remedy: what to do if one is missing.
        optional: names of optional arrays.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    by_name = _load(path, bytes_, (*names, *optional))
    for name in names:
        if name not in by_name:
            refuse(
                path,
                f"an array `{name}`",
                f"the arrays {', '.join(sorted(by_name)) or '(none)'}",
                remedy,
            )
    return by_name


def _load(path: Path, bytes_: bytes, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays with these names, and an empty one for each other name."""
    damaged = (
        *(
            OSError,
            EOFError,
            KeyError,
            ValueError,
            MemoryError,
        ),  # a header may claim any size
        *(
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
        ),  # the last: encrypted, or packed otherwise
        *(
            SyntaxError,
            tokenize.TokenError,
            RecursionError,
        ),  # of a header, which is Python
    )
    try:
        archive = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except damaged as error:
        refuse(path, "an .npz file", _short(error), "Write it with numpy.savez.")
    if not isinstance(archive, np.lib.npyio.NpzFile):
        refuse(
            path,
            "an .npz file",
            "a single array",
            "Write it with numpy.savez(…, x=x, y=y).",
        )
    by_name: dict[str, NDArray[Any]] = {}
    with archive:
        _refuse_large(path, archive.zip, names)
        for name in archive.files:
            try:
                by_name[name] = archive[name] if name in names else np.empty(0)
            except damaged as error:
                remedy = _UNEQUAL if name == "x" else "Write it with numpy.savez."
                refuse(
                    path,
                    f"an array of numbers or texts `{name}`",
                    _short(error),
                    remedy,
                )
            if not isinstance(by_name[name], np.ndarray):
                refuse(
                    path,
                    f"an array `{name}`",
                    "other bytes",
                    "Write it with numpy.savez.",
                )
    return by_name


def _short(error: BaseException) -> str:
    """Return the text of a library's error, cut short: some quote the whole file."""
    return textwrap.shorten(str(error), 200, placeholder=" ...")


def _refuse_large(
    path: Path, archive: zipfile.ZipFile | None, names: Sequence[str]
) -> None:
    """Refuse arrays that would be too large, before they are unpacked."""
    files = [] if archive is None else archive.infolist()
    size = sum(f.file_size for f in files if f.filename.removesuffix(".npy") in names)
    if size > LARGEST_BYTES:
        too_large(path, size)

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

from ..refusal import refuse
from .raw import LARGEST_BYTES, Raw, content, too_large

Arrays = dict[str, NDArray[Any]]

_SAVE = "Write it with numpy.savez."
_UNEQUAL = (
    "Write it with numpy.savez; where series are of unequal lengths, as numbers with"
    ' NaN at the end of the shorter ones, and pad = "before" in [task].'
)
_DAMAGED = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    MemoryError,  # a header may claim any size
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # encrypted, or packed otherwise
    SyntaxError,  # a header is Python, as for the next two
    tokenize.TokenError,
    RecursionError,
)
"""Errors by which NumPy refuses a file."""


def matches(path: Path) -> bool:
    """See ``Format``."""
    return path.suffix == ".npz"


def files(path: Path) -> Sequence[Path]:
    """See ``Format``."""
    return (path,)


def read(path: Path, *, unequal: bool) -> Raw:
    """Return the arrays of the file, and the hash of its bytes; see ``Format``.

    Raises:
        ValueError: it cannot be read, lacks an array or holds Python objects.
    """
    bytes_ = content(path)
    remedy = 'Save it: numpy.savez("….npz", x=x, y=y).'
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
) -> Arrays:
    """Return the arrays with these names, and an empty one for each other name.

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
            got = f"the arrays {', '.join(sorted(by_name)) or '(none)'}"
            refuse(path, f"an array `{name}`", got, remedy)
    return by_name


def _load(path: Path, bytes_: bytes, names: Sequence[str]) -> Arrays:
    try:
        archive = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except _DAMAGED as error:
        refuse(path, "an .npz file", _shorten(error), _SAVE)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        remedy = "Write it with numpy.savez(…, x=x, y=y)."
        refuse(path, "an .npz file", "a single array", remedy)
    by_name: Arrays = {}
    with archive:
        _refuse_large(path, archive.zip, names)
        for name in archive.files:
            by_name[name] = np.empty(0)
            if name in names:
                by_name[name] = _read_array(path, archive, name)
    return by_name


def _read_array(path: Path, archive: Any, name: str) -> NDArray[Any]:
    try:
        array = archive[name]
    except _DAMAGED as error:
        remedy = _UNEQUAL if name == "x" else _SAVE
        rule = f"an array of numbers or texts `{name}`"
        refuse(path, rule, _shorten(error), remedy)
    if not isinstance(array, np.ndarray):
        refuse(path, f"an array `{name}`", "other bytes", _SAVE)
    return array


def _shorten(error: BaseException) -> str:
    """Return the text of a library's error, cut short: some quote the whole file."""
    return textwrap.shorten(str(error), 200, placeholder=" ...")


def _refuse_large(
    path: Path, archive: zipfile.ZipFile | None, names: Sequence[str]
) -> None:
    """Refuse arrays that would be too large, before they are unpacked."""
    assert archive is not None  # it is open
    size = 0
    for member in archive.infolist():
        if member.filename.removesuffix(".npy") in names:
            size += member.file_size
    if size > LARGEST_BYTES:
        too_large(path, size)

"""Raw data of a task, before the split: series, labels, and the hash of their file."""

from __future__ import annotations

import hashlib
import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...refusal import refuse

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Raw:
    """The content of a file, before any check."""

    x: NDArray[Any]
    """NaN at the end of a series that is shorter than the longest."""
    y: NDArray[Any]
    test: NDArray[Any] | None
    sha256: str
    """Hash of the content that the arrays were read from."""
    notes: tuple[str, ...] = ()
    """What was understood that the data do not say."""


LARGEST_BYTES = 2**30
"""Most bytes of all series together, as read."""
UNEQUAL = 'Write pad = "before" in [task], or cut the series to one length.'
"""Remedy for series of unequal lengths."""
ELSEWHERE = "Correct the path; workers on other hosts need the data at the same place."
"""Remedy for a path without data."""


def content(path: Path) -> bytes:
    """Return the bytes of a regular file. A device or a pipe is refused, since it may
    never end.

    Raises:
        ValueError: it is not a regular file, cannot be read, or is too large.
    """
    try:
        info = path.stat()
        if stat.S_ISREG(info.st_mode) and info.st_size <= LARGEST_BYTES:
            return path.read_bytes()
    except (OSError, ValueError) as error:  # the latter: a zero byte in the name
        why = getattr(error, "strerror", None) or str(error)
        refuse(path, "a readable file", why, ELSEWHERE)
    if not stat.S_ISREG(info.st_mode):
        refuse(path, "a regular file", "a directory, a device or a pipe", ELSEWHERE)
    too_large(path, info.st_size)


def decode(path: Path, content: bytes) -> str:
    """Return the text of a file.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, "UTF-8 text", str(error), "Save it as UTF-8.")


def digest(paths: Sequence[Path]) -> str:
    """Return the hash of a file's bytes; for several files, that of their hashes.

    Raises:
        ValueError: one of them cannot be read.
    """
    digests = []
    for path in paths:
        try:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256"))
        except OSError as error:
            refuse(path, "a readable file", error.strerror or str(error), ELSEWHERE)
    return join_hashes(digests)


def join_hashes(digests: Sequence[hashlib._Hash]) -> str:
    """Return the hash of a file, or that of the hashes of several."""
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(one.digest() for one in digests)).hexdigest()


def holds_numbers(values: NDArray[Any]) -> bool:
    """Return whether an array holds numbers that can be a series: whole or real ones,
    or truth values."""
    return values.dtype.kind in "biuf"


def show_first(name: str, values: NDArray[Any], broken: NDArray[np.bool_]) -> str:
    """Return the first broken number of an array in words, and how many there are."""
    at = tuple(np.argwhere(broken)[0, : values.ndim].tolist())
    place = ", ".join(map(str, at))
    return f"{name}[{place}]={values[at]} ({np.count_nonzero(broken)} such values)"


def as_shown(value: Any) -> Any:
    """Return an element of an array as plain Python, for messages."""
    if isinstance(value, np.datetime64):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def stack(where: Path | str, series: Sequence[Values]) -> Values:
    """Stack series with equal numbers of channels: (n, time, channels), NaN after the
    shorter ones.

    Raises:
        ValueError: they are too large.
    """
    shape = (len(series), max(map(len, series)), series[0].shape[1])
    n_bytes = 8 * math.prod(shape)
    if n_bytes > LARGEST_BYTES:
        too_large(where, n_bytes)
    x = np.full(shape, np.nan)
    for one, row in zip(series, x, strict=True):
        row[: len(one)] = one
    return x


def labels(texts: Sequence[str]) -> NDArray[Any]:
    """Return labels as whole numbers if all of them look like it, so that 2 comes
    before 10.

    Else return texts: 01 and 1 are two classes.
    """
    within_64_bits = re.compile("0|-?[1-9][0-9]{0,17}")
    if all(map(within_64_bits.fullmatch, texts)):
        return np.array([int(text) for text in texts])
    return np.array(texts)


def too_large(path: Path | str, n_bytes: int) -> NoReturn:
    """Refuse data that would not fit in memory beside the training.

    Raises:
        ValueError: always.
    """
    refuse(
        path,
        f"at most {LARGEST_BYTES / 2**30:g} GiB of series",
        f"{n_bytes / 2**30:.3g} GiB",
        "Use fewer series, points or channels.",
    )

"""Read IDX files, the format of MNIST: images, or series, and their labels.

A file has two zeros, a byte for the type, one for the rank, the sizes as big-endian
integers, and the numbers. A directory has ``NAME-images-idx3-ubyte`` and
``NAME-labels-idx1-ubyte``. The test part, if any, is a second pair with names that
begin with ``t10k`` or ``test``. Files may be compressed by gzip. An image becomes a
series, pixel by pixel, row by row; bytes become numbers from 0 to 1.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...refusal import refuse
from .raw import LARGEST_BYTES, Raw, content, join_hashes, too_large

DESCRIBES = "a directory of IDX files"
TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""Byte of the type -> NumPy's name of it."""
MAX_BYTE = 255
_IMAGES = re.compile(r"images([-.])idx\d-ubyte(\.gz)?$")
_TESTS = ("t10k", "test")
_REMEDY = (
    "Give a directory of NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte, compressed"
    " or not; a second pair, named t10k… or test…, is the test part."
)


def matches(path: Path) -> bool:
    """Return whether a directory has IDX files of images; see ``Format``."""
    return path.is_dir() and bool(_images(path))


def _images(directory: Path) -> list[Path]:
    """Return the files of images, those of the test part last."""
    images = [path for path in directory.glob("*images*") if _IMAGES.search(path.name)]
    return sorted(images, key=lambda path: (_is_test(path), path.name))


def _is_test(path: Path) -> bool:
    return path.name.startswith(_TESTS)


def files(path: Path) -> Sequence[Path]:
    """Return the files of images and labels, then those of the test part, if any.

    Raises:
        ValueError: there are other pairs, or labels are missing.
    """
    images = _images(path)
    if [_is_test(one) for one in images] not in ([False], [True], [False, True]):
        names = ", ".join(one.name for one in images) or "none"
        rule = "one file of images, and perhaps one of test images"
        refuse(path, rule, names, _REMEDY)
    pairs = []
    for one in images:
        name = _IMAGES.sub(r"labels\1idx1-ubyte", one.name)
        pairs += [one, find(path, name, _REMEDY, f" beside {one.name}")]
    return pairs


def find(directory: Path, name: str, remedy: str, where: str = "") -> Path:
    """Return the path of a file, or of its compressed copy.

    Raises:
        ValueError: neither is there; the message says ``where``, and what to do.
    """
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    refuse(directory, f"a file {name} or {name}.gz{where}", "none", remedy)


def read(path: Path, *, unequal: bool) -> Raw:
    """Return the images as series, training part first; see ``Format``.

    Raises:
        ValueError: a file is missing, or is not an IDX file.
    """
    paths = files(path)
    arrays = [array(one, unpack(one, _REMEDY), "an IDX file", _REMEDY) for one in paths]
    images = arrays[::2]
    labels = arrays[1::2]
    for one, classes, pixels in zip(paths[1::2], labels, images, strict=True):
        if pixels.ndim < 2 or classes.shape != pixels.shape[:1]:
            got = f"labels of shape {classes.shape} for images of shape {pixels.shape}"
            refuse(one, "a label for every image", got, _REMEDY)
    if len({pixels.shape[1:] for pixels in images}) > 1:
        got = " and ".join(str(pixels.shape[1:]) for pixels in images)
        refuse(path, "images of one size", got, _REMEDY)
    x = np.concatenate([pixels.reshape(len(pixels), -1) for pixels in images])
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / np.float32(MAX_BYTE)
    y = np.concatenate(labels)
    test = np.arange(len(y)) >= len(labels[0]) if len(labels) > 1 else None
    digests = [hashlib.sha256(content(one)) for one in paths]
    return Raw(x=x, y=y, test=test, sha256=join_hashes(digests))


def unpack(path: Path, remedy: str) -> bytes:
    """Return the bytes of a file, compressed by gzip or not.

    Raises:
        ValueError: it cannot be read or unpacked, or is too large.
    """
    if path.suffix != ".gz":
        return content(path)
    try:
        with gzip.open(path) as file:
            bytes_ = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        refuse(path, "a file compressed by gzip", str(error), remedy)
    if len(bytes_) > LARGEST_BYTES:
        too_large(path, len(bytes_))
    return bytes_


def array(path: Path, bytes_: bytes, expected: str, remedy: str) -> NDArray[Any]:
    """Return the array of an IDX file.

    Raises:
        ValueError: it is not an IDX file, or damaged; the message says what was
            ``expected``.
    """
    try:
        zeros, code, rank = struct.unpack_from(">HBB", bytes_)
        sizes = struct.unpack_from(f">{rank}I", bytes_, offset=4)
        if zeros:
            raise KeyError(zeros)
        kind = np.dtype(TYPES[code])
    except (struct.error, KeyError):
        got = f"a file that begins with {bytes_[:4].hex(' ')!r}"
        refuse(path, expected, got, remedy)
    start = 4 + 4 * rank
    if math.prod(sizes) * kind.itemsize != len(bytes_) - start:
        refuse(path, expected, f"shape={sizes} and {len(bytes_) - start} bytes", remedy)
    return np.frombuffer(bytes_, kind, offset=start).reshape(sizes)

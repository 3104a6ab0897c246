"""Work arrays of passes, and threads that share their blocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .layout import Floats

Result = TypeVar("Result")


def in_threads(take: Callable[[int], Result], n: int) -> list[Result]:
    """Call ``take`` for 0 to n - 1, each in a thread, and return the results.

    Kernels release the interpreter lock.
    """
    if n == 1:
        return [take(0)]
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(take, range(n)))


class Work:
    """Named parts of a work array from a pool; it returns there with the last
    reference.

    A trajectory has megabytes: page faults in fresh memory would cost more than the
    storing itself.
    """

    def __init__(self, pool: list[Floats], **sizes: int) -> None:
        """Take a large enough array from the pool, or allocate one."""
        self._pool = pool
        starts = [0]
        for size in sizes.values():
            starts.append(starts[-1] + -(-size // 16) * 16)  # cache lines
        try:
            self._whole = pool.pop()
        except IndexError:
            self._whole = np.empty(0, np.float32)
        if len(self._whole) < starts[-1]:
            self._whole = _allocate_aligned(starts[-1])
        self._parts = {
            name: self._whole[start : start + size]
            for (name, size), start in zip(sizes.items(), starts, strict=False)
        }

    @property
    def size(self) -> int:
        """Number of floats of all parts."""
        return sum(map(len, self._parts.values()))

    def __getitem__(self, name: str) -> Floats:
        """Return the part ``name``."""
        return self._parts[name]

    def parts(self, *names: str) -> tuple[Any, ...]:
        """Return several parts, as arguments of a kernel."""
        return tuple(self._parts[name] for name in names)

    def __del__(self) -> None:
        """Return the array to the pool."""
        self._pool.append(self._whole)


def _allocate_aligned(n: int) -> Floats:
    """Return ``n`` float32 that begin at a cache line."""
    whole: NDArray[np.float32] = np.empty(n + 16, np.float32)
    first = -whole.ctypes.data // 4 % 16
    return whole[first : first + n]

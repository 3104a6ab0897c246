"""Arrays that passes work in, and threads that share their blocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpo.objectives.networks.kernels.layout import Floats

Result = TypeVar("Result")


def in_threads(take: Callable[[int], Result], n: int) -> list[Result]:
    """The results of ``take`` for 0 to n - 1, each in a thread; kernels release the lock."""
    if n == 1:
        return [take(0)]
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(take, range(n)))


class Work:
    """Named parts of a work array out of a pool; it goes back with the last reference to it.

    A trajectory is megabytes: fresh memory each time would cost more in page faults than the
    storing itself.
    """

    def __init__(self, pool: list[Floats], **sizes: int) -> None:
        """Take an array that is large enough, or make one."""
        self._pool = pool
        starts = [0]
        for size in sizes.values():
            starts.append(starts[-1] + -(-size // 16) * 16)  # cache lines
        try:
            self._whole = pool.pop()
        except IndexError:
            self._whole = np.empty(0, np.float32)
        if len(self._whole) < starts[-1]:
            self._whole = _aligned(starts[-1])
        self._parts = {
            name: self._whole[start : start + size]
            for (name, size), start in zip(sizes.items(), starts, strict=False)
        }

    @property
    def size(self) -> int:
        """Floats of all parts."""
        return sum(map(len, self._parts.values()))

    def __getitem__(self, name: str) -> Floats:
        """The part ``name``."""
        return self._parts[name]

    def parts(self, *names: str) -> tuple[Any, ...]:
        """Several parts, as arguments of a kernel."""
        return tuple(self._parts[name] for name in names)

    def __del__(self) -> None:
        """Give it back."""
        self._pool.append(self._whole)


def _aligned(n: int) -> Floats:
    """``n`` float32 from the beginning of a cache line."""
    whole: NDArray[np.float32] = np.empty(n + 16, np.float32)
    first = -whole.ctypes.data // 4 % 16
    return whole[first : first + n]

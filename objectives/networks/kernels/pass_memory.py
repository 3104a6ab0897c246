"""Memory of passes, and threads that share their blocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from .layout import Floats
from .sizes import WIDTH, round_up

Result = TypeVar("Result")


def in_threads(take: Callable[[int], Result], n: int) -> list[Result]:
    """Call ``take`` for 0 to n - 1, each in a thread, and return the results.

    Kernels release the interpreter lock.
    """
    if n == 1:
        return [take(0)]
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(take, range(n)))


def allocate(**sizes: int) -> dict[str, Floats]:
    """Return float32 arrays of these sizes, each from a cache line on."""
    whole: Floats = np.empty(sum(sizes.values()) + WIDTH * (len(sizes) + 1), np.float32)
    start = -whole.ctypes.data // 4 % WIDTH
    arrays = {}
    for name, size in sizes.items():
        arrays[name] = whole[start : start + size]
        start += round_up(size, WIDTH)
    return arrays

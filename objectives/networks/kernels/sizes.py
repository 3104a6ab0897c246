"""Sizes that the kernels and their callers share; light to import."""

from __future__ import annotations

WIDTH = 16
"""Floats of a vector: a register of AVX-512, two of AVX2."""
BLOCK = 24
"""Series of a block of a dense network, at most: with more, rows of 96 neurons leave the
first-level cache. A multiple of what a product takes at a time."""
PADDING = 5 * WIDTH
"""Floats between rows."""
TILE = 4
"""Rows that a product takes at a time, at least: a block is filled up to a multiple of it."""
SERIES = 32
"""Series of a block of a sparse network: the sums of a row fit in the registers of AVX2."""
FOLD = 8
"""Lanes in which the gradient of one weight of a sparse network is summed."""
DENSE = 0.55
"""Share of the possible weights between neurons from which on a network is dense.

Batches of 20 would have it at 0.2 to 0.5, those of 120 at 0.6 to 0.9, with vectors of 256 and of
512 bits: ``python -m benchmarks networks``. Here neither loses more than a factor of 1.4.
"""
MAX_TRAJECTORY = 2**27
"""Floats of a trajectory that are kept: 512 MB. Of a longer one, segments are computed again."""
MAX_KEPT_NOISE = 2**24
"""Random numbers kept from epoch to epoch, at most: 64 MB; the digits need 25 for 8 chips."""
MAX_CHIP_NOISE = 2**23
"""Of one chip: in longer series its noise begins again."""
SHIFTS = 2**20
"""Numbers among which the noise of a batch of training may begin."""
CHIPS = 4
"""Simulated chips of a confirmed network, where the study asks for none."""
_SEGMENT = 6
"""Points of a segment are a multiple of it: arrays used in turn are then where they began."""


def segment_points(n_points: int, floats_per_point: int) -> int:
    """Points of which a trajectory is kept at a time.

    >>> segment_points(784, 2**17), segment_points(784, 2**18), segment_points(784, 2**30)
    (784, 510, 6)
    """
    n_most = MAX_TRAJECTORY // floats_per_point
    return n_points if n_most >= n_points else max(_SEGMENT, n_most // _SEGMENT * _SEGMENT)

"""Sizes for the kernels and their callers; light to import."""

from __future__ import annotations

WIDTH = 16
"""Floats in a vector: one register of AVX-512, two of AVX2."""
BLOCK = 24
"""Most series in a block of a dense network: with more, rows of 96 neurons leave the
first-level cache. A multiple of the rows of a product."""
PADDING = 5 * WIDTH
"""Floats between rows."""
TILE = 4
"""Least number of rows that a product computes together: blocks are padded to a
multiple."""
SERIES = 32
"""Series in a block of a sparse network: the sums of a row fit in the registers of
AVX2."""
FOLD = 8
"""Lanes in the gradient sum of one weight of a sparse network."""
DENSE = 0.55
"""Least share of the possible weights between neurons for the dense layout.

The best share is 0.2 to 0.5 for batches of 20 and 0.6 to 0.9 for those of 120, with
vectors of 256 and of 512 bits: ``python -m benchmarks networks``. With this one,
neither loses more than a factor of 1.4.
"""
MAX_TRAJECTORY = 2**27
"""Most floats of a kept trajectory: 512 MB. Longer ones are computed again, segment by
segment."""
MAX_KEPT_NOISE = 2**24
"""Most random numbers kept between epochs: 64 MB; the digits need 25 MB for 8 chips."""
MAX_CHIP_NOISE = 2**23
"""Most random numbers of one chip: in longer series its noise begins again."""
SHIFTS = 2**20
"""Places in the noise table where the noise of a training batch may begin."""
CHIPS = 4
"""Default number of simulated chips for a confirmed network."""
_SEGMENT = 4
"""Segments are multiples of these points: arrays used in turn are then back at their
start."""


def round_up(n: int, multiple: int) -> int:
    """Return the least multiple from ``n`` on.

    >>> round_up(17, 16)
    32
    """
    return -(-n // multiple) * multiple


def segment_points(n_points: int, floats_per_point: int) -> int:
    """Return the number of points of a segment with a kept trajectory.

    >>> [segment_points(784, floats) for floats in (2**17, 2**18, 2**30)]
    [784, 512, 4]
    """
    most = MAX_TRAJECTORY // floats_per_point
    if most >= n_points:
        return n_points
    return max(_SEGMENT, most // _SEGMENT * _SEGMENT)

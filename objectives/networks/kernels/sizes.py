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
ABSENT = 0.3
"""Share of absent weights from which sparse products of full blocks are faster."""
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


def least_dense_share(batch_size: int) -> float:
    """Return the least share of the possible weights for the dense layout.

    Sparse blocks have SERIES places: a batch of 20 leaves 12 of 32 empty, and pays for
    them. By width and processor, both layouts are equally fast at shares of 0.5 to 0.7
    with batches of 120, and of 0.2 to 0.5 with those of 20. Dense is faster from 0.1 on
    with those of 10. See ``python -m benchmarks networks``.

    >>> [round(least_dense_share(batch), 2) for batch in (128, 120, 20, 10)]
    [0.7, 0.64, 0.33, 0.01]
    """
    filled = batch_size / round_up(batch_size, SERIES)
    return filled - ABSENT


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

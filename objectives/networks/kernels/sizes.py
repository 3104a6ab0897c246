"""How much of a trajectory is kept for the way back: known before anything is computed.

Light to import: a launch tells the memory of its workers by the same numbers.
"""

from __future__ import annotations

# sequences in a block: with 32, y of 96 neurons fits in half of L1, the sums of a row in the
# registers of AVX2, and a trajectory of 128 steps in 5 MB; with 64, several steps per point took
# twice as long
LANES = 32
SPINTRONIC_ROWS, JUMP_ROWS, CTRNN_ROWS = 3, 2, 1
"""Floats of a neuron that are kept of a step, or of a jump of noise, in every lane."""
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

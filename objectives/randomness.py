"""Named random streams: everything random about a member comes from its seed alone.

Each use has its own stream. So a change of one thing (more layers, another learning
rate, one more epoch) leaves all other random numbers the same.
"""

from __future__ import annotations

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator ``name`` of the member ``seed``, at its start.

    Streams of different names or seeds are independent. The global random state is
    neither read nor changed.

    Frozen: stored studies and resumed trials depend on these bits. Add a function
    instead of changing this one.

    Raises:
        ValueError: ``seed`` is negative.

    >>> stream(0, "masks").integers(100, size=3).tolist()
    [29, 58, 38]
    >>> stream(0, "weights").integers(100, size=3).tolist()
    [93, 44, 55]
    """
    if seed < 0:
        raise ValueError(
            f"random stream {name!r}: expected a seed of 0 or more, got {seed}. "
            "Use a non-negative integer."
        )
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
    )

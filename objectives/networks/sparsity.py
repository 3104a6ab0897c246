"""Sparse connections: masks drawn at random before training and kept throughout it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def n_connections(n: int, density: float) -> int:
    """How many of ``n`` possible connections exist at ``density``: the nearest whole number.

    Raises:
        ValueError: ``density`` lies outside [0, 1].

    >>> n_connections(32 * 32, 0.5)
    512
    """
    if not 0.0 <= density <= 1.0:
        raise ValueError(
            f"sparsity: expected `0 <= density <= 1`, got density={density}. "
            "Use the fraction of connections to keep."
        )
    return round(density * n)


def random_mask(
    generator: np.random.Generator, shape: tuple[int, ...], density: float
) -> NDArray[np.bool_]:
    """A mask of ``shape`` with exactly ``n_connections(size, density)`` entries True.

    The connections join in a random order that does not depend on the density: with the same
    generator, the mask of a lower density is part of the mask of a higher one.
    """
    size = int(np.prod(shape))
    mask = np.zeros(size, dtype=np.bool_)
    mask[generator.permutation(size)[: n_connections(size, density)]] = True
    return mask.reshape(shape)


def mirrored_mask(
    generator: np.random.Generator, shape: tuple[int, ...], density: float
) -> NDArray[np.bool_]:
    """A mask of a square ``shape`` with as many entries True, each beside its mirror image.

    What the pairs leave over, one entry or those of a dense mask, is on the diagonal.
    """
    n, (rows, columns) = shape[0], np.triu_indices(shape[0], 1)
    count, chosen = n_connections(n * n, density), generator.permutation(len(rows))
    chosen = chosen[: count // 2]
    mask = np.zeros(shape, dtype=np.bool_)
    mask[rows[chosen], columns[chosen]] = mask[columns[chosen], rows[chosen]] = True
    alone = generator.permutation(n)[: count - 2 * len(chosen)]
    mask[alone, alone] = True
    return mask

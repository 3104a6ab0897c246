"""Sparse connections: masks drawn at random before training and kept throughout it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def n_connections(n: int, density: float) -> int:
    """Return how many of ``n`` possible connections exist at ``density``, to the
    nearest one.

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


def draw_mask(
    generator: np.random.Generator, shape: tuple[int, ...], density: float
) -> NDArray[np.bool_]:
    """Draw a mask of ``shape`` with exactly ``n_connections(size, density)`` entries
    True.

    The random order of the connections does not depend on the density: with the same
    generator, the mask of a lower density is part of the mask of a higher one.
    """
    size = int(np.prod(shape))
    mask = np.zeros(size, dtype=np.bool_)
    mask[generator.permutation(size)[: n_connections(size, density)]] = True
    return mask.reshape(shape)


def draw_mirrored_mask(
    generator: np.random.Generator, shape: tuple[int, ...], density: float
) -> NDArray[np.bool_]:
    """Draw a symmetric mask of a square ``shape`` with as many entries True.

    Entries that make no pair, one of them or those of a dense mask, are on the
    diagonal.
    """
    n = shape[0]
    (rows, columns) = np.triu_indices(shape[0], 1)
    count = n_connections(n * n, density)
    pairs = generator.permutation(len(rows))
    pairs = pairs[: count // 2]
    mask = np.zeros(shape, dtype=np.bool_)
    mask[rows[pairs], columns[pairs]] = mask[columns[pairs], rows[pairs]] = True
    diagonal = generator.permutation(n)[: count - 2 * len(pairs)]
    mask[diagonal, diagonal] = True
    return mask

"""Draw the masks and initial weights of a member, each array from a random stream of
its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..randomness import stream

Shape = tuple[int, ...]
Sample = Callable[[np.random.Generator, Shape], NDArray[Any]]


def draw(
    seeds: Sequence[int],
    name: str,
    shapes: Sequence[Shape],
    whole: Shape,
    samples: Sequence[Sample],
) -> Tensor:
    """Draw an array for each member and shape: (members, shapes, *whole), zero beyond
    its shape.

    Each array has a random stream of its own.
    """
    arrays = np.zeros((len(seeds), len(shapes), *whole))
    for of_member, seed in zip(arrays, seeds, strict=True):
        for k, (shape, sample) in enumerate(zip(shapes, samples, strict=False)):
            of_member[k][tuple(map(slice, shape))] = sample(
                stream(seed, f"{name}/{k}"), shape
            )
    return torch.from_numpy(arrays)


def draw_uniform(
    generator: np.random.Generator, shape: tuple[int, ...], bound: float
) -> NDArray[np.float64]:
    """Draw numbers between -bound and bound."""
    return generator.uniform(-bound, bound, shape)


def antisymmetrise(weights: Tensor, fastest: Sequence[float]) -> Tensor:
    """Return W - W^T for the upper triangle W of square matrices, (members, layers,
    width, width).

    Its eigenvalues are imaginary: modes turn, and neither grow nor decay. ``fastest``
    is the largest one in each layer. B. Chang et al., AntisymmetricRNN, ICLR 2019,
    arXiv:1902.09689.
    """
    above = weights.triu(1)
    difference = above - above.mT
    norm = torch.linalg.matrix_norm(
        difference.double(), 2
    )  # last bits depend on the host
    factor = torch.where(norm > 0, norm.new_tensor(fastest) / norm, 0.0).float()
    return difference * factor.to(difference)[..., None, None]


def check_sizes(**sizes: int) -> None:
    """Refuse a size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"layered network: expected `{name} >= 1`, got {name}={size}. "
                "Give a whole number from 1."
            )

"""What is drawn of a member before its training, each array from a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.randomness import stream

Shape = tuple[int, ...]
Sample = Callable[[np.random.Generator, Shape], NDArray[Any]]


def draw(
    seeds: Sequence[int],
    name: str,
    shapes: Sequence[Shape],
    whole: Shape,
    samples: Sequence[Sample],
) -> Tensor:
    """For each member as many arrays as shapes, (members, n, *whole), zero beyond their shape.

    Each is drawn from a stream of its own.
    """
    drawn = np.zeros((len(seeds), len(shapes), *whole))
    for own, seed in zip(drawn, seeds, strict=True):
        for k, (shape, sample) in enumerate(zip(shapes, samples, strict=False)):
            own[k][tuple(map(slice, shape))] = sample(stream(seed, f"{name}/{k}"), shape)
    return torch.from_numpy(drawn)


def uniform_within(
    generator: np.random.Generator, shape: tuple[int, ...], bound: float
) -> NDArray[np.float64]:
    """Numbers between -bound and bound."""
    return generator.uniform(-bound, bound, shape)


def antisymmetric(weights: Tensor, fastest: Sequence[float]) -> Tensor:
    """W - W^T of what is above the diagonal of square matrices, (members, layers, width, width).

    Its eigenvalues are imaginary: modes turn, and neither grow nor decay. ``fastest``: the largest
    in each layer. B. Chang et al., AntisymmetricRNN, ICLR 2019, arXiv:1902.09689.
    """
    above = weights.triu(1)
    whole = above - above.mT
    found = torch.linalg.matrix_norm(whole.double(), 2)  # rounded: last bits are of a host
    factor = torch.where(found > 0, found.new_tensor(fastest) / found, 0.0).float()
    return whole * factor.to(whole)[..., None, None]


def check_sizes(**sizes: int) -> None:
    """Refuse a size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"layered network: expected `{name} >= 1`, got {name}={size}. "
                "Give a whole number from 1."
            )

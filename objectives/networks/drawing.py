"""What is drawn of a member before its training, each array from a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.randomness import stream

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


def check_sizes(**sizes: int) -> None:
    """Refuse a size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"layered network: `{name} >= 1` must hold, but got {name}={size}. "
                "Give a whole number from 1."
            )

"""Dense or sparse: times of both layouts near their crossing, for
``sizes.least_dense_share``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import torch

from benchmarks.networks import implementations, parts
from hpo.objectives.networks.kernels import layout

DENSITIES = (0.25, 0.35, 0.45, 0.55, 0.7)
BATCHES = (10, 20, 120)
REPEATS = {32: 12, 64: 6, 128: 4}


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A spintronic network in both layouts: seconds per series, forward and back."""

    width: int
    batch: int
    density: float
    dense: float
    sparse: float


def measure() -> Iterator[Crossing]:
    """By the best of some repeats."""
    for width, repeats in REPEATS.items():
        for batch in BATCHES:
            for density in DENSITIES:
                network, split, _ = implementations.drawn("spintronic", width, density)
                u = torch.from_numpy(split.train.x[:batch])
                seconds = {}
                for name, least in (("dense", 0.0), ("sparse", 2.0)):
                    chosen = mock.Mock(return_value=least)
                    with mock.patch.object(layout, "least_dense_share", chosen):
                        network.__dict__.pop("layouts", None)  # it is drawn once
                        own = parts.alone(network.kernel(0), network, u, repeats)
                    seconds[name] = sum(own) / batch
                yield Crossing(width=width, batch=batch, density=density, **seconds)

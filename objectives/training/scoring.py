"""Scores of trained networks: the fraction of examples that they classify correctly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..data.examples import Examples
from ..hardware.variability import Variability
from ..networks.input_errors import InputErrors, draw_input_errors
from ..networks.kernels.chips import Chip
from ..networks.kernels.layout import Floats
from ..networks.kernels.sizes import MAX_CHIP_NOISE, MAX_KEPT_NOISE
from ..networks.layered import LayeredNetwork
from ..networks.programming import programmed
from ..networks.simulated_chips import (
    draw_chip,
    draw_normals,
    is_noisy,
)

SCORING_BATCH = 512

Accuracy = Callable[[Any, Examples], tuple[float, bool]]
"""Returns the accuracy of a network on examples, and whether every output was
finite."""


def ideal_accuracy(network: nn.Module, examples: Examples) -> tuple[float, bool]:
    """Return the accuracy of the ideal network; an output that is not finite is
    wrong."""
    with torch.no_grad():
        total, finite = _count(network, network, examples)
    return total / len(examples), finite


class Hardware:
    """Accuracy of a network on simulated chips: its mean over the draws.

    Args:
        variability: how chips differ from the ideal network.
        seed: seed of the member, from which the chips are drawn.
        n_steps: jumps of the neurons per point by noise. A network with finer steps,
            see ``solved_equation``, gets the same jumps, and is solved between them.
        n_kept: largest number of normal numbers that are kept for the next scoring.
    """

    def __init__(
        self,
        variability: Variability,
        seed: int,
        n_steps: int,
        n_kept: int = MAX_KEPT_NOISE,
    ) -> None:
        """Check the measured devices, if any: see ``Variability.measured``."""
        variability.measured()
        self._variability = variability
        self._seed = seed
        self._n_steps = n_steps
        self._normals: dict[int, Floats] = {}
        self._n_left = n_kept

    def accuracy(
        self, network: LayeredNetwork, examples: Examples
    ) -> tuple[float, bool]:
        """See ``Accuracy``; an output that is not finite is wrong."""
        counts, finite = self.chips(network, examples, count_right)
        return sum(counts) / (len(counts) * len(examples)), finite

    def accuracies(
        self, network: LayeredNetwork, examples: Examples
    ) -> tuple[float, ...]:
        """Return the accuracy on each chip; 0 if a weight is not finite."""
        if not is_finite(network):
            return (0.0,) * self._variability.draws
        counts, _ = self.chips(network, examples, count_right)
        return tuple(n / len(examples) for n in counts)

    def chips(
        self, network: LayeredNetwork, examples: Examples, measure: ChipMeasure
    ) -> tuple[list[float], bool]:
        """Return the measured value on every chip, and whether every output is
        finite."""
        variability = self._variability
        noisy = is_noisy(variability, network)
        n_chips = variability.draws if noisy or variability.is_random else 1
        values = []
        finite = True
        with torch.no_grad():
            for number in range(n_chips):
                normals = None
                if noisy:
                    normals = self._chip_normals(number, network, examples.shape[1])
                chip = draw_chip(
                    variability,
                    self._seed,
                    number,
                    network=network,
                    normals=normals,
                    jumps_per_point=self._n_steps,
                )
                errors = draw_input_errors(variability, self._seed, number)
                with programmed(network, chip.programming):
                    value, all_finite = measure(network, examples, chip, errors)
                values.append(value)
                finite = finite and all_finite
        return values, finite

    def _chip_normals(
        self, number: int, network: LayeredNetwork, n_points: int
    ) -> Floats:
        """Return the noise of a chip; it is kept, since drawing it takes longer than
        scoring."""
        if number in self._normals:
            return self._normals[number]
        per_jump = network.floats_per_jump
        n_jumps = min(n_points * self._n_steps, max(1, MAX_CHIP_NOISE // per_jump))
        normals = draw_normals(self._seed, number, network=network, n_jumps=n_jumps)
        if len(normals) <= self._n_left:
            self._normals[number] = normals
            self._n_left -= len(normals)
        return normals


ChipMeasure = Callable[
    [LayeredNetwork, Examples, Chip, InputErrors], tuple[float, bool]
]
"""Returns a number of a network on a chip, and whether all outputs are finite."""


def count_right(
    network: LayeredNetwork, examples: Examples, chip: Chip, errors: InputErrors
) -> tuple[float, bool]:
    """Return how many examples a chip classifies correctly; see ``ChipMeasure``."""
    return _count(lambda x: network(errors(x), chip), network, examples)


def score(
    network: nn.Module, examples: Examples, accuracy: Accuracy, worst: float = 0.0
) -> tuple[float, bool]:
    """Return the accuracy, and whether all is finite; ``worst`` if a weight is not
    finite."""
    return accuracy(network, examples) if is_finite(network) else (worst, False)


def _count(
    read: Callable[[Tensor], Tensor], network: nn.Module, examples: Examples
) -> tuple[int, bool]:
    """Return how many examples logits (1, batch, classes) get right, and whether all
    are finite."""
    total = 0
    all_finite = True
    for x, label in batches(examples, SCORING_BATCH, network_device(network)):
        logits = read(x)[0]
        finite = logits.isfinite().all(dim=1)
        total += int(((logits.argmax(dim=1) == label) & finite).sum())
        all_finite = all_finite and bool(finite.all())
    return total, all_finite


def batches(
    examples: Examples, size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of ``size`` in order, the last one maybe smaller: (input, label) on
    ``device``.

    One batch is copied at a time.
    """
    for part in examples.batches(size):
        yield (
            torch.from_numpy(part.x).to(device),
            torch.from_numpy(part.label).to(device),
        )


def network_device(network: nn.Module) -> torch.device:
    """Return the device of the network's parameters."""
    return next(network.parameters()).device


def is_finite(network: nn.Module) -> bool:
    """Return whether every weight is finite."""
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())

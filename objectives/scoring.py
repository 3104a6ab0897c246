"""How a trained network is scored: the fraction of examples that it classifies rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpo.objectives.networks.devices import draw_chip, draw_normals, is_noisy, quantise_network
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.kernels.layout import Floats
from hpo.objectives.networks.kernels.sizes import MAX_CHIP_NOISE, MAX_KEPT_NOISE
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.randomness import stream
from hpo.objectives.tasks.data import Examples
from hpo.objectives.variability import Variability

SCORING_BATCH = 512

Accuracy = Callable[[Any, Examples], tuple[float, bool]]
"""Of a network and examples: the accuracy, and whether every prediction was finite."""


def ideal_accuracy(network: nn.Module, examples: Examples) -> tuple[float, bool]:
    """Accuracy of the network as it was trained; a prediction that is not finite is wrong."""
    n_right, finite = 0, True
    with torch.no_grad():
        for x, label in batches(examples, SCORING_BATCH, device_of(network)):
            right, all_finite = _right(network(x)[0], label)
            n_right, finite = n_right + right, finite and all_finite
    return n_right / len(examples), finite


class Hardware:
    """Accuracy of a network on simulated chips: its mean over the draws.

    Args:
        variability: how chips differ from the ideal.
        seed: that of the member, from which the chips are drawn.
        n_steps: steps per point after which noise makes the neurons jump. A network that takes
            finer steps, see ``solving``, gets the same jumps, and is solved between them.
        n_kept: normal numbers of the noise that are kept from one scoring to the next.
    """

    def __init__(
        self, variability: Variability, seed: int, n_steps: int, n_kept: int = MAX_KEPT_NOISE
    ) -> None:
        """Look for the measured devices, if there are some: see ``Variability.measured``."""
        variability.measured()
        self._variability, self._seed, self._n_steps = variability, seed, n_steps
        self._normals: dict[int, Floats] = {}
        self._n_left = n_kept

    def accuracy(self, network: LayeredNetwork, examples: Examples) -> tuple[float, bool]:
        """See ``Accuracy``; a prediction that is not finite is wrong."""
        found, finite = self.chips(network, examples, n_right)
        return sum(found) / (len(found) * len(examples)), finite

    def accuracies(self, network: LayeredNetwork, examples: Examples) -> tuple[float, ...]:
        """Return the accuracy on each chip; 0 on all of a network that is not finite."""
        if not is_finite(network):
            return (0.0,) * self._variability.draws
        return tuple(n / len(examples) for n in self.chips(network, examples, n_right)[0])

    def chips(
        self, network: LayeredNetwork, examples: Examples, measure: Measured
    ) -> tuple[list[float], bool]:
        """Return what is measured on every chip, and whether all that it reads out is finite."""
        variability, n_points = self._variability, examples.shape[1]
        noisy = is_noisy(variability, network)
        every = range(variability.draws if noisy or variability.is_random else 1)
        found, finite = [], True
        with torch.no_grad(), quantise_network(network, variability.weight_bits):
            for number in every:
                normals = self._normals_of(number, network, n_points) if noisy else None
                how: Any = {"network": network, "normals": normals}
                how["jumps_per_point"] = self._n_steps
                chip = draw_chip(variability, self._seed, number, **how)
                inputs = stream(self._seed, f"variability/input/{number}")
                noisy_u = partial(noisy_input, size=variability.input_noise, inputs=inputs)
                value, all_finite = measure(network, examples, chip, noisy_u)
                found.append(value)
                finite = finite and all_finite
        return found, finite

    def _normals_of(self, number: int, network: LayeredNetwork, n_points: int) -> Floats:
        """They are the same in every epoch: to draw them takes longer than to score with them."""
        if number in self._normals:
            return self._normals[number]
        per_jump = network.floats_per_jump
        n_jumps = min(n_points * self._n_steps, max(1, MAX_CHIP_NOISE // per_jump))
        normals = draw_normals(self._seed, number, network=network, n_jumps=n_jumps)
        if len(normals) <= self._n_left:
            self._normals[number] = normals
            self._n_left -= len(normals)
        return normals


def noisy_input(u: Tensor, size: float, inputs: np.random.Generator) -> Tensor:
    """Return ``u`` with normal noise of a standard deviation of ``size``."""
    if size == 0.0:
        return u
    drawn = inputs.standard_normal(tuple(u.shape), dtype=np.float32)
    return u + size * torch.from_numpy(drawn).to(u)


Measured = Callable[
    [LayeredNetwork, Examples, Chip, Callable[[Tensor], Tensor]], tuple[float, bool]
]
"""Of a network on a chip, whose inputs have noise: a number, and whether all is finite."""


def n_right(
    network: LayeredNetwork,
    examples: Examples,
    chip: Chip,
    noisy: Callable[[Tensor], Tensor],
) -> tuple[float, bool]:
    """Return how many examples a chip classifies rightly; see ``Measured``."""
    total, finite = 0, True
    for x, label in batches(examples, SCORING_BATCH, device_of(network)):
        right, all_finite = _right(network(noisy(x), chip)[0], label)
        total, finite = total + right, finite and all_finite
    return total, finite


def score(
    network: nn.Module, examples: Examples, accuracy: Accuracy, worst: float = 0.0
) -> tuple[float, bool]:
    """The accuracy, and whether all is finite; ``worst`` of a network with a weight that is not."""
    return accuracy(network, examples) if is_finite(network) else (worst, False)


def _right(logits: Tensor, label: Tensor) -> tuple[int, bool]:
    """How many of the logits (batch, classes) are right, and whether all are finite."""
    finite = logits.isfinite().all(dim=1)
    return int(((logits.argmax(dim=1) == label) & finite).sum()), bool(finite.all())


def batches(examples: Examples, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of ``size`` in order, the last one possibly smaller: (input, label) on ``device``.

    No more than one is copied at a time.
    """
    for part in examples.batches(size):
        yield torch.from_numpy(part.x).to(device), torch.from_numpy(part.label).to(device)


def device_of(network: nn.Module) -> torch.device:
    """Where the network computes."""
    return next(network.parameters()).device


def is_finite(network: nn.Module) -> bool:
    """Whether every weight is."""
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())

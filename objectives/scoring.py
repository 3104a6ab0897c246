"""How a trained network is scored: the fraction of examples that it classifies rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from objectives.networks.devices import drawn, drawn_noise, read_out
from objectives.networks.kernels.sizes import MAX_KEPT_NOISE
from objectives.networks.layered import LayeredNetwork
from objectives.tasks.data import Examples
from objectives.variability import Variability

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
    """

    def __init__(self, variability: Variability, seed: int, n_steps: int) -> None:
        """Look for the measured devices, if there are some: see ``Variability.measured``."""
        variability.measured()
        self._variability, self._seed, self._n_steps = variability, seed, n_steps
        self._noise: dict[range, Tensor | None] = {}
        self._n_kept = 0

    def accuracy(self, network: LayeredNetwork, examples: Examples) -> tuple[float, bool]:
        """See ``Accuracy``; a prediction that is not finite is wrong."""
        n_right, finite = self._n_right(network, examples)
        return sum(n_right) / (len(n_right) * len(examples)), finite

    def info(self, network: LayeredNetwork, examples: Examples) -> dict[str, float]:
        """What the mean leaves out: the accuracy without variability, and that of the worst chip.

        Of a network with a weight that is not finite, both are 0.
        """
        if not is_finite(network):
            return {"ideal_accuracy": 0.0, "worst_draw_accuracy": 0.0}
        worst = min(self._n_right(network, examples)[0]) / len(examples)
        ideal, _ = ideal_accuracy(network, examples)
        return {"ideal_accuracy": ideal, "worst_draw_accuracy": worst}

    def _n_right(self, network: LayeredNetwork, examples: Examples) -> tuple[list[int], bool]:
        """How many examples every chip classifies rightly, and whether all that it says is finite.

        The kernel takes one chip after the other, the reference all of them at once.
        """
        bits, n_points = self._variability.weight_bits, examples.shape[1]
        device = device_of(network)
        every = range(self._variability.draws if self._variability.is_random else 1)
        fused = network.computes_fused(next(batches(examples, 1, device))[0])
        groups = [range(k, k + 1) for k in every] if fused else [every]
        n_right, finite = [0 for _ in every], True
        for draws in groups:
            noise = self._noise_of(draws, network, n_points)
            chips = drawn(self._variability, self._seed, draws, network=network, noise=noise)
            for x, label in batches(examples, SCORING_BATCH, device):
                logits = read_out(network, chips, x, bits)
                for k, of_chip in zip(draws, logits, strict=True):
                    right, all_finite = _right(of_chip, label)
                    n_right[k] += right
                    finite = finite and all_finite
        return n_right, finite

    def _noise_of(self, draws: range, network: LayeredNetwork, n_points: int) -> Tensor | None:
        """It is the same in every epoch: to draw it takes longer than to score with it."""
        if draws in self._noise:
            return self._noise[draws]
        noise = drawn_noise(
            self._variability,
            self._seed,
            draws,
            network=network,
            n_points=n_points,
            n_steps=self._n_steps,
        )
        size = 0 if noise is None else noise.numel()
        if self._n_kept + size <= MAX_KEPT_NOISE:
            self._noise[draws] = noise
            self._n_kept += size
        return noise


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

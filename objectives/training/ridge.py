"""Reservoir computing: only the readout is trained, in closed form.

With the states x(t) of a random network and the targets d(t), t = 1 ... T, weights W
and bias b minimise::

    1/T sum_t |W x(t) + b - d(t)|^2 + ridge |W|^2

M. Lukoševičius, A practical guide to applying echo state networks, in Neural Networks:
Tricks of the Trade (2012), section 4.2 (ridge regression); the bias is not penalised
here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..networks.kernels.chips import IDEAL, Chip
from ..networks.kernels.updates import Descent, Updates
from ..networks.layered import LayeredNetwork, Noise
from ..networks.programming import programmed

Array = NDArray[np.float64]


def fit(states: Array, targets: Array, ridge: float) -> tuple[Array, Array]:
    """Return the weights (outputs, states) and the bias (outputs,) of the equation
    above.

    Args:
        states: (points, states).
        targets: (points, outputs).
        ridge: above 0, in the units of the states squared over those of the targets
            squared.
    """
    return next(fits(states, targets, (ridge,)))


def fits(
    states: Array, targets: Array, ridges: Iterable[float]
) -> Iterator[tuple[Array, Array]]:
    """Yield the weights and biases of ``fit`` for each penalty."""
    mean = states.mean(axis=0)
    level = targets.mean(axis=0)
    x = states - mean
    gram = x.T @ x / len(x)
    product = x.T @ (targets - level) / len(x)
    for ridge in ridges:
        weights: Array = np.linalg.solve(gram + ridge * np.eye(x.shape[1]), product).T
        yield weights, level - weights @ mean


class RidgeUpdates(Updates):
    """Fits the readout of a network of one member at once; other weights stay as
    drawn."""

    def __init__(
        self, network: LayeredNetwork, ridge: float, noise: Noise | None = None
    ) -> None:
        """Keep the arguments; ``noise`` is the readout noise."""
        self._network = network
        self._ridge = ridge
        self._noise = noise

    def update(
        self, u: Tensor, label: Tensor, descent: Descent, chip: Chip = IDEAL
    ) -> tuple[float, bool]:
        """Fit all points of ``label``, whatever the learning rate; see ``Updates``."""
        return self.fit(u, label, chip)

    def fit(self, u: Tensor, label: Tensor, chip: Chip) -> tuple[float, bool]:
        """Fit the readout at all points of ``label`` to it.

        Returns:
            The mean squared error of the fit, and whether there is a fit: there is none
            if a state is not finite.
        """
        network = self._network
        with torch.no_grad(), programmed(network, chip.programming):
            read = network.read(u, label.shape[1], chip, self._noise)[0]
        states = read.flatten(0, 1).cpu().double().numpy()
        targets = label.flatten(0, 1).cpu().double().numpy()
        if not np.isfinite(states).all():
            return math.nan, False
        weights, bias = fit(states, targets, self._ridge)
        with torch.no_grad():
            network.w_out.copy_(torch.from_numpy(weights))
            network.bias_out.copy_(torch.from_numpy(bias))
        return float(np.square(states @ weights.T + bias - targets).mean()), True

    def settle(self) -> None:
        """Do nothing: the readout is up to date."""

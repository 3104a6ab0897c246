"""The cumulative drive of a trained network, Eq. (9) and (11) of arXiv:2408.02835."""

from __future__ import annotations

import numpy as np
import torch

from ..hardware import physics
from ..networks.layered import LayeredNetwork


def measure_drive(
    network: LayeredNetwork, s: float | tuple[float, ...]
) -> dict[str, float]:
    """Return S <|W|> sqrt(N) dt of a network of one member, and <|W|>.

    <|W|> is the mean absolute weight of the connections between and within layers,
    without input, biases and readout. The fan-in N is their mean number per neuron, as
    below Eq. (9). Layers that differ are averaged over neurons. The result is {}
    without such connections, or if a weight is not finite.
    """
    with torch.no_grad():
        inter = network.w_inter[network.mask_inter]
        intra = network.w_intra[network.mask_intra]
        weights = torch.cat((inter, intra)).double().abs().numpy()
    if not weights.size or not np.isfinite(weights).all():
        return {}
    widest = max(network.widths)
    n_neurons = network.n_neurons
    above = n_neurons - network.widths[0]
    mean = float(weights.mean())
    drive = physics.drive_per_ns(
        s=float(network.per_neuron(s).mean()) if isinstance(s, tuple) else s,
        mean_weight_per_ns=mean,
        fan_in=physics.fan_in(
            width=widest,
            density_inter=len(inter) / max(1, above * widest),
            density_intra=len(intra) / (n_neurons * widest),
        ),
    )
    return {
        "mean_weight_per_ns": mean,
        "cumulative_drive": physics.cumulative_drive(
            drive_per_ns=drive, point_ns=network.physics.point_ns
        ),
    }

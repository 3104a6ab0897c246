"""Ranges of a trained network: quantiles of its drive, its weights and its states."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.contract import QUANTILES

from ..hardware.physics import spread_layers
from ..networks.integrators import Stepping
from ..networks.layered import LayeredNetwork

Array = NDArray[np.float64]
MAX_SERIES = 64
MAX_POINTS = 500
"""Series, and points of a series, that are looked at."""
_DIGITS = 4


def measure_ranges(network: LayeredNetwork, u: Tensor) -> dict[str, tuple[float, ...]]:
    """Return quantiles of a network of one member by quantity; see
    ``contract.Tolerances``.

    ``drive`` acts on the neurons as each point begins; ``drive_asked`` is the drive
    before its limit, if it has one. ``input``, ``between``, ``within`` and ``bias`` are
    S W of the connections there are. ``x`` and ``y`` are at the times between points.

    Args:
        network: the network, on its solved equation.
        u: input, (batch, time, channels); the first of both are taken.
    """
    u = u[:MAX_SERIES, :MAX_POINTS]
    with torch.no_grad():
        series = network.trajectories(u)
    gamma = _damping(network)
    values = {"drive": _existing(network, series["drive"] / gamma)}
    if network.physics.drive_limit != "none":
        y = _delay(series["y"][:, :, :, :-1], network.physics)
        asked = _drive_before_limit(network, y, u)
        values["drive_asked"] = _existing(network, asked / gamma)
    values |= _weights(network, gamma)
    for name in ("x", "y"):
        values[name] = _existing(network, series[name])
    return {name: _quantiles(own) for name, own in values.items() if own.size}


def _damping(network: LayeredNetwork) -> Tensor:
    """Return the nominal damping of each layer, per ns, (layers, 1, 1, 1)."""
    tau_ns = network.physics.device.values().get("tau_ns", 1.0)
    by_layer = spread_layers(tau_ns, len(network.widths), "tau_ns")
    return 1.0 / torch.tensor(by_layer)[:, None, None, None]


def _delay(y: Tensor, physics: Stepping) -> Tensor:
    """Return the outputs that enter the drives, linear between two points."""
    points = physics.coupling_delay_ns / physics.point_ns
    whole = math.floor(points)
    now = torch.arange(y.shape[3])
    late = y[:, :, :, (now - whole).clamp(min=0)]
    later = y[:, :, :, (now - whole - 1).clamp(min=0)]
    return late + (points - whole) * (later - late)


def _drive_before_limit(network: LayeredNetwork, y: Tensor, u: Tensor) -> Tensor:
    """Return the drive without its limit, (members, layers, batch, time, width), of
    outputs of this shape."""
    limited = network.physics
    network.physics = limited.with_device_values(drive_limit="none")
    try:
        drive = network.dynamics().drive(y.flatten(2, 3), u.flatten(0, 1))
    finally:
        network.physics = limited
    return drive.detach().reshape(y.shape)


def _existing(network: LayeredNetwork, values: Tensor) -> Array:
    """Return the values of the neurons that exist, of (1, layers, batch, time,
    width)."""
    by_neuron = values[0].movedim(-1, 1)[network.exists]
    return by_neuron.double().numpy().ravel()


def _weights(network: LayeredNetwork, gamma: Tensor) -> dict[str, Array]:
    """Return S W over the damping of the target, by kind of connection."""
    n_layers = len(network.widths)
    s = torch.tensor(spread_layers(network.physics.s, n_layers, "s"))
    factor = (s / gamma.flatten())[:, None, None]
    exists = network.exists[None, :, :, None]
    kinds = {
        "input": (network.w_in * factor[0], network.mask_in),
        "between": (network.w_inter * factor[1:], network.mask_inter),
        "within": (network.w_intra * factor, network.mask_intra),
        "bias": (network.bias[..., None] * factor, exists),
    }
    chosen = {}
    for name, (weights, mask) in kinds.items():
        chosen[name] = weights.detach()[mask.bool()].double().numpy()
    return chosen


def _quantiles(values: Array) -> tuple[float, ...]:
    quantiles = np.quantile(values, QUANTILES)
    return tuple(float(f"{one:.{_DIGITS}g}") for one in quantiles)

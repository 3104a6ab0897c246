"""Small networks, and their equations written again, in numpy, to be solved by SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

from objectives.networks.ctrnn import CtrnnNetwork, CtrnnPhysics
from objectives.networks.integrators import INTEGRATORS
from objectives.networks.layered import LayeredNetwork
from objectives.networks.spintronic import SpintronicNetwork, SpintronicPhysics

Floats = NDArray[np.float64]
Slope = Callable[[float, Floats], Floats]

GAMMA = 0.25
KINDS = ["spintronic", "ctrnn"]
METHODS = list(INTEGRATORS)
STEPPING = {"dt_ns", "integrator", "steps_per_point", "max_step_ns"}


def tiny(kind: str = "spintronic", *, seeds: tuple[int, ...] = (0,), **changes: Any) -> Any:
    """Three layers of four neurons, two channels, three outputs, float64; and what is changed."""
    physics: dict[str, Any] = {"tau_ns": 1 / GAMMA, "s": 0.5, "max_step_ns": np.inf}
    if kind == "spintronic":
        physics |= {"f_cut_per_ns": 0.1}
    names = {*physics, *STEPPING, "q", "sigma", "start", "readout"}
    physics |= {name: changes.pop(name) for name in names & changes.keys()}
    build: Any = {
        "spintronic": lambda **kw: SpintronicNetwork(physics=SpintronicPhysics(**physics), **kw),
        "ctrnn": lambda **kw: CtrnnNetwork(physics=CtrnnPhysics(**physics), **kw),
    }[kind]
    sizes = {"channels": 2, "outputs": 3, "layers": 3, "width": 4}
    densities = {"density_inter": 0.6, "density_intra": 0.4}
    return build(seeds=seeds, **{**sizes, **densities, "dtype": torch.float64, **changes})


def inputs(batch: int = 3, time: int = 5, channels: int = 2) -> Tensor:
    """Points in [0, 1], (batch, time, channels), float64."""
    return torch.from_numpy(np.random.default_rng(0).uniform(size=(batch, time, channels)))


def scaled(network: LayeredNetwork, factor: float) -> Any:
    """The same network, all its parameters multiplied by ``factor``."""
    for parameter in network.parameters():
        parameter.data *= factor
    return network


def of_layers(value: Any) -> Floats:
    """One number, or one for each layer, beside a state, (layers or 1, 1)."""
    return np.reshape(np.array(value, float), (-1, 1))


def _weighted(weights: dict[str, Floats], y: Floats, u: Floats) -> Floats:
    """The bracket of Eq. (4) and (7), layer by layer, (layers, width)."""
    total = np.empty_like(y)
    for n in range(len(y)):
        below = weights["w_in"] @ u if n == 0 else weights["w_inter"][n - 1] @ y[n - 1]
        total[n] = below + weights["w_intra"][n] @ y[n] + weights["bias"][n]
    return total


def _slope(network: Any, u: Floats) -> Slope:
    """Right-hand side of the equations of one member under a constant input, (channels,)."""
    weights = {n: p.detach().numpy()[0] for n, p in network.named_parameters()}
    physics, shape = network.physics, weights["bias"].shape
    gamma, s = 1 / of_layers(physics.tau_ns), of_layers(physics.s)

    def spintronic(t: float, state: Floats) -> Floats:
        x, y = state.reshape(2, *shape)
        drive = s * _weighted(weights, y, u) + 2 * gamma  # Eq. (4)
        dx = -gamma * x * (1 + physics.q * x) + physics.sigma * drive * (1 - x) * x  # Eq. (1)
        dy = -2 * np.pi * of_layers(physics.f_cut_per_ns) * y + dx  # Eq. (5)
        return np.stack([dx, dy]).ravel()

    def ctrnn(t: float, state: Floats) -> Floats:
        x = state.reshape(shape)
        drive = s * _weighted(weights, np.tanh(x), u)  # Eq. (7), (8)
        return (-gamma * x + drive).ravel()  # Eq. (6)

    return spintronic if isinstance(network, SpintronicNetwork) else ctrnn


def solved_by_scipy(network: Any, u: Tensor) -> Floats:
    """Outputs y of every layer of one member after the series ``u``, (time, channels)."""
    shape = network.bias.shape[1:]
    spintronic = isinstance(network, SpintronicNetwork)
    state = np.zeros(np.prod(shape) * (2 if spintronic else 1))
    if spintronic:
        physics = network.physics
        rest = (2 * physics.sigma - 1) / (2 * physics.sigma + physics.q)
        state[: np.prod(shape)] = rest
    for point in u.numpy():
        span = (0.0, network.physics.dt_ns)
        slope = _slope(network, point)
        found = solve_ivp(slope, span, state, method="DOP853", rtol=1e-10, atol=1e-13)
        state = found.y[:, -1]
    return state.reshape(-1, *shape)[1] if spintronic else np.tanh(state.reshape(shape))

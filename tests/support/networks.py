"""Small networks and chips, and their equations again in NumPy, for SciPy to solve.

They are those of docs/explanation/equations.md.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

from hpo.objectives.devices.ctrnn import Ctrnn
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.integrators import EXTRAPOLATION, INTEGRATORS, Stepping
from hpo.objectives.networks.kernels.chips import IDEAL, Chip
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.networks.pointwise import DeviceNetwork
from hpo.objectives.networks.simulated_chips import draw_normals

Floats = NDArray[np.float64]
Slope = Callable[[float, Floats], Floats]

GAMMA, THERMAL = 0.25, 1e-3
KINDS = ["spintronic", "ctrnn"]
WITH_WARM = ["spintronic", "warm", "ctrnn"]
METHODS = list(INTEGRATORS)
KERNEL_METHODS = [name for name in EXTRAPOLATION if name != "ab3"]
STEPPING = {"point_ns", "integrator", "steps_per_point", "max_step_ns"}
OSCILLATOR = {
    "q",
    "sigma",
    "thermal_power",
    "start",
    "readout",
    "drive_limit",
    "drive_low",
    "drive_high",
}


def tiny(
    kind: str = "spintronic", *, seeds: tuple[int, ...] = (0,), **changes: Any
) -> Any:
    """Three layers of four neurons, two channels, three outputs, float64; and what is
    changed.

    ``spintronic``: the paper's equation; ``warm``: with thermal power.
    """
    physics: dict[str, Any] = {"tau_ns": 1 / GAMMA, "s": 0.5, "max_step_ns": np.inf}
    if kind != "ctrnn":
        power = {"spintronic": 0.0, "warm": THERMAL}[kind]
        physics |= {"thermal_power": power, "drive_limit": "none", "f_cut_per_ns": 0.1}
    names = {*physics, *STEPPING, *OSCILLATOR}
    physics |= {name: changes.pop(name) for name in names & changes.keys()}
    sizes = {"channels": 2, "outputs": 3, "layers": 3, "width": 4}
    densities = {"density_inter": 0.6, "density_intra": 0.4}
    how: dict[str, Any] = {"dtype": torch.float64}
    how |= {
        n: changes.pop(n)
        for n in ("dtype", "backend", "threads", "batch_size")
        if n in changes
    }
    architecture = Architecture(**{**sizes, **densities, **changes})
    own = {name: physics.pop(name) for name in physics.keys() - STEPPING}
    device = (Ctrnn() if kind == "ctrnn" else Spintronic()).with_values(**own)
    stepping = Stepping(device=device, **physics)
    return DeviceNetwork(seeds, architecture, physics=stepping, **how)


def inputs(batch: int = 3, time: int = 5, channels: int = 2) -> Tensor:
    """Points in [0, 1], (batch, time, channels), float64."""
    return torch.from_numpy(
        np.random.default_rng(0).uniform(size=(batch, time, channels))
    )


def scaled(network: LayeredNetwork, factor: float) -> Any:
    """Multiply all parameters of a network by ``factor``, and return it."""
    for parameter in network.parameters():
        parameter.data *= factor
    return network


def make_chip(
    network: LayeredNetwork,
    n_points: int,
    *,
    spread: float = 0.3,
    noise: float = 0.0,
    jumps: int = 1,
    again: int = 1,
) -> Chip:
    """Return a chip with deviating τ, S, thermal power and noise.

    With noise it has ``jumps`` jumps per point, and uses their normals ``again`` times.
    """
    random, n = np.random.default_rng(7), network.n_neurons
    tau, s, thermal, size = np.exp(spread * random.standard_normal((4, n)))
    if not noise:
        return Chip(factors={"tau_ns": tau, "thermal_power": thermal}, s=s)
    normals = draw_normals(7, 0, network=network, n_jumps=-(-n_points * jumps // again))
    own: dict[str, Any] = {"normals": normals, "jumps_per_point": jumps}
    return Chip(factors={"tau_ns": tau}, s=s, noise_per_sqrt_ns=noise * size, **own)


def gradients(
    network: Any, u: Tensor, n_read: int = 1, chip: Chip = IDEAL
) -> list[Tensor]:
    """Return the values read, and the gradients of a random projection of them."""
    values = network.outputs(u, n_read, chip)
    generator = torch.Generator().manual_seed(3)
    projection = torch.randn(values.shape, generator=generator).to(values.dtype)
    leaves = [network.w_in, network.w_inter, network.w_intra, network.bias]
    own = torch.autograd.grad(values, leaves, projection, materialize_grads=True)
    return [values.detach(), *own]


def error(result: Tensor, exact: Tensor) -> float:
    """Return the largest error, relative to the largest element."""
    if not exact.numel() or not exact.any():
        return float(result.abs().sum())
    return float((result.double() - exact).abs().max() / exact.abs().max())


def assert_kernel_agrees(
    network: Any, u: Tensor, n_read: int = 1, chip: Chip = IDEAL, *, atol: float = 1e-5
) -> None:
    """Compare the kernel with the reference in float64: values to ``atol``, gradients
    to 1e-4.

    Larger errors pass if the reference in float32 has them, too: where x is near 0 or
    1, say, a gradient is a difference of like numbers.
    """
    network.backend = "fused"
    reference = deepcopy(network).double()
    reference.backend = "reference"
    results = gradients(network, u.float(), n_read, chip)
    exact = gradients(reference, u.float().double(), n_read, chip)
    torch.testing.assert_close(results[0].double(), exact[0], rtol=0, atol=atol)
    errors = list(map(error, results, exact))[1:]
    if max(errors) > 1e-4:
        single = gradients(reference.float(), u.float(), n_read, chip)
        assert max(errors) < 4 * max(list(map(error, single, exact))[1:])


def of_layers(value: Any) -> Floats:
    """Return a number, or one per layer, as a factor of a state, (layers or 1, 1)."""
    return np.reshape(np.array(value, float), (-1, 1))


class Equations:
    """Eq. (1) to (8) of one member on a chip, with x, or ln x without thermal power.

    All neurons exist: all layers have one width.
    """

    def __init__(self, network: Any, chip: Chip) -> None:
        self.weights = {
            n: p.detach().double().numpy()[0] for n, p in network.named_parameters()
        }
        self.physics, self.shape = network.physics, self.weights["bias"].shape
        self.chip, self.spintronic = (
            chip,
            isinstance(network.physics.device, Spintronic),
        )
        self.nominal = 1 / of_layers(self.physics.tau_ns)
        self.gamma = self.nominal / self._of(chip.factors.get("tau_ns"))
        self.s = of_layers(self.physics.s) * self._of(chip.s)
        self.bias = 2 * self.nominal if self.spintronic else 0 * self.nominal
        if self.spintronic:
            self.power = self.physics.thermal_power * self._of(
                chip.factors.get("thermal_power")
            )
            self.cold = self.physics.thermal_power == 0.0 or chip.normals is not None

    def _of(self, factor: Floats | None) -> Floats:
        return np.ones(self.shape) if factor is None else factor.reshape(self.shape)

    def start(self) -> Floats:
        """Return the state before any input, x and y or x alone."""
        bias = self._limit(self.bias)
        if not self.spintronic:
            return bias / self.gamma * np.ones((1, *self.shape))
        p, power = self.physics, self.power
        if self.chip.normals is not None:
            power = self._of(self.chip.noise_per_sqrt_ns) ** 2 / (2 * self.gamma)
        a, b = (
            p.sigma * bias - self.gamma,
            p.sigma * bias + p.q * self.gamma,
        )
        rest = (a + np.sqrt(a**2 + 4 * b * self.gamma * power)) / (2 * b)
        return np.stack([np.maximum(p.start * rest, 1e-30), np.zeros(self.shape)])

    def _limit(self, drive: Floats) -> Floats:
        """Limit a drive, in units of the nominal damping."""
        p, share = self.physics, drive / self.nominal
        if p.drive_limit == "smooth":
            half = (p.drive_high - p.drive_low) / 2
            share = p.drive_low + half * (1 + np.tanh((share - p.drive_low) / half - 1))
        if p.drive_limit == "hard":
            share = np.clip(share, p.drive_low, p.drive_high)
        return share * self.nominal

    def outputs(self, state: Floats) -> Floats:
        return state[1] if self.spintronic else np.tanh(state[0])

    def advance(self, state: Floats, u: Floats, time_ns: float) -> Floats:
        """Return the state after ``time_ns`` of constant input, (channels,)."""
        logarithmic = self.spintronic and self.cold
        if logarithmic:
            state = np.stack([np.log(state[0]), state[1]])

        def slope(t: float, flat: Floats) -> Floats:
            return self.rate(flat.reshape(state.shape), u).ravel()

        how: Any = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-13}
        after = solve_ivp(slope, (0.0, time_ns), state.ravel(), **how).y[:, -1]
        after = after.reshape(state.shape)
        return np.stack([np.exp(after[0]), after[1]]) if logarithmic else after

    def rate(self, state: Floats, u: Floats, entering: Floats | None = None) -> Floats:
        """Return the slope of a state; ``entering``: outputs of some time ago."""
        own = self.outputs(state)
        w, y = self.weights, own if entering is None else entering
        below = np.stack([w["w_in"] @ u, *(w["w_inter"] @ y[:-1, :, None])[..., 0]])
        bracket = below + (w["w_intra"] @ y[..., None])[..., 0] + w["bias"]
        drive = self._limit(self.s * bracket + self.bias)  # Eq. (4), (7)
        if not self.spintronic:
            return -self.gamma * state + drive  # Eq. (6)
        p = self.physics
        x = np.exp(state[0]) if self.cold else state[0]
        growth = p.sigma * drive * (1 - x) - self.gamma * (
            1 + p.q * x
        )  # Eq. (1) over x
        dx = x * growth + (0.0 if self.cold else self.gamma * self.power)
        dy = dx - 2 * np.pi * of_layers(p.f_cut_per_ns) * own  # Eq. (5)
        return np.stack([growth if self.cold else dx, dy])

    def jump(self, state: Floats, normals: Floats, time_ns: float) -> Floats:
        """Return the state after a jump by the noise of ``time_ns``; normals (parts,
        neurons)."""
        size = self._of(self.chip.noise_per_sqrt_ns) * np.sqrt(time_ns)
        if not self.spintronic:
            return state + size * normals.reshape(state.shape)
        along, across = size / 2 * normals.reshape(2, *self.shape)
        x = np.minimum(np.abs(np.sqrt(state[0]) + along + 1j * across) ** 2, 1.0)
        return np.stack([x, state[1] + x - state[0]])


def solved_by_scipy(
    network: Any, u: Tensor, chip: Chip = IDEAL
) -> tuple[Floats, Floats]:
    """Return x and outputs y of all neurons of one member, (layers, width), after a
    series.

    Args:
        network: a network with one member.
        u: input, (time, channels); on a chip with noise, of the first series.
        chip: the chip of the network.
    """
    equations, physics = Equations(network, chip), network.physics
    state, per_point = equations.start(), chip.jumps_per_point or 1
    for k in range(len(u) * per_point):
        time_ns = physics.point_ns / per_point
        state = equations.advance(state, u[k // per_point].numpy(), time_ns)
        if chip.normals is not None:
            normals = network.layouts[0].noise(chip.normals, network.noise_parts)[
                :, :, 0
            ]
            state = equations.jump(
                state, normals[k % len(normals)].astype(float), time_ns
            )
    return state[0], equations.outputs(state)

"""The networks as a user would write them in PyTorch: loops over time, dense masked
matrices.

Eq. (2)-(5) and (6)-(8) of arXiv:2408.02835, by the multistep rule of
``hpo.objectives.networks.integrators``: the drive of the mean output that the last
outputs promise, then the neurons in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpo.objectives.networks.integrators import EXTRAPOLATION

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x, y, drive) of some neurons, and x and y after the step."""
Named = dict[str, Tensor]
"""Parameters, or masks, by the names of ``LayeredNetwork``."""
Logits = Callable[[Tensor, Named, Named], Tensor]
"""(input, parameters, masks), and what is read out."""


@dataclass(frozen=True, kw_only=True)
class Physics:
    """Constants of both networks, 1 ns per point, and how they are integrated."""

    gamma_per_ns: float
    s: float
    f_cut_per_ns: float = 0.0
    integrator: str = "exponential"
    n_steps: int = 1

    @property
    def step_ns(self) -> float:
        """Length of a step."""
        return 1.0 / self.n_steps

    @property
    def extrapolation(self) -> tuple[float, float, float]:
        """What the mean output over a step is made of."""
        return EXTRAPOLATION[self.integrator]


def spintronic_step(physics: Physics) -> Step:
    """One step of an oscillator and its filter."""
    gamma = physics.gamma_per_ns
    dt = physics.step_ns
    c = 2 * math.pi * physics.f_cut_per_ns * dt
    decay = math.exp(-c)
    gain = -math.expm1(-c) / c

    def step(x: Tensor, y: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        drive = (drive + 2 * gamma) * dt
        z = (drive - gamma * dt).clamp(-40, 40)
        safe = torch.where(z.abs() < 1e-3, torch.full_like(z, 1e-3), z)
        x_next = x * z.exp() / (1 + drive * x * (safe.exp() - 1) / safe)
        return x_next, decay * y + gain * (x_next - x)

    return step


def ctrnn_step(physics: Physics) -> Step:
    """One step of a leaky neuron."""
    decay = math.exp(-physics.gamma_per_ns * physics.step_ns)
    gain = (1 - decay) / physics.gamma_per_ns

    def step(x: Tensor, y: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        x_next = decay * x + gain * drive
        return x_next, torch.tanh(x_next)

    return step


STEPS = {"spintronic": spintronic_step, "ctrnn": ctrnn_step}
REST = {"spintronic": 0.5, "ctrnn": 0.0}
"""x before any input."""


def layer_by_layer(kind: str, physics: Physics) -> Logits:
    """(a): one member, one layer after the other, as the equations are written."""
    step = STEPS[kind](physics)
    (a, b, c) = physics.extrapolation

    def logits(u: Tensor, p: Named, masks: Named) -> Tensor:
        w_in, w_inter, w_intra = (
            p[n] * masks[n] for n in ("w_in", "w_inter", "w_intra")
        )
        n_layers, width = p["bias"].shape
        x = [u.new_full((len(u), width), REST[kind]) for _ in range(n_layers)]
        y = [u.new_zeros(len(u), width) for _ in range(n_layers)]
        before = earlier = y
        for u_n in u.unbind(1):
            from_input = u_n @ w_in.T
            for _ in range(physics.n_steps):
                mean = [
                    a * y[n] + b * before[n] + c * earlier[n] for n in range(n_layers)
                ]
                y, before, earlier = list(y), y, before
                for n in range(n_layers):
                    external = from_input if n == 0 else mean[n - 1] @ w_inter[n - 1].T
                    drive = physics.s * (
                        external + mean[n] @ w_intra[n].T + p["bias"][n]
                    )
                    x[n], y[n] = step(x[n], y[n], drive)
        return y[-1] @ p["w_out"].T + p["bias_out"]

    return logits


def stacked(kind: str, physics: Physics) -> Logits:
    """(a), tight, and (b): all layers, and all members, in one batched product."""
    step = STEPS[kind](physics)
    (a, b, c) = physics.extrapolation

    def logits(u: Tensor, p: Named, masks: Named) -> Tensor:
        drive = stacked_drive(physics, p, masks)
        x, y = rest(kind, u, p)
        before = earlier = y
        for u_n in u.unbind(1):
            for _ in range(physics.n_steps):
                mean = a * y + b * before + c * earlier
                before, earlier = y, before
                x, y = step(x, y, drive(u_n, mean))
        return y[..., -1, :, :] @ p["w_out"].mT + p["bias_out"].unsqueeze(-2)

    return logits


def rest(kind: str, u: Tensor, p: Named) -> tuple[Tensor, Tensor]:
    """x and y of all layers before any input, ([members,] layers, batch, width)."""
    shape = (*p["bias"].shape[:-1], len(u), p["bias"].shape[-1])
    return u.new_full(shape, REST[kind]), u.new_zeros(shape)


def stacked_drive(
    physics: Physics, p: Named, masks: Named
) -> Callable[[Tensor, Tensor], Tensor]:
    """(input of a point, outputs of all layers), and their drives without the fixed
    bias."""
    w_in, w_inter, w_intra = (
        (p[n] * masks[n]).mT for n in ("w_in", "w_inter", "w_intra")
    )  # one member: (..., source, target); several: members first
    bias = p["bias"].unsqueeze(-2)

    def drive(u_n: Tensor, y: Tensor) -> Tensor:
        below = (u_n @ w_in).unsqueeze(-3), y[..., :-1, :, :] @ w_inter
        return physics.s * (torch.cat(below, dim=-3) + y @ w_intra + bias)

    return drive

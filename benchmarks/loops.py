"""The networks as a user would write them in PyTorch: loops over time, dense masked matrices.

Eq. (2)-(5) with the exponential step of a constant drive, and Eq. (6)-(8), of arXiv:2408.02835.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x, y, drive) of some neurons, and x and y after the step."""


@dataclass(frozen=True, kw_only=True)
class Physics:
    """Constants of both networks, dt = 1 ns."""

    gamma_per_ns: float
    s: float
    f_cut_per_ns: float = 0.0


def spintronic_step(physics: Physics) -> Step:
    """One step of an oscillator and its filter."""
    gamma = physics.gamma_per_ns
    c = 2 * math.pi * physics.f_cut_per_ns
    decay, gain = math.exp(-c), -math.expm1(-c) / c

    def step(x: Tensor, y: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        drive = drive + 2 * gamma
        z = (drive - gamma).clamp(-40, 40)
        safe = torch.where(z.abs() < 1e-3, torch.full_like(z, 1e-3), z)
        x_next = x * z.exp() / (1 + drive * x * (safe.exp() - 1) / safe)
        return x_next, decay * y + gain * (x_next - x)

    return step


def ctrnn_step(physics: Physics) -> Step:
    """One step of a leaky neuron."""
    decay = math.exp(-physics.gamma_per_ns)
    gain = (1 - decay) / physics.gamma_per_ns

    def step(x: Tensor, y: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        x_next = decay * x + gain * drive
        return x_next, torch.tanh(x_next)

    return step


STEPS = {"spintronic": spintronic_step, "ctrnn": ctrnn_step}
REST = {"spintronic": 0.5, "ctrnn": 0.0}
"""x before any input."""


def layer_by_layer(kind: str, physics: Physics, step: Step | None = None) -> Callable[..., Tensor]:
    """(a): one member, one layer after the other, as the equations are written."""
    step = step or STEPS[kind](physics)

    def logits(u: Tensor, p: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        w_in, w_inter, w_intra = (p[n] * masks[n] for n in ("w_in", "w_inter", "w_intra"))
        n_layers, width = p["bias"].shape
        x = [u.new_full((len(u), width), REST[kind]) for _ in range(n_layers)]
        y = [u.new_zeros(len(u), width) for _ in range(n_layers)]
        for u_n in u.unbind(1):
            before = list(y)
            for n in range(n_layers):
                external = u_n @ w_in.T if n == 0 else before[n - 1] @ w_inter[n - 1].T
                drive = physics.s * (external + before[n] @ w_intra[n].T + p["bias"][n])
                x[n], y[n] = step(x[n], y[n], drive)
        return y[-1] @ p["w_out"].T + p["bias_out"]

    return logits


def stacked(kind: str, physics: Physics) -> Callable[..., Tensor]:
    """(a), tight, and (b): all layers, and all members, in one batched product."""
    step = STEPS[kind](physics)

    def logits(u: Tensor, p: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        w_in, w_inter, w_intra = (
            (p[n] * masks[n]).mT for n in ("w_in", "w_inter", "w_intra")
        )  # one member: (..., source, target); several: members first
        shape = (*p["bias"].shape[:-1], len(u), p["bias"].shape[-1])
        x, y = u.new_full(shape, REST[kind]), u.new_zeros(shape)
        bias = p["bias"].unsqueeze(-2)
        for u_n in u.unbind(1):
            below = (u_n @ w_in).unsqueeze(-3), y[..., :-1, :, :] @ w_inter
            drive = physics.s * (torch.cat(below, dim=-3) + y @ w_intra + bias)
            x, y = step(x, y, drive)
        return y[..., -1, :, :] @ p["w_out"].mT + p["bias_out"].unsqueeze(-2)

    return logits


def compiled(kind: str, physics: Physics) -> Callable[..., Tensor]:
    """(c): (a) with its step through torch.compile; the whole loop takes minutes to compile."""
    step: Any = torch.compile(STEPS[kind](physics))
    return layer_by_layer(kind, physics, step)

"""(e): the networks by the solvers of torchdiffeq, from the equations alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchdiffeq import odeint

from benchmarks.networks.loops import Logits, Named, Physics, rest, stacked_drive

Rate = Callable[[Tensor, Tensor], Tensor]
"""(input of a point, state), and the time derivative of the state."""


def solved(kind: str, physics: Physics, method: str, n: int) -> Logits:
    """``n`` equal steps per point; the whole series by one call.

    Gradients go back through the solver. At equal exactness, spintronic, width 32, the
    adjoint equation took twice as long, dopri5 point by point six times, heun3 a fifth
    more. (``jump_t`` of torchdiffeq 0.2.5 loses all jumps after one that a step happens
    to end at.)
    """

    def logits(u: Tensor, p: Named, masks: Named) -> Tensor:
        rate = RATES[kind](physics, stacked_drive(physics, p, masks))
        x, y = rest(kind, u, p)
        points = u.unbind(1)
        grid = (
            torch.arange(len(points) * n + 1) / n
        )  # whole numbers exactly: the input jumps there

        def slope(t: Tensor, state: Tensor) -> Tensor:
            return rate(points[min(int(t), len(points) - 1)], state)

        start = torch.stack((x, y)) if kind == "spintronic" else x
        options = {
            "grid_constructor": lambda *_: grid,
            "perturb": True,
        }  # no stage past a jump
        end = odeint(slope, start, grid[[0, -1]], method=method, options=options)[-1]
        y = end[1] if kind == "spintronic" else torch.tanh(end)
        values: Tensor = y[-1] @ p["w_out"].mT + p["bias_out"]
        return values

    return logits


def _spintronic(physics: Physics, drive: Callable[[Tensor, Tensor], Tensor]) -> Rate:
    gamma = physics.gamma_per_ns
    omega = 2 * math.pi * physics.f_cut_per_ns

    def rate(u_n: Tensor, state: Tensor) -> Tensor:
        x, y = state
        dx = x * ((drive(u_n, y) + 2 * gamma) * (1 - x) - gamma)
        return torch.stack((dx, dx - omega * y))

    return rate


def _ctrnn(physics: Physics, drive: Callable[[Tensor, Tensor], Tensor]) -> Rate:
    return lambda u_n, x: drive(u_n, torch.tanh(x)) - physics.gamma_per_ns * x


RATES = {"spintronic": _spintronic, "ctrnn": _ctrnn}

"""(f): the networks by the solvers of diffrax, from the equations alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
from jax import lax

from benchmarks.networks.jax_scan import Logits, drive_of, rest
from benchmarks.networks.loops import Physics


def solved(kind: str, physics: Physics, solver: str, n: int) -> Logits:
    """``n`` equal steps per point: ``lax.scan`` over the points, ``diffeqsolve`` within
    each.

    Gradients go back by ``RecursiveCheckpointAdjoint``. At equal exactness, spintronic,
    width 32, ``DirectAdjoint`` took seven times as long, one call for the whole series
    a third more; Ralston took as long as Heun, Tsit5 two thirds more.
    """

    solve: Any = diffrax.diffeqsolve  # its types are those of jaxtyping

    def logits(u: Any, p: dict[str, Any], masks: dict[str, Any]) -> Any:
        rate = RATES[kind](physics, drive_of(physics, p, masks))
        term = diffrax.ODETerm(lambda t, state, u_n: rate(u_n, state))

        def point(state: Any, u_n: Any) -> Any:
            solution = solve(
                term,
                getattr(diffrax, solver)(),
                t0=0.0,
                t1=1.0,
                dt0=None,
                y0=state,
                args=u_n,
                stepsize_controller=diffrax.StepTo(jnp.linspace(0.0, 1.0, n + 1)),
                max_steps=n,
                throw=False,
            )
            return tuple(value[-1] for value in solution.ys), None

        x, y = rest(kind, u, p)
        start: Any = (x, y) if kind == "spintronic" else (x,)
        end, _ = lax.scan(point, start, u.swapaxes(0, 1))
        y = end[1] if kind == "spintronic" else jnp.tanh(end[0])
        return y[-1] @ p["w_out"].T + p["bias_out"]

    return logits


def _spintronic(physics: Physics, drive: Callable[..., Any]) -> Callable[..., Any]:
    gamma = physics.gamma_per_ns
    omega = 2 * math.pi * physics.f_cut_per_ns

    def rate(u_n: Any, state: Any) -> Any:
        x, y = state
        dx = x * ((drive(u_n, y) + 2 * gamma) * (1 - x) - gamma)
        return dx, dx - omega * y

    return rate


def _ctrnn(physics: Physics, drive: Callable[..., Any]) -> Callable[..., Any]:
    def rate(u_n: Any, state: Any) -> Any:
        (x,) = state
        return (drive(u_n, jnp.tanh(x)) - physics.gamma_per_ns * x,)

    return rate


RATES = {"spintronic": _spintronic, "ctrnn": _ctrnn}

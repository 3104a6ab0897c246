"""(d): the networks in JAX, ``lax.scan`` over time and ``jit`` of a whole update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.loops import REST, Physics


def _step(kind: str, physics: Physics) -> Callable[..., Any]:
    gamma = physics.gamma_per_ns
    if kind == "ctrnn":
        leak = math.exp(-gamma)
        return lambda x, y, drive: (
            (after := leak * x + (1 - leak) / gamma * drive),
            jnp.tanh(after),
        )
    c = 2 * math.pi * physics.f_cut_per_ns
    decay, gain = math.exp(-c), -math.expm1(-c) / c

    def step(x: Any, y: Any, drive: Any) -> Any:
        drive = drive + 2 * gamma
        z = jnp.clip(drive - gamma, -40, 40)
        safe = jnp.where(jnp.abs(z) < 1e-3, 1e-3, z)
        after = x * jnp.exp(z) / (1 + drive * x * (jnp.exp(safe) - 1) / safe)
        return after, decay * y + gain * (after - x)

    return step


def updater(kind: str, physics: Physics, masks: dict[str, Any]) -> Callable[..., Any]:
    """A function (parameters, Adam's moments, step, u, label, lr) -> the same after, and loss."""
    step = _step(kind, physics)

    def loss_of(p: dict[str, Any], u: Any, label: Any) -> Any:
        w_in, w_inter, w_intra = (p[n] * masks[n] for n in ("w_in", "w_inter", "w_intra"))
        shape = (p["bias"].shape[0], u.shape[0], p["bias"].shape[1])

        def point(state: Any, u_n: Any) -> Any:
            x, y = state
            first = (u_n @ w_in.T)[None]
            external = jnp.concatenate([first, y[:-1] @ w_inter.swapaxes(1, 2)])
            drive = physics.s * (external + y @ w_intra.swapaxes(1, 2) + p["bias"][:, None])
            return step(x, y, drive), None

        rest = jnp.full(shape, REST[kind], jnp.float32), jnp.zeros(shape, jnp.float32)
        (_, y), _ = lax.scan(point, rest, u.swapaxes(0, 1))
        logits = y[-1] @ p["w_out"].T + p["bias_out"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=1)
        return -chosen.mean()

    @jax.jit
    def update(p: Any, first: Any, second: Any, n: Any, u: Any, label: Any, lr: Any) -> Any:
        loss, grad = jax.value_and_grad(loss_of)(p, u, label)
        grad = jax.tree.map(lambda g: jnp.clip(g, -1, 1), grad)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grad)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grad)
        size = lr / (1 - 0.9**n)

        def move(w: Any, m: Any, v: Any) -> Any:
            return w - size * m / (jnp.sqrt(v / (1 - 0.999**n)) + 1e-8)

        return jax.tree.map(move, p, first, second), first, second, loss

    return update

"""(d): the networks in JAX, ``lax.scan`` over time and ``jit`` of a whole update."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.networks.loops import REST, Named, Physics
from benchmarks.networks.runners import BATCH, LR, Array
from hpo.objectives.data.examples import Examples

Logits = Callable[[Any, dict[str, Any], dict[str, Any]], Any]
"""(input, parameters, masks), and what is read out."""


def scan(kind: str, physics: Physics) -> Logits:
    """The multistep rule of ``loops``."""
    step = _step(kind, physics)
    (a, b, c) = physics.extrapolation

    def logits(u: Any, p: dict[str, Any], masks: dict[str, Any]) -> Any:
        drive = drive_of(physics, p, masks)

        def point(state: Any, u_n: Any) -> Any:
            x, y, before, earlier = state
            for _ in range(physics.n_steps):
                mean = a * y + b * before + c * earlier
                before, earlier = y, before
                x, y = step(x, y, drive(u_n, mean))
            return (x, y, before, earlier), None

        x, y = rest(kind, u, p)
        (_, y, _, _), _ = lax.scan(point, (x, y, y, y), u.swapaxes(0, 1))
        return y[-1] @ p["w_out"].T + p["bias_out"]

    return logits


def rest(kind: str, u: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    """x and y of all layers before any input."""
    shape = (p["bias"].shape[0], u.shape[0], p["bias"].shape[1])
    return jnp.full(shape, REST[kind], u.dtype), jnp.zeros(shape, u.dtype)


def drive_of(
    physics: Physics, p: dict[str, Any], masks: dict[str, Any]
) -> Callable[..., Any]:
    """(input of a point, outputs of all layers), and their drives without the fixed
    bias."""
    w_in, w_inter, w_intra = (
        (p[n] * masks[n]).swapaxes(-1, -2) for n in ("w_in", "w_inter", "w_intra")
    )

    def drive(u_n: Any, y: Any) -> Any:
        external = jnp.concatenate([(u_n @ w_in)[None], y[:-1] @ w_inter])
        return physics.s * (external + y @ w_intra + p["bias"][:, None])

    return drive


def _step(kind: str, physics: Physics) -> Callable[..., Any]:
    gamma = physics.gamma_per_ns
    dt = physics.step_ns
    if kind == "ctrnn":
        leak = math.exp(-gamma * dt)
        return lambda x, y, drive: (
            (after := leak * x + (1 - leak) / gamma * drive),
            jnp.tanh(after),
        )
    c = 2 * math.pi * physics.f_cut_per_ns * dt
    decay = math.exp(-c)
    gain = -math.expm1(-c) / c

    def step(x: Any, y: Any, drive: Any) -> Any:
        drive = (drive + 2 * gamma) * dt
        z = jnp.clip(drive - gamma * dt, -40, 40)
        safe = jnp.where(jnp.abs(z) < 1e-3, 1e-3, z)
        after = x * jnp.exp(z) / (1 + drive * x * (jnp.exp(safe) - 1) / safe)
        return after, decay * y + gain * (after - x)

    return step


class JaxRunner:
    """Trains by ``jit`` of a whole update; see ``runners.Runner``."""

    def __init__(
        self, logits: Logits, parameters: Named, masks: Named, examples: Examples
    ) -> None:
        """Compile nothing yet."""
        self._start = {
            name: jnp.asarray(p.detach().numpy()) for name, p in parameters.items()
        }
        own = {name: jnp.asarray(mask.numpy()) for name, mask in masks.items()}
        self._read = jax.jit(lambda u, p: logits(u, p, own))
        self._update = _updater(lambda u, p: logits(u, p, own))
        label = examples.label.astype(np.int32)
        parts = range(0, len(label), BATCH)
        self._batches = [
            (jnp.asarray(examples.x[k : k + BATCH]), jnp.asarray(label[k : k + BATCH]))
            for k in parts
        ]
        self.reset()

    def reset(self) -> None:
        """See ``Runner``."""
        zeros = {name: jnp.zeros_like(p) for name, p in self._start.items()}
        self._state = (self._start, zeros, zeros)
        self._n = 0

    def advance(self) -> tuple[int, float]:
        """See ``Runner``."""
        u, label = self._batches[self._n % len(self._batches)]
        self._n += 1
        *state, loss = self._update(*self._state, float(self._n), u, label, LR)
        self._state = tuple(state)
        return len(label), float(loss)

    def logits(self, u: Array) -> Array:
        """See ``Runner``."""
        return np.asarray(self._read(jnp.asarray(u), self._start))


def _updater(logits: Callable[..., Any]) -> Callable[..., Any]:
    """A function (parameters, Adam's moments, step, u, label, lr) -> the same after,
    and loss."""

    def loss_of(p: dict[str, Any], u: Any, label: Any) -> Any:
        scores = jax.nn.log_softmax(logits(u, p))
        return -jnp.take_along_axis(scores, label[:, None], axis=1).mean()

    def update(
        p: Any, first: Any, second: Any, n: Any, u: Any, label: Any, lr: Any
    ) -> Any:
        loss, grad = jax.value_and_grad(loss_of)(p, u, label)
        grad = jax.tree.map(lambda g: jnp.clip(g, -1, 1), grad)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grad)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grad)
        size = lr / (1 - 0.9**n)

        def move(w: Any, m: Any, v: Any) -> Any:
            return w - size * m / (jnp.sqrt(v / (1 - 0.999**n)) + 1e-8)

        return jax.tree.map(move, p, first, second), first, second, loss

    compiled: Callable[..., Any] = jax.jit(update)
    return compiled

"""Echo state networks (ESN): random networks, whose readout is fitted.

An ESN has as many units as the study's network has neurons, at most ``MOST_UNITS``::

    x(t) = (1 - leak) x(t - 1) + leak tanh(W x(t - 1) + W_in u(t) + b)

with normal weights. The best of several random settings is drawn anew from fresh seeds.
H. Jaeger, The "echo state" approach, GMD Report 148 (2001); M. Lukoševičius (2012), see
``ridge``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpo.contract import Baseline, ObjectiveParams

from ..hardware import physics
from ..randomness import stream

Array = NDArray[Any]
Check = Callable[[], None]
"""Called again and again; it raises an exception to stop the work."""

UNITS = 100
"""Units of an ESN if the parameters have no number of neurons."""
MOST_UNITS = 400
SETTINGS = 40
"""Random settings of an ESN to compare."""
FRESH_SEEDS = 5


def go_on() -> None:
    """Never stop the work; see ``Check``."""


def units(params: ObjectiveParams) -> int:
    """Return the units of an ESN to compare with a network of these parameters."""
    width = getattr(params, "width", None)
    layers = getattr(params, "layers", None)
    if width is None or layers is None:
        return UNITS
    return min(physics.n_neurons(layers=layers, width=width), MOST_UNITS)


class Setting(NamedTuple):
    """The random settings of an ESN."""

    radius: float
    """Spectral radius of W."""
    leak: float
    scale: float
    """Standard deviation of W_in u(t), where u is standardised."""
    bias: float
    """Standard deviation of b."""


def draw_settings(seed: int, n: int) -> list[Setting]:
    """Return the settings to compare."""
    draw = stream(seed, "baselines/settings").uniform
    return [
        Setting(
            radius=draw(0.2, 1.4),
            leak=min(1.0, 10 ** draw(-1.2, 0.6)),
            scale=10 ** draw(-1.5, 0.5),
            bias=draw(0.0, 1.0),
        )
        for _ in range(n)
    ]


def esn_states(
    setting: Setting,
    n_units: int,
    u: Array,
    rng: np.random.Generator,
    scaling: tuple[Array, Array] | None = None,
) -> Iterator[Array]:
    """Yield the states (n, units) of an ESN after each point of the inputs (n, points,
    channels).

    Inputs are standardised already, or by ``scaling``: a shift and a scale for each
    channel.
    """
    n, points, channels = u.shape

    def normal(size: float, *shape: int) -> Array:
        return (size * rng.standard_normal(shape)).astype(u.dtype)

    w = normal(setting.radius / n_units**0.5, n_units, n_units)
    w_in = normal(setting.scale / channels**0.5, channels, n_units)
    bias = normal(setting.bias, n_units)
    leak = u.dtype.type(setting.leak)
    if scaling is not None:  # without a copy of the inputs
        shift, scale = scaling
        w_in = w_in / scale[:, np.newaxis]
        bias = bias - shift @ w_in
    state = np.zeros((n, n_units), u.dtype)
    for t in range(points):
        drive = state @ w
        drive += u[:, t] @ w_in
        drive += bias
        state = state + leak * (np.tanh(drive, out=drive) - state)
        yield state


def summarise(name: str, scores: Sequence[float], tried: int, **more: Any) -> Baseline:
    """Return the baseline of an ESN from its scores on fresh seeds."""
    return Baseline(
        name=name,
        score=statistics.fmean(scores),
        std=statistics.stdev(scores),
        n=len(scores),
        tried=tried,
        **more,
    )

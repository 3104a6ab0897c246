"""Hand-written compiled steps of the spintronic oscillator with its filter.

arXiv:2408.02835, Eq. (1), (3) and (5), with thermal power, as in
docs/explanation/equations.md, "Oscillator"; ``steps`` has the closed forms for Q = 0
and sigma = 1. They hold for any, with sigma I + gamma Q in place of the drive I and
gamma (1 + Q) in place of gamma. In a step of h ns at constant drive I, x goes to x'::

    y' = decay y + gain (x' - x)                                         Eq. (5)

Generated functions would lack two things: slopes that are exact near the threshold, in
one pass with the step; and, without thermal power, an x of any size. Slopes of ln x
stay moderate where those of x span the range of float32.

=======  ============================================  =================================
variant  states                                        kept
=======  ============================================  =================================
warm     x                                             dx'/dx, dx'/dI
noisy    x; thermal noise in place of its mean effect  these, and the slope of the jump
cold     x, and ln x in two parts: see ``deep_step``   dlnx'/dlnx, dlnx'/dI, and x
=======  ============================================  =================================

y is the output; the second row of the adjoints of states is its own.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba.core.ccallback import CFunc

from .compiling import compile_step, inline
from .elementary import ONE
from .kernel import Array, NeuronValues
from .limiting import (
    HARD,
    KINDS,
    NONE,
    SMOOTH,
    limit_constants,
    limit_hard,
    limit_smooth,
)
from .simd import any_less, fma, load, splat, store
from .sizes import WIDTH
from .steps import LEAST, add_noise, cold_step, deep_step, warm_step

WARM, NOISY, COLD = range(3)
G, SOURCE, DECAY, GAIN, KICK, SIGMA, DAMPING, LIMIT = range(8)
"""Constants: gamma (1 + Q), and gamma times thermal power, both times the step; decay
and gain of the filter; size of the jumps; sigma, and gamma Q times the step; and, from
the last one on, those of the limit."""


class SpintronicSteps:
    """See ``kernel.Pointwise``."""

    parts = 2
    per_step = True

    def __init__(self, device: Any, *, noisy: bool) -> None:
        """Compile the steps of a ``devices.spintronic.Spintronic``, or load them."""
        self._device = device
        variant = WARM
        if noisy:
            variant = NOISY
        elif device.thermal_power == 0.0:
            variant = COLD
        self.n_kept = 2 if variant == WARM else 3
        self.n_states = 3 if variant == COLD else 2
        self._limit = KINDS[device.drive_limit]
        spreads = not {"q", "sigma"}.isdisjoint(device.parameters)
        material = spreads or device.q != 0.0 or device.sigma != 1.0
        change = (self._limit, material)
        self.advance = int(_advance(variant, change, True).address or 0)
        self.advance_only = int(_advance(variant, change, False).address or 0)
        self.pull = int(_pull(variant).address or 0)

    def constants(
        self, neurons: NeuronValues, step_ns: float, deviation: float
    ) -> Array:
        """See ``kernel.Pointwise``."""
        own = neurons.values
        g = step_ns / own["tau_ns"]
        c = 2.0 * math.pi * own["f_cut_per_ns"] * step_ns
        gain = -np.expm1(-c) / np.where(c > 0.0, c, -1.0)
        gain = np.where(c > 0.0, gain, 1.0)
        jump = deviation * neurons.noise_per_sqrt_ns
        source = g * own["thermal_power"]
        low = neurons.drive_low * step_ns
        high = neurons.drive_high * step_ns
        limit = limit_constants(self._limit, low, high)
        q = own.get("q", self._device.q)
        sigma = np.full_like(g, own.get("sigma", self._device.sigma))
        oscillator = [g * (1.0 + q), source, np.exp(-c), gain, jump, sigma, g * q]
        return np.stack([*oscillator, *limit])

    def rest(self, neurons: NeuronValues) -> Array:
        """See ``kernel.Pointwise``."""
        device = self._device.with_values(**neurons.values)
        drive = device.limit_drive(
            neurons.fixed_drive, neurons.drive_low, neurons.drive_high
        )
        x, _ = device.rest_under(drive)
        none = np.zeros_like(x)
        return np.stack([x, *[none] * self.n_states])


@inline
def _take_warm_step(x: Any, force: Any, g: Any, source: Any) -> Any:
    """Return x' and its slopes."""
    after, slope_x, slope_drive = warm_step(x, force, g, source)
    return after, after * slope_x, after * slope_drive


@inline
def _take_noisy_step(x: Any, force: Any, g: Any) -> Any:
    """Return x' and its slopes, between jumps of noise."""
    factor, slope_x, slope_drive = cold_step(x, force, g)
    after = x * factor
    return after, factor * slope_x, after * slope_drive


@inline
def _take_cold_step(states: Any, at: Any, row: Any, force: Any, g: Any) -> Any:
    """Return x' and the slopes of its logarithm."""
    x = load(states, at, WIDTH)
    factor, slope_x, slope_drive = cold_step(x, force, g)
    after = x * factor
    if any_less(after, LEAST):
        own = load(states, row + at, WIDTH)
        rest = load(states, 2 * row + at, WIDTH)
        after, own, rest = deep_step(x, after, force - g, own, rest)
        store(states, row + at, own)
        store(states, 2 * row + at, rest)
    return after, slope_x, slope_drive


@inline
def _limit(limit: Any, force: Any, first: Any, second: Any, third: Any) -> Any:
    """Return the limited drive, and its slope."""
    if limit == SMOOTH:
        return limit_smooth(force, first, second, third)
    if limit == HARD:
        return limit_hard(force, first, second, third)
    return force, splat(ONE, WIDTH)


@inline
def _change_drives(
    change: Any, keep: Any, drive: Any, constants: Any, kept: Any, walk: Any
) -> None:
    """Limit all drives I, and write sigma I + gamma Q in their place, and its slope.

    The slope is kept in place of that of the drive. It is a loop of its own: in that of
    the steps, its constants would spill registers.
    """
    limit, material = change
    if limit == NONE and not material:
        return
    groups, group_stride, repeats, repeat_stride, row = walk
    each = groups * WIDTH
    for group in range(groups):
        of = group * WIDTH
        first = load(constants, LIMIT * each + of, WIDTH)
        second = load(constants, (LIMIT + 1) * each + of, WIDTH)
        third = load(constants, (LIMIT + 2) * each + of, WIDTH)
        sigma = load(constants, SIGMA * each + of, WIDTH)
        damping = load(constants, DAMPING * each + of, WIDTH)
        for k in range(repeats):
            at = group * group_stride + k * repeat_stride
            force = load(drive, at, WIDTH)
            force, slope = _limit(limit, force, first, second, third)
            if material:
                force = fma(sigma, force, damping)
                slope = sigma * slope
            store(drive, at, force)
            if keep:
                store(kept, row + at, slope)


@inline
def _keep_slopes(
    kept: Any, at: Any, row: Any, of_state: Any, of_drive: Any, change: Any
) -> None:
    """Keep the slopes of a step; that of a changed drive is in place already."""
    limit, material = change
    if limit != NONE or material:
        of_drive = of_drive * load(kept, row + at, WIDTH)
    store(kept, at, of_state)
    store(kept, row + at, of_drive)


@inline
def _jump(after: Any, size: Any, noise: Any, at: Any, row: Any) -> Any:
    """Return x after a jump of noise, and its slope."""
    along = size * load(noise, at, WIDTH)
    across = size * load(noise, row + at, WIDTH)
    return add_noise(after, along, across)


@cache
def _advance(variant: int, change: tuple[int, bool], keep: bool) -> CFunc:
    """Return the compiled step of a variant; see ``driver.forward``.

    ``change``: the limit of the drive, and whether Q is not 0 or sigma not 1.
    """

    def advance(arrays: Any, extrapolation: Any, walk: Any, events: Any) -> None:
        states, drive, constants, noise, now, before, value, kept = arrays
        newest, older, oldest = extrapolation
        groups, group_stride, repeats, repeat_stride, row = walk
        jump = events[1]
        each = groups * WIDTH
        _change_drives(change, keep, drive, constants, kept, walk)
        for group in range(groups):
            of = group * WIDTH
            g = load(constants, G * each + of, WIDTH)
            source = load(constants, SOURCE * each + of, WIDTH)
            decay = load(constants, DECAY * each + of, WIDTH)
            gain = load(constants, GAIN * each + of, WIDTH)
            size = load(constants, KICK * each + of, WIDTH)
            for k in range(repeats):
                at = group * group_stride + k * repeat_stride
                x = load(states, at, WIDTH)
                force = load(drive, at, WIDTH)
                if variant == WARM:
                    after, slope_x, slope_drive = _take_warm_step(x, force, g, source)
                elif variant == NOISY:
                    after, slope_x, slope_drive = _take_noisy_step(x, force, g)
                else:
                    after, slope_x, slope_drive = _take_cold_step(
                        states, at, row, force, g
                    )
                if keep:
                    _keep_slopes(kept, at, row, slope_x, slope_drive, change)
                if keep and variant == COLD:
                    store(kept, 5 * row + at, after)  # x before the next step
                y_now = load(now, at, WIDTH)
                y = fma(gain, after - x, decay * y_now)
                if variant == NOISY and jump != 0:  # the jump passes the filter whole
                    jumped, slope = _jump(after, size, noise, at, row)
                    y = y + (jumped - after)
                    after = jumped
                    if keep:
                        store(kept, 2 * row + at, slope)
                store(states, at, after)
                mean = fma(older, y_now, oldest * load(before, at, WIDTH))
                store(before, at, y)
                store(value, at, fma(newest, y, mean))

    return compile_step(advance)


@cache
def _pull(variant: int) -> CFunc:
    """Return the compiled adjoint of a step, with ln x in place of x; see
    ``driver.backward``."""

    def pull(arrays: Any, extrapolation: Any, walk: Any, events: Any) -> None:
        kept, adjoints, pulled0, pulled1, pulled2, entering, constants, into = arrays
        newest, older, oldest = extrapolation
        groups, group_stride, repeats, repeat_stride, row = walk
        enters, jump = events
        each = groups * WIDTH
        for group in range(groups):
            of = group * WIDTH
            decay = load(constants, DECAY * each + of, WIDTH)
            gain = load(constants, GAIN * each + of, WIDTH)
            for k in range(repeats):
                at = group * group_stride + k * repeat_stride
                total = fma(
                    newest, load(pulled0, at, WIDTH), load(adjoints, row + at, WIDTH)
                )
                total = fma(older, load(pulled1, at, WIDTH), total)
                total = fma(oldest, load(pulled2, at, WIDTH), total)
                x = load(adjoints, at, WIDTH)
                if enters == 1:
                    total = total + load(entering, at, WIDTH)
                elif enters == 2:
                    own = load(entering, at, WIDTH)
                    x = x + (
                        own * load(kept, 5 * row + at, WIDTH)
                        if variant == COLD
                        else own
                    )
                before = gain * total  # of x at the start of the step, through y
                if variant == COLD:
                    x = fma(load(kept, 5 * row + at, WIDTH), before, x)
                    before = before * load(kept, 2 * row + at, WIDTH)
                elif variant == NOISY and jump != 0:
                    x = fma(x + total, load(kept, 2 * row + at, WIDTH), before - total)
                else:
                    x = x + before
                drive = x * load(kept, row + at, WIDTH)
                store(adjoints, at, fma(x, load(kept, at, WIDTH), -before))
                store(adjoints, row + at, decay * total)
                store(into, at, drive)

    return compile_step(pull)

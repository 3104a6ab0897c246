"""What a device shows under given currents, by the rate of its equation.

A drive lasts from its point to the next one, as a point of the input does in a network.
Before its first point, a trace was at rest under the drive of that point. Many sets of
parameters are simulated at once, in float64: arrays of shape (sets, traces), by the
Runge-Kutta method of order 4 of ``networks.integrators``, whatever closed form a device
may have, so that the filter behind it is solved as well as the device itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices import Device
from .recordings import Recording

Values = NDArray[np.float64]

MOST_ITERATIONS = 80
"""Of the search for the state at rest."""
AT_REST = 1e-10
"""Largest distance from rest, relative to the size of the states."""


def respond(
    device: Device, recording: Recording, drive_per_ma: Values, substeps: int
) -> Values:
    """Return the measured quantity, without scale and offset: (sets, traces, points).

    NaN where the device does not come to rest, or the simulation diverges.

    Args:
        device: with parameters of shape (sets, 1).
        recording: what was measured.
        drive_per_ma: drive, per ns, of a current of 1 mA, (sets, 1).
        substeps: steps of the simulation between two points.
    """
    from ..networks.integrators import RUNGE_KUTTA

    current = np.nan_to_num(recording.current_ma)
    steps_ns: Any = recording.steps_ns / substeps
    observe = device.amplitude if recording.quantity == "power" else device.output
    shape = (len(drive_per_ma), len(current))
    state = settle(device, current[:, 0] * drive_per_ma)
    with np.errstate(all="ignore"):
        shown = [np.broadcast_to(observe(*state), shape)]
        for point in range(steps_ns.shape[1]):
            slope = _slope(device, current[:, point] * drive_per_ma)
            for _ in range(substeps):
                state = RUNGE_KUTTA["rk4"].step(slope, state, steps_ns[:, point])
            shown.append(np.broadcast_to(observe(*state), shape))
    return np.stack(shown, axis=-1)


def _slope(device: Device, drive: Values) -> Callable[[Any], Any]:
    return lambda state: device.every("rate", *state, drive)


@np.errstate(all="ignore")
def settle(device: Device, drive: Values) -> Any:
    """Return the states at rest under constant drives, each shaped as ``drive``.

    From ``rest_under``, by pseudo-transient continuation: implicit Euler steps that
    grow, the faster the rate falls (C. T. Kelley and D. E. Keyes, SIAM J. Numer. Anal.
    35, 508 (1998)). NaN where there is no stable state within reach.
    """

    def joined(values: tuple[Any, ...]) -> Values:
        return np.array([np.broadcast_to(one, drive.shape) for one in values], float)

    def rate(state: Values) -> Values:
        return joined(device.every("rate", *state, drive))

    under_drive = joined(device.in_order("rest_under", device.rest_under(drive)))
    without = joined(device.every("rest"))
    state = np.where(np.isfinite(under_drive), under_drive, without)
    identity = np.eye(len(state))
    slope = rate(state)
    step_ns = None
    for _ in range(MOST_ITERATIONS):
        jacobian = _jacobian(rate, state, slope)
        left = _left(jacobian, state, slope)
        if not (left > AT_REST).any():
            break
        if step_ns is None:
            step_ns = 0.1 / np.abs(jacobian).max((-2, -1))
        matrix = identity / step_ns[..., None, None] - jacobian
        move = np.linalg.solve(matrix, np.moveaxis(slope, 0, -1)[..., None])[..., 0]
        state = state + np.moveaxis(move, -1, 0)
        before = np.abs(slope).max(0)
        slope = rate(state)
        fall = np.nan_to_num(before / np.abs(slope).max(0), nan=1.0)
        step_ns = step_ns * np.clip(fall, 2.0, 10.0)
    return tuple(np.where(_is_stable(jacobian, left), state, np.nan))


def _left(jacobian: Values, state: Values, slope: Values) -> Values:
    """Return how far the states are from rest: the rate of each over its steepest
    slope, relative to the size of the states, the largest of them."""
    steepness = np.moveaxis(np.abs(jacobian).max(-1), -1, 0)
    away = np.where(slope == 0.0, 0.0, np.abs(slope) / steepness)
    distance: Values = away.max(0) / (1.0 + np.abs(state).max(0))
    return distance


def _jacobian(rate: Callable[[Values], Values], state: Values, slope: Values) -> Values:
    """Return the derivatives of the rate by the states: (..., states, states)."""
    jacobian = np.empty((*state.shape[1:], len(state), len(state)))
    for column in range(len(state)):
        moved = state.copy()
        by = 1e-7 * (1.0 + np.abs(state[column]))
        moved[column] += by
        jacobian[..., column] = np.moveaxis((rate(moved) - slope) / by, 0, -1)
    return jacobian


def _is_stable(jacobian: Values, left: Values) -> NDArray[np.bool_]:
    """Return where a rest was reached that small deviations do not leave."""
    known = np.isfinite(jacobian).all((-2, -1)) & (left <= AT_REST)
    growth = np.linalg.eigvals(np.where(known[..., None, None], jacobian, 0.0)).real
    steepness = np.abs(jacobian).max((-2, -1))
    stable: NDArray[np.bool_] = known & (growth.max(-1) <= 1e-6 * steepness)
    return stable

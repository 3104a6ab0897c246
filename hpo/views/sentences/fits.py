"""What measurements say of a device, in words and rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.objectives.fitting.result import WIDEST, Curve, Estimate, Fit, Parameter
from hpo.views.sentences.formatting import NOTHING, plural

COLUMNS = ("parameter", "estimate", "95 % interval", "spread", "95 % interval")
CORRELATED = 0.5
"""Correlation of neighbouring residuals from which on a reader is told."""


def heading(fit: Fit) -> str:
    """Return what was fitted: ``spintronic: 8 devices, 1,200 values``."""
    n = sum(curve.n for curve in fit.curves)
    return (
        f"{fit.objective}: {plural(len(fit.devices), 'device')}, {plural(n, 'value')}"
    )


def rows(fit: Fit) -> list[list[str]]:
    """Return the table of parameters with its head; without a spread for one device."""
    found = [list(COLUMNS)]
    for parameter in fit.parameters.values():
        found.append([parameter.name, *_cells(parameter), *_spread_cells(parameter)])
    for name, value in fit.fixed.items():
        found.append([name, f"{value:.4g}", "given", NOTHING, NOTHING])
    if len(fit.devices) == 1:
        return [row[:3] for row in found]
    return found


def notes(fit: Fit) -> list[str]:
    """Return what a reader has to know of the data: what is missing, and the noise."""
    lines = []
    for parameter in fit.parameters.values():
        if 0 < parameter.n_devices < len(fit.devices):
            lines.append(
                f"{parameter.name}: determined by {parameter.n_devices} of"
                f" {plural(len(fit.devices), 'device')}"
            )
    worst = max(fit.curves, key=lambda curve: curve.noise)
    lines.append(f"noise: up to {100.0 * worst.noise:.2g} % of the range of the fit")
    slow = max(fit.curves, key=lambda curve: curve.correlation)
    if slow.correlation >= CORRELATED:
        lines.append(_slow_text(slow))
    return lines


def _slow_text(curve: Curve) -> str:
    """Say that residuals are no independent noise."""
    return (
        f"residuals of {curve.device}: neighbours are correlated by"
        f" {curve.correlation:.2f}. The noise is slow, or the equation lacks something:"
        " look at the residuals. Intervals hold for slow noise alone"
    )


def _cells(parameter: Parameter) -> Sequence[str]:
    """Return an estimate and its interval."""
    estimate = parameter.estimate
    if estimate.is_determined:
        return f"{estimate.value:.4g}", f"{estimate.low:.4g} to {estimate.high:.4g}"
    return NOTHING, bounds_text(estimate)


def bounds_text(estimate: Estimate) -> str:
    """Say what data leave open that do not determine a number."""
    low = estimate.low
    high = estimate.high
    if low is None and high is None:
        return "not determined"
    if low is None:
        return f"below {high:.3g}"
    if high is None:
        return f"above {low:.3g}"
    return f"{low:.2g} to {high:.2g}: over a factor of {WIDEST:g}"


def _spread_cells(parameter: Parameter) -> Sequence[str]:
    """Return the spread between devices and its interval."""
    spread = parameter.spread
    if spread is None or spread.high is None:
        return NOTHING, NOTHING if spread is None else "not determined"
    if spread.low is None:
        return NOTHING, f"below {100.0 * spread.high:.2g} %"
    interval = f"{100.0 * spread.low:.2g} to {100.0 * spread.high:.2g} %"
    return f"{100.0 * spread.value:.2g} %", interval

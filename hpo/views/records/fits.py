"""What measurements say of a device, as a record and as a table of a preset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hpo.objectives.fitting.result import Fit
from hpo.objectives.hardware.thermal import KnownPower
from hpo.views.sentences import fits as words

_THRESHOLD = "threshold_ma"
_DIGITS = 5
_ELSEWHERE = ("scale", "offset", "drive_per_ns_ma")
"""What is of the measurement, or follows from the rest."""


def record(fit: Fit) -> dict[str, Any]:
    """Return the record that ``hpo fit --json`` prints."""
    parameters = {}
    for name, one in fit.parameters.items():
        parameters[name] = {
            **_estimate(one.estimate),
            "n_devices": one.n_devices,
            "spread": one.spread and _estimate(one.spread),
        }
    devices = {}
    for device in fit.devices:
        devices[device.name] = {
            name: _estimate(one) for name, one in device.estimates.items()
        }
    return {
        "objective": fit.objective,
        "parameters": parameters,
        "fixed": dict(fit.fixed),
        "devices": devices,
    }


def _estimate(one: Any) -> dict[str, Any]:
    found = asdict(one)
    del found["is_log"]
    return {**found, "is_determined": one.is_determined}


def preset(fit: Fit, files: Sequence[Path]) -> dict[str, Any]:
    """Return the table of a device that a study may name, with what the data
    determine."""
    listed = ", ".join(path.name for path in files)
    table: dict[str, Any] = {"source": f"hpo fit {words.heading(fit)} of {listed}"}
    fixed: dict[str, float] = {}
    for name in (*fit.parameters, *fit.fixed):
        value = fit.determined(name)
        if name in _ELSEWHERE or value is None:
            continue
        to = table if name in KnownPower.model_fields else fixed
        to[name] = _rounded(value)
    if _THRESHOLD in table:
        table |= _currents(fit, table[_THRESHOLD])
    table["fixed"] = fixed
    table["variability"] = _spreads(fit)
    table["intervals"] = _intervals(fit)
    return {name: value for name, value in table.items() if value != {}}


def _currents(fit: Fit, threshold_ma: float) -> dict[str, Any]:
    """Return the range of drives of the measurement, and where it comes from."""
    low = min(float(np.nanmin(curve.current_ma)) for curve in fit.curves)
    high = max(float(np.nanmax(curve.current_ma)) for curve in fit.curves)
    found: dict[str, Any] = {"currents": f"measured from {low:g} to {high:g} mA"}
    if high > 0.0:
        found["drive_low"] = _rounded(min(low, 0.0) / threshold_ma)
        found["drive_high"] = _rounded(high / threshold_ma)
    return found


def _spreads(fit: Fit) -> dict[str, float]:
    """Return the spreads that are certainly not 0, by their keys of
    ``[variability]``."""
    found = {}
    for one in fit.parameters.values():
        spread = one.spread
        if spread is None or spread.low is None or spread.high is None:
            continue
        if one.spread_key:
            found[one.spread_key] = _rounded(min(spread.value, 1.0))
    return found


def _intervals(fit: Fit) -> dict[str, list[float]]:
    """Return the intervals of what is determined, and of the spreads above."""
    found = {}
    for name, one in fit.parameters.items():
        low = one.estimate.low
        high = one.estimate.high
        if one.estimate.is_determined and low is not None and high is not None:
            found[name] = [_rounded(low), _rounded(high)]
    for one in fit.parameters.values():
        spread = one.spread
        if spread is None or spread.low is None or spread.high is None:
            continue
        if one.spread_key:
            found[one.spread_key] = [_rounded(spread.low), _rounded(spread.high)]
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")

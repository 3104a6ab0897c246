"""From files of measurements to the parameters of a device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpo.errors import near_miss

from ..devices import Device
from ..refusal import refuse
from . import estimation, recordings
from .model import LINEAR, Model, Noise
from .population import summarise
from .quantities import THRESHOLD, quantities
from .recordings import Recording
from .result import UNKNOWN, Curve, Estimate, Fit, OneDevice

DRIVE = "drive_per_ns_ma"
"""Drive of a current of 1 mA, per ns: its spread is that of S in a network."""
_OF_TRAINING = ("start", "thermal_span")
"""Fields of a device that its response does not depend on."""


def fit(
    objective: str,
    model: Any,
    paths: Sequence[Path],
    fixed: Mapping[str, float] | None = None,
) -> Fit:
    """Estimate the parameters of a device from files of measurements.

    Args:
        objective: its name, for messages and the result.
        model: its class.
        paths: files, as ``recordings`` describes them.
        fixed: values that are known; all other parameters are estimated.

    Raises:
        ValueError: a file breaks a rule, a name is unknown, or no response fits.
    """
    if not (isinstance(model, type) and issubclass(model, Device)):
        refuse(objective, "a device", "another objective", "hpo params lists devices.")
    fixed = dict(fixed or {})
    device = _known(objective, model, fixed)
    measured = recordings.read(paths)
    devices = []
    for name, own in measured.items():
        devices.append(fit_one(name, device, own, fixed))
    parameters = {}
    names = dict.fromkeys(name for one in devices for name in one.estimates)
    for name in names:
        estimates = [one.estimates.get(name, UNKNOWN) for one in devices]
        key = model.Hardware.spreads.get(name, "")
        if name == DRIVE:
            key = "s_spread"
        parameters[name] = summarise(name, estimates, key)
    return Fit(objective=objective, devices=devices, parameters=parameters, fixed=fixed)


def fit_one(
    name: str, device: Device, own: Sequence[Recording], fixed: Mapping[str, float]
) -> OneDevice:
    """Estimate the parameters of one device.

    Raises:
        ValueError: there are too few values, or no response fits.
    """
    unknown = quantities(device, own, fixed)
    model = Model(
        device=device,
        recordings=own,
        quantities=unknown,
        fixed={THRESHOLD: 1.0, **device.values(), **fixed},
        noises=[Noise(sd=float(np.nanstd(one.value)) or 1.0) for one in own],
        substeps=2,
    )
    where = ", ".join(dict.fromkeys(str(one.file) for one in own))
    if model.freedom < 1:
        needs = model.n - model.freedom + 1
        rule = f"at least {needs} values of {name}, one more than what is estimated"
        refuse(where, rule, str(model.n), "Add some, or give parameters by --fixed.")
    try:
        fitted, found = estimation.estimate(model)
    except estimation.NoFitError as error:
        remedy = (
            "Give several currents, in mA, at which the value changes; or correct the"
            " device's `rate` and `rest`."
        )
        refuse(where, f"{error}", f"none in the data of {name}", remedy)
    estimates = {one.name: found.get(one.name, UNKNOWN) for one in unknown}
    drive = _drive(fitted, found, fixed)
    if drive is not None:
        estimates[DRIVE] = drive
    return OneDevice(name=name, estimates=estimates, curves=_curves(name, fitted))


def _known(objective: str, model: type[Device], fixed: Mapping[str, float]) -> Device:
    """Return the device with the values that are given.

    Raises:
        ValueError: it has no such parameter, or the value is out of bounds.
    """
    device = model()
    numbers = [
        name
        for name, value in sorted(device.choices().items())
        if isinstance(value, float) and name not in _OF_TRAINING
    ]
    known = [*device.parameters, *numbers, THRESHOLD, *LINEAR]
    for name, value in fixed.items():
        if name not in known:
            remedy = f"{near_miss(name, known)}Known: {', '.join(known)}."
            refuse(f"{objective}: --fixed", "a parameter", name, remedy)
        if name == THRESHOLD and not 0.0 < value < math.inf:
            refuse(f"--fixed {name}", "a number above 0", str(value), "Change it.")
    own = {n: v for n, v in fixed.items() if n not in (THRESHOLD, *LINEAR)}
    return model.model_validate(own).of_layer(0)


def _drive(
    fitted: estimation.Fitted,
    estimates: Mapping[str, Estimate],
    given: Mapping[str, float],
) -> Estimate | None:
    """Return the drive of 1 mA; None unless what it is made of is given, or determined
    by the data."""
    made_of = []
    value = 1.0
    for name in (THRESHOLD, "tau_ns"):
        if name in given:
            value /= given[name]
        elif name in estimates:
            made_of.append(name)
            value /= estimates[name].value
        elif name in (THRESHOLD, *fitted.model.device.parameters):
            return None
    if not made_of or not all(estimates[name].is_determined for name in made_of):
        return None
    names = [one.name for one in fitted.model.quantities]
    places = [names.index(name) for name in made_of]
    variance = fitted.covariance[np.ix_(places, places)].sum()
    half = estimation.critical(fitted.model.freedom) * math.sqrt(float(variance))
    return Estimate(
        value=value, low=value * math.exp(-half), high=value * math.exp(half)
    )


def _curves(name: str, fitted: estimation.Fitted) -> list[Curve]:
    """Return data and fit of every recording."""
    model = fitted.model
    curves = []
    for recording, noise, expected in zip(
        model.recordings, model.noises, model.curves(fitted.theta), strict=True
    ):
        sd = noise.sd if recording.sd is None else noise.sd * recording.sd
        shown = np.where(recording.measured, expected, np.nan)
        extent = float(np.nanmax(shown) - np.nanmin(shown))
        left = recording.value - shown
        curves.append(
            Curve(
                device=name,
                file=recording.file,
                quantity=recording.quantity,
                time_ns=recording.time_ns,
                current_ma=recording.current_ma,
                value=recording.value,
                expected=shown,
                residual=left / sd,
                noise=float(np.sqrt(np.nanmean(left**2))) / extent,
                correlation=noise.correlation,
            )
        )
    return curves

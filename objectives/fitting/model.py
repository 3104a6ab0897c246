"""Residuals of a set of parameters: response, scale and offset, and noise.

A value is ``scale`` times the response of the device, plus ``offset``, plus noise. Both
follow from the others by linear least squares, for each recording (variable projection,
G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973)). The noise of a
recording has one standard deviation (or the ratios of its ``sd``), and a correlation ρ
of neighbours in a trace, by which residuals are whitened: (r_n - ρ r_(n-1)) / √(1-ρ²).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices import Device
from .quantities import THRESHOLD, Quantity, drive_per_ma
from .recordings import Recording
from .response import respond

Values = NDArray[np.float64]

LINEAR = ("scale", "offset")
MOST_CORRELATED = 0.99
FAR = 1e8
"""Residual without a response, in units of the noise."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of a recording."""

    sd: float = 1.0
    """Standard deviation; with ``Recording.sd``, in units of it."""
    correlation: float = 0.0
    """Of neighbours in a trace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A device, its recordings, and what is known of both."""

    device: Device
    recordings: Sequence[Recording]
    quantities: Sequence[Quantity]
    fixed: Mapping[str, Any]
    noises: Sequence[Noise]
    substeps: int

    @property
    def n(self) -> int:
        """Number of measured values."""
        return sum(one.n for one in self.recordings)

    @property
    def n_linear(self) -> int:
        """Number of scales and offsets that are estimated."""
        return len(self.recordings) * len({*LINEAR} - self.fixed.keys())

    @property
    def freedom(self) -> int:
        """Measured values less what is estimated of them."""
        return self.n - self.n_linear - len(self.quantities)

    def finer(self) -> Model:
        """Return the model with half the step of simulation."""
        return replace(self, substeps=2 * self.substeps)

    def with_only(self, places: Sequence[int]) -> Model:
        """Return the model with some of the quantities, and the others as they are by
        default."""
        own = [self.quantities[place] for place in places]
        return replace(self, quantities=own)

    def with_noise_of(self, theta: Values) -> Model:
        """Return the model with the noise that is left at a set of parameters."""
        noises = []
        for recording, residual in zip(self.recordings, self._left(theta), strict=True):
            noises.append(_noise(recording, residual))
        return replace(self, noises=noises)

    def responses(self, thetas: Values) -> list[Values]:
        """Return the response in each recording: (sets, traces, points) of each."""
        values: dict[str, Any] = {}
        for quantity, column in zip(self.quantities, thetas.T, strict=True):
            values[quantity.name] = quantity.outer(column)[:, None]
        for name in (*self.device.parameters, THRESHOLD):
            if name not in values:
                values[name] = np.full((len(thetas), 1), self.fixed[name])
        threshold = values.pop(THRESHOLD)
        device = self.device.with_values(**values)
        per_ma = drive_per_ma(device, threshold)
        return [respond(device, one, per_ma, self.substeps) for one in self.recordings]

    def residuals(self, thetas: Values) -> Values:
        """Return the whitened residuals in units of the noise: (sets, values).

        Far from any where there is no response.
        """
        return bounded(self.plain_residuals(thetas))

    @np.errstate(all="ignore")
    def plain_residuals(self, thetas: Values) -> Values:
        """Return ``residuals``, not finite where there is no response."""
        parts = []
        for recording, noise, response in zip(
            self.recordings, self.noises, self.responses(thetas), strict=True
        ):
            measured, columns = self._design(recording, noise, response)
            weights = self._linear(recording, measured, columns)
            left = measured - np.einsum("skn,sk->sn", columns, weights)
            parts.append(left / noise.sd)
        return np.concatenate(parts, axis=1)

    def curves(self, theta: Values) -> list[Values]:
        """Return what is expected in each recording, (traces, points) of each."""
        found = []
        for recording, noise, response in zip(
            self.recordings, self.noises, self.responses(theta[None]), strict=True
        ):
            measured, columns = self._design(recording, noise, response)
            scale, offset = self._linear(recording, measured, columns)[0]
            found.append(scale * response[0] + offset)
        return found

    def _left(self, theta: Values) -> list[Values]:
        """Return the residuals of each recording, (traces, points), over
        ``Recording.sd``."""
        found = []
        for recording, curve in zip(self.recordings, self.curves(theta), strict=True):
            left = recording.value - curve
            found.append(left / _relative_sd(recording))
        return found

    def _design(
        self, recording: Recording, noise: Noise, response: Values
    ) -> tuple[Values, Values]:
        """Return the whitened values, (values,), and the whitened columns that scale
        and offset weigh, (sets, 2, values)."""
        relative = _relative_sd(recording)
        measured = _whiten(recording, recording.value / relative, noise.correlation)
        ones = np.broadcast_to(1.0 / relative, response.shape)
        columns = [
            _whiten(recording, one, noise.correlation)
            for one in (response / relative, ones)
        ]
        return measured, np.stack(columns, axis=1)

    def _linear(
        self, recording: Recording, measured: Values, columns: Values
    ) -> Values:
        """Return scale and offset by least squares, (sets, 2). The scale of a power is
        at least 0."""
        scale = self.fixed.get("scale")
        offset = self.fixed.get("offset")
        shown = columns[:, 0]
        ones = columns[:, 1]
        seen = shown
        left = np.broadcast_to(measured, shown.shape)
        if offset is None:  # what a constant explains is no evidence of a scale
            seen = _without(ones, shown)
        else:
            left = left - offset * ones
        with np.errstate(all="ignore"):
            scales = (seen * left).sum(-1) / (seen**2).sum(-1)
        if recording.quantity == "power":
            scales = np.maximum(scales, 0.0)
        if scale is not None:
            scales = np.full(len(columns), scale)
        offsets = np.full(len(columns), offset or 0.0)
        if offset is None:
            rest = left - scales[:, None] * shown
            offsets = (ones * rest).sum(-1) / (ones**2).sum(-1)
        return np.stack([scales, offsets], axis=1)


def bounded(residuals: Values) -> Values:
    """Return residuals that are finite, at most ``FAR``."""
    found: Values = np.clip(np.nan_to_num(residuals, nan=FAR), -FAR, FAR)
    return found


def _without(ones: Values, shown: Values) -> Values:
    """Return the part of a response that is orthogonal to a constant."""
    share = (ones * shown).sum(-1) / (ones**2).sum(-1)
    centred: Values = shown - share[:, None] * ones
    return centred


def _relative_sd(recording: Recording) -> Any:
    """Return the given standard deviations, (traces, points); 1 without them."""
    return 1.0 if recording.sd is None else recording.sd


def _whiten(recording: Recording, values: Values, correlation: float) -> Values:
    """Return values without the correlation of neighbours, in a row: (..., values)."""
    if correlation:
        free = np.sqrt(1.0 - correlation**2)
        after = (values[..., 1:] - correlation * values[..., :-1]) / free
        values = np.concatenate([values[..., :1], after], axis=-1)
    return values[..., recording.measured]


def _noise(recording: Recording, left: Values) -> Noise:
    """Return the noise that residuals show, (traces, points)."""
    square = float(np.nanmean(left**2))
    least = 1e-9 * float(np.nanmax(np.abs(recording.value)))  # of data without noise
    correlation = 0.0
    if recording.time_ns is not None and square > 0.0:
        neighbours = float(np.nanmean(left[:, 1:] * left[:, :-1])) / square
        correlation = min(max(neighbours, 0.0), MOST_CORRELATED)
    return Noise(sd=max(float(np.sqrt(square)), least), correlation=correlation)

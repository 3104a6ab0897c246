"""``[variability]``: how real devices differ from the ideal network in training.

On hardware every device has its own relaxation time and amplification, inputs and
neurons are noisy, and a weight has few values. Gain, bias, clock and input offset of a
chip are not quite those of its design. The score is then the mean accuracy over
``draws`` simulated chips. Light to import; ``networks.simulated_chips`` simulates the
chips.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from hpo.contract import Sha256, UnavailableError

from . import measured
from .measured import Measured

Spread = Annotated[float, Field(ge=0, le=1)]
REPLACED = {
    "tau_ns": "tau_ns_spread",
    "s": "s_spread",
    "oscillator_noise_per_sqrt_ns": "oscillator_noise_per_sqrt_ns",
}
"""The key that each column of measured devices replaces."""
_ALWAYS_WRITTEN = ("tau_ns_spread", "s_spread", "input_noise", "weight_bits", "draws")
_ERRORS = (
    "gain_error",
    "bias_error",
    "clock_error",
    "clock_jitter",
    "offset_error",
    "weight_error",
    "weight_error_of_largest",
    "readout_noise",
)
"""Keys of random errors of a whole chip, of its weights, input and readout."""


class Variability(BaseModel):
    """Deviations of the devices of a chip from the ideal; the defaults are the ideal.

    A device-to-device spread is a relative standard deviation. The factor of a device
    is log-normal with mean 1, as the product of many small influences of fabrication,
    and positive for any spread. (A truncated normal would have another mean and
    deviation than specified.)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    places: ClassVar[frozenset[str]] = frozenset({"devices"})
    """See ``TaskParams.places``."""
    spreads: ClassVar[Mapping[str, str]] = {"tau_ns": "tau_ns_spread"}
    """The key of the spread of each parameter that may have one, besides S."""

    tau_ns_spread: Annotated[
        Spread,
        Field(description="relative standard deviation of tau_ns between neurons"),
    ] = 0.0
    s_spread: Annotated[
        Spread, Field(description="relative standard deviation of S between neurons")
    ] = 0.0
    input_noise: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description=(
                "standard deviation of the noise that is added to each input point,"
                " constant while the point lasts, in units of the input (0 to 1 for"
                " the digits)"
            ),
        ),
    ] = 0.0
    oscillator_noise_per_sqrt_ns: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            description=(
                "white noise of every neuron of any device: standard deviation that"
                " its first state gains in 1 ns (or what the device's `add_noise`"
                " moves); sqrt(t) times as much in t ns, whatever the integration"
                " step. For spintronic it is thermal noise of the complex amplitude:"
                " the power x gains sqrt(x) times as much. Default: the device's"
                " own noise_per_sqrt_ns, which is sqrt(2 thermal_power / tau_ns) for"
                " spintronic and, for other devices, none unless defined"
            ),
        ),
    ] = None
    weight_bits: Annotated[
        int | None,
        Field(
            ge=2,
            le=16,
            description=(
                "bits of a weight: each trained tensor is rounded to 2^bits - 1"
                " values, evenly spaced and symmetric about 0; default: exact"
                " weights"
            ),
        ),
    ] = None
    gain_error: Annotated[
        Spread,
        Field(
            description=(
                "relative standard deviation of S between chips: one factor for all"
                " neurons of a chip"
            )
        ),
    ] = 0.0
    bias_error: Annotated[
        Spread,
        Field(
            description=(
                "relative standard deviation of the fixed drive between chips: one"
                " factor for all neurons of a chip"
            )
        ),
    ] = 0.0
    clock_error: Annotated[
        Spread,
        Field(
            description=(
                "relative standard deviation of the time between two input points,"
                " point_ns, between chips"
            )
        ),
    ] = 0.0
    clock_jitter: Annotated[
        float,
        Field(
            ge=0,
            le=0.25,
            description=(
                "standard deviation of the time at which the input changes from one"
                " point to the next, over point_ns; each edge has its own and does not"
                " shift the next one"
            ),
        ),
    ] = 0.0
    offset_error: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description=(
                "standard deviation between chips of a constant that is added to"
                " each channel of the input, in units of the input"
            ),
        ),
    ] = 0.0
    weight_error: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description=(
                "standard deviation of the error of each programmed weight, over its"
                " value"
            ),
        ),
    ] = 0.0
    weight_error_of_largest: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description=(
                "standard deviation of the error of each programmed weight, over the"
                " largest weight of its tensor"
            ),
        ),
    ] = 0.0
    readout_noise: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description=(
                "standard deviation of white noise on each value that is read, over"
                " the root mean square of the values read"
            ),
        ),
    ] = 0.0
    readout_bits: Annotated[
        int | None,
        Field(
            ge=2,
            le=24,
            description=(
                "bits of the converter that reads the neurons: values are rounded to"
                " 2^bits - 1 evenly spaced ones, symmetric about 0, up to the largest"
                " value; default: exact values"
            ),
        ),
    ] = None
    draws: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="simulated chips; the score is the mean over them",
        ),
    ] = 8
    in_training: Annotated[
        bool,
        Field(
            description=(
                "whether training simulates chips, too: a new one for each batch;"
                " its gradient, at the weights of the chip, moves the exact ones"
            )
        ),
    ] = False
    devices: Annotated[
        str | None,
        Field(
            min_length=1,
            description=(
                "CSV file of measured oscillators: every neuron of a chip is one of"
                " them; columns of the file replace the spreads and the noise of"
                " the same name; a relative path starts at the study file's"
                " directory"
            ),
        ),
    ] = None
    devices_sha256: Annotated[
        Sha256 | None,
        Field(
            description=(
                "hash of that file, filled in when the study file is read and"
                " checked by every worker"
            ),
        ),
    ] = None

    @model_serializer(mode="wrap")
    def _without_absent_keys(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Leave out what is absent, except for the keys of the first release.

        The table is then written as before the others existed, with the same hash.
        """
        values: dict[str, Any] = write(self)
        kept = set(_ALWAYS_WRITTEN)
        if self.oscillator_noise_per_sqrt_ns is not None:
            kept.add("oscillator_noise_per_sqrt_ns")
        return {name: value for name, value in values.items() if value or name in kept}

    @model_validator(mode="after")
    def _hash_is_of_devices(self) -> Self:
        if self.devices_sha256 is not None and self.devices is None:
            raise ValueError(
                "devices_sha256: needs `devices`, the file with this hash. Add devices."
            )
        return self

    def resolve(self, base: Path) -> Self:
        """Return it with an absolute path and the hash of the devices; see
        ``TaskParams.resolve``.

        Raises:
            ValueError: the devices break a rule; the message says where, which and what
                to do.
        """
        if self.devices is None:
            return self
        path = Path(os.path.abspath(base / os.path.expanduser(self.devices)))
        devices = measured.read_verified(path, self.devices_sha256)
        self._check_doubles(devices)
        return self.model_copy(
            update={"devices": str(path), "devices_sha256": devices.sha256}
        )

    def measured(self) -> Measured | None:
        """Return the measured devices; None without a file of them.

        Raises:
            UnavailableError: this host lacks the devices of ``devices_sha256``.
            ValueError: a key repeats a column.
        """
        if self.devices is None:
            return None
        if self.devices_sha256 is None:
            devices = measured.read_verified(Path(self.devices), None)
        else:
            try:
                devices = measured.read_pinned(Path(self.devices), self.devices_sha256)
            except ValueError as error:
                raise UnavailableError(str(error)) from error
        self._check_doubles(devices)
        return devices

    def _check_doubles(self, devices: Measured) -> None:
        if "tau_ns" in devices.columns and "tau_ns" not in self.spreads:
            raise ValueError(
                f"{self.devices}: tau_ns is not a parameter of the device. Remove the"
                " column."
            )
        for column, key in REPLACED.items():
            if column in devices.columns and (getattr(self, key) or 0.0) > 0:
                raise ValueError(
                    f"{self.devices}: a value cannot be both measured and drawn, got a"
                    f" column {column} and {key}={getattr(self, key)}. Remove one."
                )

    @classmethod
    def of(cls, parameters: Sequence[str]) -> type[Self]:
        """Return the model with a spread of each of these parameters."""
        spreads = {name: f"{name}_spread" for name in parameters}
        fields: Any = {
            key: (
                Spread,
                Field(
                    0.0,
                    description=(
                        f"relative standard deviation of {name} between neurons"
                    ),
                ),
            )
            for name, key in spreads.items()
            if key not in cls.model_fields
        }
        model: type[Self] = create_model(cls.__name__, __base__=cls, **fields)
        model.spreads = spreads
        return model

    @property
    def is_random(self) -> bool:
        """Whether chips differ from each other; with rounded weights alone they do not.

        Chips of a network with thermal power always differ: see
        ``simulated_chips.is_noisy``.
        """
        spreads = self.spreads.values()
        noises = ("s_spread", "input_noise", "oscillator_noise_per_sqrt_ns")
        names = (*spreads, *noises, *_ERRORS)
        return self.devices is not None or any(
            (getattr(self, name) or 0.0) > 0 for name in names
        )


def log_normal_sigma(spread: float) -> float:
    """Return the standard deviation of the logarithm of a factor with a relative
    ``spread``.

    sigma^2 = ln(1 + spread^2); the factor exp(sigma z - sigma^2 / 2), z standard
    normal, has the mean 1 and the standard deviation ``spread``.

    >>> log_normal_sigma(0.0), round(log_normal_sigma(0.5), 4)
    (0.0, 0.4724)
    """
    return math.sqrt(math.log1p(spread * spread))

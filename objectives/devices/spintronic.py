"""The objective ``spintronic``: networks of spintronic oscillators, each behind a
filter.

E. Plouet et al., Training a multilayer dynamical spintronic network with standard
machine learning tools to perform time series classification, arXiv:2408.02835 (2024).

The amplitude x of a spintronic oscillator i of layer n+1, its drive I and its output
y::

    dx/dt = γ x_th - γ (1 + Q x) x + σ I x (1 - x)                      Eq. (1), (3)
    D     = S (W_ext y_n + W_int y_{n+1} + b) + b_fixed,   b_fixed = 2 γ   Eq. (4)
    I     = limit(D)                                           ``drive_limit``
    dy/dt = -2π f_cut y + dx/dt                                         Eq. (5)

The paper's network, Eq. (3), has no non-linear damping, Q = 0, σ = 1, no thermal
power, x_th = 0, and no limit, I = D; ``networks.oscillator`` explains how Eq. (1) and
(3) agree and what the thermal power is, ``networks.highpass`` holds Eq. (5), and
``networks.layered`` the synapses. Layer 0 receives the input u in place of y_n.

============  =============  ====  ==================================================
paper symbol  code name      unit  meaning
============  =============  ====  ==================================================
x             x              1     amplitude; without thermal power, ln x is integrated
y             y              1     output: what passes the filter
I             drive          1/ns
γ = 1/τ       tau_ns         ns    relaxation time τ
Q, σ          q, sigma       1     non-linear damping, material factor of the drive
x_th          thermal_power  1     power without a drive
S             s              1     amplification of weights and biases
b_fixed       fixed_drive    1/ns  that of the nominal device on every chip
f_cut         f_cut_per_ns   1/ns  cut-off of the filter
============  =============  ====  ==================================================

The fixed bias is the paper's whatever Q and σ, so the amplitude without input and
thermal power is x0 = (2σ - 1) / (2σ + Q): one half in the paper's network, and none
unless σ > 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..training import Amplification, LearningRate, LearningRateDecay
from .device import Device, DriveLimit, Parameter, parameter
from .functions import exp, log, maximum, minimum, sqrt, where

ThermalTraining = Annotated[
    Literal["mean", "noise"],
    Field(
        description=(
            "how training includes the thermal power: its mean effect, or thermal"
            " noise itself; scores use the mean effect, except with [variability]"
        )
    ),
]
ThermalSpan = Annotated[
    float,
    Field(
        ge=1,
        le=100,
        description=(
            "in training, the thermal power is up to this factor larger or smaller,"
            " drawn anew for each batch"
        ),
    ),
]


_HALVINGS = 40
"""Steps of a bisection: to 1e-12."""
_AT_REST = 1e-6
"""Largest change of x at rest, in 1 / tau_ns."""
_HELPERS = ("_mean_power", "has_own_rate", "_find_rest")
"""What methods of the equation call: a subclass that defines them changes it."""
_BETWEEN_JUMPS = property(lambda self: 0.0)
"""``_mean_power`` with simulated noise, which makes the thermal power."""


class Spintronic(Device):
    """A spintronic oscillator and its filter, and hyper-parameters of a network of
    them.

    The defaults are the optimum and the architecture of arXiv:2408.02835, with two
    properties of hardware that the paper has not: thermal power, and a limited drive.
    """

    system = "oscillator"
    has_threshold = True
    states = ("x", "y")
    noise_parts = 2
    equation = (*Device.equation, "amplitude_rate")
    rates = ("rate", "amplitude_rate")
    predicting: ClassVar[Mapping[str, Any]] = {
        "thermal_training": "mean",
        "thermal_span": 1.0,
    }
    """Without ``[variability]``, predictions are scored with the mean effect of the
    thermal power. So training uses it by default, and the readout is fitted with it."""

    tau_ns: Parameter = parameter(
        14.12, gt=0, le=1e6, description="relaxation time of a neuron, in ns"
    )
    lr0: LearningRate = 0.149
    lr_decay: LearningRateDecay = 8.077
    s: Amplification = 0.5
    f_cut_per_ns: Parameter = parameter(
        0.1,
        ge=0,
        le=1e3,
        description=(
            "cut-off frequency of the high-pass filter, per ns; not given in the paper:"
            " 0.1 reproduces its accuracy"
        ),
    )
    q: Annotated[
        float,
        Field(
            ge=0,
            le=1e3,
            description="non-linear damping Q of Eq. (1); the paper's is 0",
        ),
    ] = 0.0
    sigma: Annotated[
        float,
        Field(
            gt=0.5,
            le=1e3,
            description=(
                "material factor σ of the drive in Eq. (1); the paper's is 1, and up to"
                " 1/2 the fixed bias sustains no oscillation"
            ),
        ),
    ] = 1.0
    drive_limit: DriveLimit = "smooth"
    drive_high: Annotated[
        float,
        Field(
            ge=-1e6,
            le=1e6,
            description=(
                "largest drive if it is limited, in units of the nominal damping 1 /"
                " tau_ns, which is the threshold of oscillation; published devices"
                " had up to 2.3"
            ),
        ),
    ] = 3.0
    thermal_power: Parameter = parameter(
        1e-3,
        ge=0,
        le=0.1,
        per_layer=False,
        description=(
            "power of an oscillator without a drive, kT / E, relative to its power"
            " at saturation: about 1e-3 at 100 nm and room temperature"
            " (docs/how-to/thermal.md); the paper has 0, which no device has"
        ),
    )
    thermal_training: ThermalTraining = "noise"
    thermal_span: ThermalSpan = 10.0
    start: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description=(
                "amplitude at the start of a series, relative to that at rest"
                " without input"
            ),
        ),
    ] = 1.0

    @model_validator(mode="after")
    def _powers_are_below_saturation(self) -> Self:
        if not self.thermal_power * self.thermal_span <= 1.0:
            raise ValueError(
                "thermal_span: expected `thermal_power * thermal_span <= 1`, the"
                f" largest power in training, got thermal_power={self.thermal_power},"
                f" thermal_span={self.thermal_span}. Lower one of them."
            )
        return self

    @model_validator(mode="after")
    def _a_mean_is_not_that_of_the_filter(self) -> Self:
        cut = (
            self.f_cut_per_ns
            if isinstance(self.f_cut_per_ns, tuple)
            else (self.f_cut_per_ns,)
        )
        if self.readout == "y" and self.readout_points != "last" and any(cut):
            raise ValueError(
                'readout_points: a mean over the points needs readout = "x" or'
                " f_cut_per_ns = 0, "
                f"got readout_points={self.readout_points!r}, readout='y', "
                f'f_cut_per_ns={self.f_cut_per_ns}. Add readout = "x": by Eq. (5) the'
                " mean of the "
                "filtered y is (x_end - x_0 - y_end) / (2 pi f_cut T), the last x once"
                " more."
            )
        return self

    @property
    def _mean_power(self) -> Any:
        """The thermal power whose mean effect is in the rate: none between jumps."""
        return self.thermal_power

    def amplitude_rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt, per ns: Eq. (1), and Eq. (3) with Q = 0 and σ = 1.

        Terms of a subclass belong here: Eq. (5) passes them on to y.
        """
        from ..networks import oscillator

        return oscillator.rate(
            x, drive, **_material(self), thermal_power=self._mean_power
        )

    def rate(self, x: Any, y: Any, drive: Any) -> Any:
        """Return the time derivatives of x and y, per ns."""
        from ..networks import highpass

        dx = self.amplitude_rate(x, drive)
        return dx, highpass.rate(y, dx, self.f_cut_per_ns)  # Eq. (5)

    def advance_exactly(self, x: Any, y: Any, drive: Any, step_ns: Any) -> Any:
        """Return both after ``step_ns`` of constant drive; y for a constant mean
        dx/dt."""
        from ..networks import highpass, oscillator

        after = oscillator.advance_exactly(
            x, drive, step_ns, **_material(self), thermal_power=self._mean_power
        )
        return after, highpass.advance_exactly(y, after - x, self.f_cut_per_ns, step_ns)

    def output(self, x: Any, y: Any, *others: Any) -> Any:
        """Return the filtered amplitude."""
        return y

    def fixed_drive(self) -> Any:
        """Return the fixed bias, 2γ: with Q = 0 and σ = 1, x rests at 1/2 without
        another drive."""
        return 2.0 / self.tau_ns

    def rest_under(self, drive: Any) -> Any:
        """Return x, ``start`` times its fixed point without input; all other states
        are 0."""
        from ..networks import oscillator

        if self.has_own_rate():
            rest = self._find_rest(drive)
        else:
            rest = oscillator.fixed_point(
                drive, **_material(self), thermal_power=self.thermal_power
            )
        others = (0.0,) * (len(self.states) - 1)
        return maximum(self.start * rest, oscillator.SILENT), *others

    @classmethod
    def has_own_rate(cls) -> bool:
        """Tell whether dx/dt is defined anew."""
        return cls.amplitude_rate is not Spintronic.amplitude_rate

    def _find_rest(self, drive: Any) -> Any:
        """Return where ``amplitude_rate`` falls through 0 between 0 and 1, by
        bisection; between jumps, with the mean effect of their noise."""
        mean_effect = (self.thermal_power - self._mean_power) / self.tau_ns
        low = 0.0 * self.amplitude_rate(0.5, drive)
        high = low + 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            rises = self.amplitude_rate(middle, drive) + mean_effect > 0.0
            low = where(rises, middle, low)
            high = where(rises, high, middle)
        return low

    def check_rest(self) -> None:
        """Check that the x that ``rest_under`` finds is at rest.

        Raises:
            ValueError: dx/dt is not 0 there.
        """
        if type(self).rest_under is not Spintronic.rest_under:
            return
        drive = self.limit_drive(self.fixed_drive(), *self.drive_bounds())
        states = self.with_values(start=1.0).rest_under(drive)
        change = self.every("rate", *states, drive)[0] * self.tau_ns
        if not abs(change) <= _AT_REST:
            raise ValueError(
                f"{type(self).__name__}.rest: expected a rest between 0 and 1, where x"
                f" does not change without input, got {change:.4g} / tau_ns at x ="
                f" {states[0]:.4g}. Define `rest`."
            )

    def noise_per_sqrt_ns(self) -> Any:
        """Return η = sqrt(2 γ x_th) of the complex amplitude, see
        ``networks.oscillator``."""
        return sqrt(2.0 * self.thermal_power / self.tau_ns)

    def add_noise(self, x: Any, y: Any, *others: Any, noise: Any) -> Any:
        """Return x and y after a jump of the complex amplitude; Eq. (5) passes it on to
        y. Further states of a subclass do not jump."""
        from ..networks import oscillator

        after = _jump(sqrt(maximum(x, oscillator.SILENT)), noise)
        return after, y + (after - x), *others

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Step an equation of one's own by its rate: no kernel is generated from the
        closed form of this class, which takes no symbols."""
        inherits = cls.advance_exactly is Spintronic.advance_exactly
        if inherits and cls.generates_kernel():
            cls.advance_exactly = None  # type: ignore[assignment, method-assign]
        super().__pydantic_init_subclass__(**kwargs)

    @classmethod
    def generates_kernel(cls) -> bool:
        """Tell whether a subclass has an equation of its own: ``kernels.spintronic``
        has another one."""
        own = cls.__mro__[: cls.__mro__.index(Spintronic)]
        helpers = [vars(one)[n] for one in own for n in _HELPERS if n in vars(one)]
        changed = any(helper is not _BETWEEN_JUMPS for helper in helpers)
        return changed or cls.has_own_equation(Spintronic)

    def by_hand(self, noisy: bool) -> Any:
        """Return the hand-written steps of ``kernels.spintronic``; none for a subclass
        with an equation of its own."""
        from ..networks.kernels.spintronic import SpintronicSteps

        if self.generates_kernel():
            return None
        return SpintronicSteps(self, noisy=noisy)

    def beyond_kernel(self, integrator: str) -> str:
        """Return what the kernels lack: the hand-written ones, steps without a closed
        form."""
        if integrator == "ab3" and not self.generates_kernel():
            return f"integrator={integrator!r}"
        return super().beyond_kernel(integrator)

    def between_jumps(self, noise_per_sqrt_ns: Any) -> Spintronic:
        """Return the device without the mean effect of a noise, at rest with that
        noise's power."""
        power = noise_per_sqrt_ns**2 * self.tau_ns / 2.0
        device = self.with_values(thermal_power=power)
        return _as_class(device, _jumping(type(self)))

    def in_its_variables(self) -> Spintronic:
        """Return the device with ln x in place of x where x may decay to 0; see
        ``networks.oscillator``. The methods of a subclass see x."""
        power = self._mean_power
        decays = isinstance(power, float | int) and power == 0.0
        if not decays or self.generates_kernel():
            return self
        return _as_class(self.model_copy(), _in_logarithm(type(self)))


def _material(device: Spintronic) -> dict[str, Any]:
    """Return the constants of the oscillator."""
    return {"gamma_per_ns": 1.0 / device.tau_ns, "q": device.q, "sigma": device.sigma}


def _jump(root: Any, noise: Any) -> Any:
    """Return x after a jump, from √x, between SILENT and 1."""
    from ..networks import oscillator

    after = oscillator.add_noise(root, *noise)
    return minimum(1.0, maximum(after, oscillator.SILENT))


def _as_class(device: Spintronic, cls: type[Spintronic]) -> Spintronic:
    object.__setattr__(device, "__class__", cls)
    return device


@cache
def _jumping(device: type[Spintronic]) -> type[Spintronic]:
    """Return the class with simulated noise, which makes its thermal power.

    The equation between the jumps is Eq. (2).
    """
    how = {"__module__": device.__module__, "_mean_power": _BETWEEN_JUMPS}
    return type(device.__name__, (device,), how)


class _InLogarithm:
    """The equation without thermal power, with the state ln x."""

    __slots__ = ()

    def amplitude(self: Any, x: Any, y: Any) -> Any:
        """Return the paper's x."""
        return exp(x)

    def moving(self: Any, x: Any, y: Any) -> Any:
        """Return the paper's x, whose change is read out."""
        return exp(x)

    def rate(self: Any, x: Any, y: Any, drive: Any) -> Any:
        """Return the time derivatives of ln x and y, per ns."""
        from ..networks import highpass, oscillator

        change = oscillator.log_rate(x, drive, **_material(self))  # Eq. (1), (3)
        return change, highpass.rate(y, exp(x) * change, self.f_cut_per_ns)

    def advance_exactly(self: Any, x: Any, y: Any, drive: Any, step_ns: Any) -> Any:
        """Return ln x and y after ``step_ns`` of constant drive."""
        from ..networks import highpass, oscillator

        after = oscillator.advance_log_exactly(x, drive, step_ns, **_material(self))
        dx = exp(after) - exp(x)
        return after, highpass.advance_exactly(y, dx, self.f_cut_per_ns, step_ns)

    def rest_under(self: Any, drive: Any) -> Any:
        """Return ln x and y without input."""
        x, y = super().rest_under(drive)  # type: ignore[misc]
        return log(x), y

    def add_noise(self: Any, x: Any, y: Any, noise: Any) -> Any:
        """Return ln x and y after a jump of the complex amplitude."""
        after = _jump(exp(x / 2.0), noise)
        return log(after), y + (after - exp(x))


@cache
def _in_logarithm(device: type[Spintronic]) -> type[Spintronic]:
    how = {"__module__": device.__module__}
    return type(device.__name__, (_InLogarithm, device), how)

"""User-defined devices: declare states, parameters and rates; the rest follows.

    from hpo.objectives.devices import Device, Parameter, parameter, tanh

    class Cubic(Device):
        tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
        a: Parameter = parameter(0.3, ge=0, description="cubic damping")

        def rate(self, x, drive):
            return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns

Its methods are ordinary expressions: they take numbers, tensors of PyTorch, arrays of
NumPy and symbols of SymPy alike, by the functions of ``functions``. ``objective =
"my_module:Cubic"`` trains a network of such devices, ``"my_module:Cubic-prediction"``
one that predicts. Light to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeAlias,
    get_origin,
)

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

from ..hardware import physics
from ..hardware.variability import Variability
from ..training import (
    COMPILED,
    Amplification,
    Integrator,
    LayeredParams,
    LearningRate,
    LearningRateDecay,
    PerLayer,
)
from .functions import maximum, minimum, tanh

Parameter: TypeAlias = Any
"""Type of a ``parameter``: one number for all layers, or one for each."""
NeuronPower = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description=(
            "power of a neuron in µW, used for energy_pj; 1 µW is the paper's 100"
            " fJ in 100 ns; training and score do not depend on it"
        ),
        json_schema_extra={"hardware": True},
    ),
]
SynapsePower = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description=(
            "power of a synapse in µW, used for energy_pj; 0.1 µW is the paper's 10"
            " fJ in 100 ns"
        ),
        json_schema_extra={"hardware": True},
    ),
]


DriveLimit = Annotated[
    Literal["none", "smooth", "hard"],
    Field(
        description=(
            "limit of the drive: none; smooth, a tanh between its bounds, as a"
            " differential pair limits a current; or hard, a clip"
        )
    ),
]
REACH = 1.8
"""Largest distance of a bias from the middle of a smooth limit, in half ranges: beyond
it, less than a tenth of a change of the drive passes."""
DriveBound = Annotated[
    float,
    Field(
        ge=-1e6,
        le=1e6,
        description=(
            "bound of the drive if it is limited, in units of the nominal damping"
            " 1 / tau_ns; of 1/ns for a device without tau_ns"
        ),
    ),
]


@dataclass(frozen=True)
class _Bounded:
    """Metadata of a parameter: its schema is that of a number for all layers, or one
    for each."""

    bounds: Mapping[str, float] = field(hash=False)
    per_layer: bool = True

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        bounds: Any = self.bounds
        number: Any = Annotated[float, Field(**bounds)]
        values: Any = PerLayer
        return handler.generate_schema(values[number] if self.per_layer else number)


def parameter(
    default: float | tuple[float, ...],
    *,
    description: str,
    per_layer: bool = True,
    **bounds: float,
) -> Any:
    """Declare a parameter of a device: one number for all layers, or one for each.

    Args:
        default: value unless a study sets it.
        description: meaning, with unit.
        per_layer: whether layers may have different values.
        bounds: ``gt``, ``ge``, ``lt`` and ``le``, as in pydantic.
    """
    field: Any = Field(default=default, description=description)
    field.metadata.append(_Bounded(bounds, per_layer))
    return field


class Device(LayeredParams):
    """The dynamics of a neuron, and the hyper-parameters of a network of such neurons.

    Derive a class with its parameters as fields, and define ``rate``; everything else
    may be overridden. Return expressions of states, drive and parameters, written with
    the functions of ``functions``: no ``if`` on a state.
    """

    system: ClassVar[str] = "equation"
    """What it is called where a score is no result of it."""
    states: ClassVar[tuple[str, ...]] = ("x",)
    """Names of the state variables of a neuron."""
    noise_parts: ClassVar[int] = 1
    """Normal numbers in a jump of noise, a tuple if several. Each has the standard
    deviation ``noise_per_sqrt_ns / noise_parts`` in 1 ns."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """Names of its parameters."""
    predicting: ClassVar[Mapping[str, Any]] = {}
    """Defaults that differ in a network that predicts."""
    Hardware: ClassVar[type[Variability]] = Variability
    """Model of ``[variability]``: each parameter may have a spread."""
    equation: ClassVar[tuple[str, ...]] = (
        "states",
        "noise_parts",
        "rate",
        "advance_exactly",
        "output",
        "amplitude",
        "moving",
        "rest",
        "rest_under",
        "limit_drive",
        "add_noise",
        "between_jumps",
    )
    """What makes its equation. ``fixed_drive``, ``drive_bounds`` and
    ``noise_per_sqrt_ns`` do not: every kernel takes their numbers."""
    rates: ClassVar[tuple[str, ...]] = ("rate",)
    """Methods that ``advance_exactly`` solves."""

    lr0: LearningRate = 0.02
    lr_decay: LearningRateDecay = 15.0
    s: Amplification = 0.5
    integrator: Integrator = "ab3"
    neuron_uw: NeuronPower = physics.NEURON_UW
    synapse_uw: SynapsePower = physics.SYNAPSE_UW
    drive_limit: DriveLimit = "none"
    drive_low: DriveBound = 0.0
    drive_high: DriveBound = 3.0
    readout: Annotated[
        Literal["y", "x"],
        Field(
            description=(
                "what the readout sees of a neuron: its output y, or the change of"
                " its first state x since the start; for an oscillator this change"
                " is y without the filter"
            )
        ),
    ] = "y"

    advance_exactly: ClassVar[Callable[..., Any] | None] = None
    """States after ``step_ns`` of constant drive in closed form, if there is one:
    ``advance_exactly(self, x, drive, step_ns)``. The exponential integrators need
    it."""
    noise_per_sqrt_ns: ClassVar[Callable[..., Any] | None] = None
    """Standard deviation of the noise of a neuron in 1 ns, by its parameters. With 2
    ``noise_parts``, a state with one of them gets half of it."""

    def rate(self, *states_and_drive: Any) -> Any:
        """Return the time derivative of each state, per ns: ``rate(self, x,
        drive)``."""
        raise NotImplementedError(f"{type(self).__name__} has no rate")

    def output(self, *states: Any) -> Any:
        """Return the output of a neuron: by default, its first state."""
        return states[0]

    def amplitude(self, *states: Any) -> Any:
        """Return the x of a trace: by default, the first state."""
        return states[0]

    def moving(self, *states: Any) -> Any:
        """Return what is read out with ``readout = "x"``, by its change: the first
        state."""
        return states[0]

    def rest(self) -> Any:
        """Return each state without input."""
        return (0.0,) * len(self.states)

    def fixed_drive(self) -> Any:
        """Return the drive of a neuron besides its synapses, per ns."""
        return 0.0

    def drive_bounds(self) -> tuple[Any, Any]:
        """Return the least and the largest drive under a limit, per ns."""
        tau_ns: Any = self.values().get("tau_ns", 1.0)
        return self.drive_low / tau_ns, self.drive_high / tau_ns

    def limit_drive(self, drive: Any, low: Any, high: Any) -> Any:
        """Return the drive that acts, between two bounds; NaN stays NaN.

        See docs/explanation/equations.md, "Limit of the drive".
        """
        if self.drive_limit == "none":
            return drive
        if self.drive_limit == "hard":
            return minimum(high, maximum(drive, low))
        middle = (high + low) / 2.0
        half = (high - low) / 2.0
        return middle + half * tanh((drive - middle) / half)

    def add_noise(self, *states: Any, **named: Any) -> Any:
        """Return each state after a jump of noise, ``add_noise(self, x, noise)``;
        default: x moves."""
        return (states[0] + named["noise"], *states[1:])

    def rest_under(self, drive: Any) -> Any:
        """Return each state under a constant drive, that of a network without input:
        by default ``rest``."""
        return self.rest()

    def check_rest(self) -> None:
        """Check a rest that is found, not given: by default none is."""

    def between_jumps(self, noise_per_sqrt_ns: Any) -> Device:
        """Return the device for simulated noise, without the mean effect of noise in
        its rate."""
        return self

    def in_its_variables(self) -> Device:
        """Return the device in the variables that the reference integrates: for some
        equations, others are more exact."""
        return self

    def with_values(self, **values: Any) -> Self:
        """Return the device with tensors, symbols or numbers as parameters."""
        return self.model_copy(update=values)

    @classmethod
    def generates_kernel(cls) -> bool:
        """Tell whether its kernel is generated from its methods, not written by
        hand."""
        return True

    def by_hand(self, noisy: bool) -> Any:
        """Return hand-written compiled steps, a ``kernels.kernel.Pointwise``, if
        any."""
        return None

    def beyond_kernel(self, integrator: str) -> str:
        """Return the feature that compiled steps lack, as ``name=value``; else
        empty.

        Kernels have no Runge-Kutta steps of the whole network.
        """
        if integrator not in COMPILED:
            return f"integrator={integrator!r}"
        own = type(self)
        if self.readout == "x" and own.moving is not Device.moving:
            return f"moving of {own.__name__}"
        return ""

    @classmethod
    def has_own_limit(cls) -> bool:
        """Tell whether it limits the drive by a method of its own."""
        return cls.limit_drive is not Device.limit_drive

    @classmethod
    def has_own_equation(cls, device: type[Device]) -> bool:
        """Tell whether it defines a part of the equation anew, as a subclass of
        ``device``."""
        return any(getattr(cls, n) is not getattr(device, n) for n in device.equation)

    @property
    def reads(self) -> int:
        """Index of the state whose change is read out; -1: the output."""
        return 0 if self.readout == "x" else -1

    def values(self) -> dict[str, float | tuple[float, ...]]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self.parameters}

    def of_layer(self, layer: int) -> Self:
        """Return the device with the parameters of one layer."""
        values = self.values()
        own = {n: v[layer] for n, v in values.items() if isinstance(v, tuple)}
        return self.with_values(**own)

    def choices(self) -> dict[str, Any]:
        """Return the fields of the class that are not parameters; its methods may use
        them."""
        named: set[str] = set()
        for cls in type(self).__mro__:
            if issubclass(cls, Device):
                named |= vars(cls).get("__annotations__", {}).keys()
        others = named & type(self).model_fields.keys() - Device.model_fields.keys()
        return {name: getattr(self, name) for name in others - {*self.parameters}}

    def bare(self) -> Any:
        """Return a copy without fields of the network and its training."""
        choices = {**self.choices(), "drive_limit": self.drive_limit}
        device = type(self).model_construct(**choices)
        for name in vars(device).keys() - choices.keys():
            del vars(device)[name]
        return device

    def every(self, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
        """Call ``rate``, ``advance_exactly``, ``rest`` or ``add_noise``, and return one
        value for each state.

        Raises:
            ValueError: the method returns another number of values.
        """
        return self.in_order(hook, getattr(self, hook)(*states, **more))

    def in_order(self, hook: str, result: Any) -> tuple[Any, ...]:
        """Return the result of a method as one value for each state, or raise as
        ``every``."""
        values = result if isinstance(result, tuple | list) else (result,)
        if len(values) != len(self.states):
            names = ", ".join(self.states)
            raise ValueError(
                f"{type(self).__name__}.{hook}: expected one value for each state"
                f" ({names}), got {len(values)}. Return {len(self.states)}, in this"
                " order."
            )
        return tuple(values)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the parameters; ``advance_exactly`` integrates a device that has it.

        A ``rate`` that is defined anew has no solution but one that its class, or a
        later one, defines: that of a parent solves another equation. So it is with
        ``rest`` and ``rest_under``.
        An inherited field with another default keeps its type, bounds and description.

        Raises:
            TypeError: a name is reserved.
        """
        super().__pydantic_init_subclass__(**kwargs)
        cls._keep_meanings()
        parameters = []
        for name, info in cls.model_fields.items():
            if any(isinstance(one, _Bounded) for one in info.metadata):
                parameters.append(name)
        cls.parameters = tuple(parameters)
        cls._check_names()
        cls.Hardware = Variability.of(cls.parameters)
        hardware: Any = cls.Hardware | None
        cls.model_fields["variability"].annotation = hardware
        solved = cls._defined_by("advance_exactly")
        if min(map(cls._defined_by, cls.rates)) < solved:
            cls.advance_exactly = None
        if cls._defined_by("rest") < cls._defined_by("rest_under"):
            cls.rest_under = Device.rest_under  # type: ignore[method-assign]
        integrator = cls.model_fields["integrator"]
        is_exponential = integrator.default.startswith("exponential")
        if cls.advance_exactly is None and is_exponential:
            integrator.default = "ab3"
        if cls.advance_exactly is not None and integrator.default == "ab3":
            integrator.default = "exponential-ab3"
        cls.model_rebuild(force=True)

    @classmethod
    def _defined_by(cls, method: str) -> int:
        """Return which class defines ``method``: 0 for this one, 1 for its parent."""
        return [method in vars(one) for one in cls.__mro__].index(True)

    @classmethod
    def _keep_meanings(cls) -> None:
        """Give an inherited field with another default its type and description."""
        base = next(one for one in cls.__mro__[1:] if issubclass(one, Device))
        for name in base.model_fields.keys() & cls.model_fields.keys():
            own = cls.model_fields[name]
            is_bare = not own.metadata and not own.description
            if is_bare and get_origin(own.annotation) != Literal:
                kept = copy(base.model_fields[name])
                kept.default = own.default
                kept.default_factory = own.default_factory
                cls.model_fields[name] = kept

    @classmethod
    def _check_names(cls) -> None:
        reserved = {"drive", "noise", "step_ns"}
        names = () if isinstance(cls.states, str) else tuple(cls.states)
        if not names or len({*names, *reserved}) < len(names) + len(reserved):
            raise TypeError(
                f"{cls.__name__}.states: expected a tuple of different names, none of"
                f" them drive, noise or step_ns, got {cls.states!r}. Name each state"
                " variable once."
            )
        if "tau" in cls.parameters:
            raise TypeError(
                f"{cls.__name__}: the name of a time must end with its unit, got tau."
                " Rename it to tau_ns: its spread is tau_ns_spread."
            )
        fields = {*Device.model_fields, *_HOOKS, *reserved}
        for name in cls.parameters:
            if name in cls.states:
                what = "that of a state"
            elif name in fields:
                what = "a field of every device"
            else:
                continue
            raise TypeError(
                f"{cls.__name__}: the name of the parameter {name} is {what} already."
                " Rename the parameter."
            )

    @model_validator(mode="after")
    def _bias_lies_within_the_limit(self) -> Self:
        if not self.drive_low < self.drive_high:
            raise ValueError(
                "drive_low: expected `drive_low < drive_high`, got"
                f" drive_low={self.drive_low}, drive_high={self.drive_high}. Change one"
                " of them."
            )
        if self.drive_limit == "none":
            return self
        for layer in range(self.layers):
            self._check_bias(self.of_layer(layer))
        return self

    def _check_bias(self, device: Self) -> None:
        """Refuse a bias where the limit passes hardly a change of the drive, or none.

        Args:
            device: the device with the values of one layer.
        """
        bias = device.fixed_drive()
        low, high = device.drive_bounds()
        reach = REACH if self.drive_limit == "smooth" else 1.0
        unit = (high - low) / (self.drive_high - self.drive_low)
        middle = (self.drive_high + self.drive_low) / 2.0
        room = reach * (self.drive_high - self.drive_low) / 2.0
        if abs(bias / unit - middle) < room:
            return
        where = "the bias lies outside the bounds of the drive, or on the clip"
        if self.drive_limit == "smooth":
            where = "at the bias, less than a tenth of a change of the drive passes"
        raise ValueError(
            f"drive_limit: {where}: expected a bias between {middle - room:.4g} and"
            f" {middle + room:.4g}, got {bias / unit:.4g} in the same unit as"
            f" drive_low={self.drive_low} and drive_high={self.drive_high}. Change a"
            " bound."
        )

    @model_validator(mode="after")
    def _has_what_spreads(self) -> Self:
        spreads = self.variability is not None and self.variability.tau_ns_spread
        if spreads and "tau_ns" not in self.parameters:
            others = ", ".join(self.Hardware.spreads[name] for name in self.parameters)
            raise ValueError(
                f"variability.tau_ns_spread: {type(self).__name__} has no parameter"
                f" tau_ns. Use the spread of another parameter: {others}."
            )
        return self

    @model_validator(mode="after")
    def _has_exact_solution(self) -> Self:
        if self.advance_exactly is None and self.integrator.startswith("exponential"):
            raise ValueError(
                f"integrator: {self.integrator} needs a device with `advance_exactly`,"
                f' which {type(self).__name__} lacks. Use "ab3", "euler", "heun" or'
                ' "rk4", or define its solution under a constant drive as'
                " `advance_exactly`."
            )
        return self


_HOOKS = frozenset(
    name
    for name in vars(Device)
    if not name.startswith("_") and name not in Device.model_fields
)

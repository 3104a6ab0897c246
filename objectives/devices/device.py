"""User-defined devices: declare states, parameters and rates; the rest follows.

    from hpo.objectives.devices import Device, Parameter, parameter, tanh

    class Cubic(Device):
        tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
        a: Parameter = parameter(0.3, ge=0, description="cubic damping")

        def rate(self, x, drive):
            return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns

Its methods are ordinary expressions: they take numbers, tensors of PyTorch, arrays of
NumPy and symbols of SymPy alike, by the functions of this module. ``objective =
"my_module:Cubic"`` trains a network of such devices, ``"my_module:Cubic-prediction"``
one that predicts. Light to import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeAlias,
    cast,
    get_origin,
)

from pydantic import Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema

from hpo.contract import TaskParams

from ..hardware import physics
from ..hardware.variability import Variability
from ..training import (
    Amplification,
    Integrator,
    LayeredObjective,
    LayeredParams,
    LearningRate,
    LearningRateDecay,
    PerLayer,
    architecture,
    stepping,
)

if TYPE_CHECKING:
    from ..networks.pointwise import DeviceNetwork

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
    the functions of this module: no ``if`` on a state.
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

    lr0: LearningRate = 0.02
    lr_decay: LearningRateDecay = 15.0
    s: Amplification = 0.5
    integrator: Integrator = "ab3"
    neuron_uw: NeuronPower = physics.NEURON_UW
    synapse_uw: SynapsePower = physics.SYNAPSE_UW
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

    flow: ClassVar[Callable[..., Any] | None] = None
    """States after ``dt_ns`` of constant drive in closed form, if there is one:
    ``flow(self, x, drive, dt_ns)``. The exponential integrators need it."""
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
        """Return the state whose change is read out with ``readout = "x"``."""
        return states[self.reads]

    def rest(self) -> Any:
        """Return each state without input."""
        return (0.0,) * len(self.states)

    def fixed_drive(self) -> Any:
        """Return the drive of a neuron besides its synapses, per ns."""
        return 0.0

    def kick(self, *states: Any, **named: Any) -> Any:
        """Return each state after a jump of noise, ``kick(self, x, noise)``; default: x
        moves."""
        return (states[0] + named["noise"], *states[1:])

    def rest_under(self, drive: Any) -> Any:
        """Return ``rest`` on a chip with device variability, under the nominal fixed
        drive."""
        return self.rest()

    def between_jumps(self, noise_per_sqrt_ns: Any) -> Device:
        """Return the device for simulated noise, without the mean effect of noise in
        its rate."""
        return self

    def with_values(self, **values: Any) -> Self:
        """Return the device with tensors, symbols or numbers as parameters."""
        return self.model_copy(update=values)

    def by_hand(self, noisy: bool) -> Any:
        """Return hand-written compiled steps, a ``kernels.kernel.Pointwise``, if
        any."""
        return None

    def beyond_kernel(self, integrator: str) -> str:
        """Return the feature that compiled steps lack, as ``name=value``; else
        empty."""
        return ""

    @property
    def reads(self) -> int:
        """Index of the state whose change is read out; -1: the output."""
        return 0 if self.readout == "x" else -1

    def values(self) -> dict[str, float | tuple[float, ...]]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self.parameters}

    def choices(self) -> dict[str, Any]:
        """Return the fields of the class that are not parameters; its methods may use
        them."""
        classes = [cls for cls in type(self).__mro__ if issubclass(cls, Device)]
        named = {
            name for cls in classes for name in vars(cls).get("__annotations__", ())
        }
        others = named & type(self).model_fields.keys() - Device.model_fields.keys()
        return {name: getattr(self, name) for name in others - {*self.parameters}}

    def bare(self) -> Any:
        """Return a copy without fields of the network and its training."""
        device = type(self).model_construct(**self.choices())
        for name in vars(device).keys() - self.choices().keys():
            del vars(device)[name]
        return device

    def every(self, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
        """Call ``rate``, ``flow``, ``rest`` or ``kick``, and return one value for each
        state.

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
        """Collect the parameters; a device with a ``flow`` is integrated by it.

        An inherited field with another default keeps its type, bounds and description.

        Raises:
            TypeError: a name is reserved.
        """
        super().__pydantic_init_subclass__(**kwargs)
        base = next(one for one in cls.__mro__[1:] if issubclass(one, Device))
        for name in base.model_fields.keys() & cls.model_fields.keys():
            own = cls.model_fields[name]
            if (
                not own.metadata
                and not own.description
                and get_origin(own.annotation) != Literal
            ):
                kept = cls.model_fields[name] = copy(base.model_fields[name])
                kept.default, kept.default_factory = own.default, own.default_factory
        cls.parameters = tuple(
            name
            for name, info in cls.model_fields.items()
            if any(isinstance(one, _Bounded) for one in info.metadata)
        )
        names = () if isinstance(cls.states, str) else tuple(cls.states)
        if not names or len({*names, "drive", "noise", "dt_ns"}) < len(names) + 3:
            raise TypeError(
                f"{cls.__name__}.states: expected a tuple of different names, none of"
                f" them drive, noise or dt_ns, got {cls.states!r}. Name each state"
                " variable once."
            )
        if "tau" in cls.parameters:
            raise TypeError(
                f"{cls.__name__}: the name of a time must end with its unit, got tau."
                " Rename it to tau_ns: its spread is tau_spread."
            )
        for name in cls.parameters:
            if name in {*Device.model_fields, *cls.states, *_HOOKS, "drive", "noise"}:
                what = (
                    "that of a state"
                    if name in cls.states
                    else "a field of every device"
                )
                raise TypeError(
                    f"{cls.__name__}: the name of the parameter {name} is {what}"
                    " already. Rename the parameter."
                )
        cls.Hardware = Variability.of(cls.parameters)
        hardware: Any = cls.Hardware | None
        cls.model_fields["variability"].annotation = hardware
        integrator = cls.model_fields["integrator"]
        if cls.flow is not None and integrator.default == "ab3":
            integrator.default = "exponential-ab3"
        cls.model_rebuild(force=True)

    @model_validator(mode="after")
    def _has_what_spreads(self) -> Self:
        if (
            self.variability
            and self.variability.tau_spread
            and "tau_ns" not in self.parameters
        ):
            raise ValueError(
                f"variability.tau_spread: {type(self).__name__} has no parameter"
                " tau_ns. Use the "
                "spread of another parameter: "
                f"{', '.join(self.Hardware.spreads[name] for name in self.parameters)}."
            )
        return self

    @model_validator(mode="after")
    def _has_a_flow(self) -> Self:
        if self.flow is None and self.integrator.startswith("exponential"):
            raise ValueError(
                f"integrator: {self.integrator} needs a device with `flow`, which "
                f'{type(self).__name__} lacks. Use "ab3", "euler", "heun" or "rk4", or'
                " define its "
                "solution under a constant drive as `flow`."
            )
        return self


_HOOKS = frozenset(
    name
    for name in vars(Device)
    if not name.startswith("_") and name not in Device.model_fields
)


class DeviceObjective(LayeredObjective[Device]):
    """Trains a layered network of devices of one class on a task of time-series
    classification."""

    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "energy while one series is presented, see physics.energy_pj",
        **LayeredObjective.costs,
    }

    def __init_subclass__(cls) -> None:
        """Score on chips whose devices differ in every parameter, if it scores on
        any."""
        if cls.variability is not None and "Params" in vars(cls):
            cls.variability = cast(type[Device], cls.Params).Hardware

    def costs_of(self, params: Device, task: TaskParams) -> dict[str, float]:
        """Return the costs of an untrained network, with its energy at the powers of
        ``params``."""
        costs = super().costs_of(params, task)
        energy_pj = physics.energy_pj(
            n_neurons=int(costs["n_neurons"]),
            n_synapses=int(costs["n_synapses"]),
            presentation_ns=costs["presentation_ns"],
            neuron_uw=params.neuron_uw,
            synapse_uw=params.synapse_uw,
        )
        return {**costs, "energy_pj": energy_pj}

    def network(
        self, params: Device, seeds: Sequence[int], *, channels: int, outputs: int
    ) -> DeviceNetwork:
        """Build the network of ``params``, with one member per seed."""
        from ..networks.drawing import Architecture
        from ..networks.integrators import Stepping
        from ..networks.pointwise import DeviceNetwork

        sizes = Architecture(channels=channels, outputs=outputs, **architecture(params))
        physics = Stepping(device=params, **stepping(params))
        return DeviceNetwork(seeds, sizes, physics=physics, threads=params.threads)


def check_device(device: type[Device]) -> type[Device]:
    """Check that a device's methods return one number per state, and return the device.

    Raises:
        ValueError: a method does not, or fails.
    """
    name = device.__name__
    fields = {
        name: info
        for name, info in device.model_fields.items()
        if name in device.parameters or name in Device.model_fields
    }
    try:
        one = device(
            **{n: info.default for n, info in fields.items() if not info.is_required()}
        )
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] != "missing":
                raise ValueError(
                    f"{name}.{problem['loc'][0]}: expected a default within its bounds,"
                    f" got {problem['input']}: {problem['msg']}. Change one of them."
                ) from error
        return device  # a parameter without a default
    number = {n: v[0] if isinstance(v, tuple) else v for n, v in one.values().items()}
    one = one.with_values(**number)
    states = _values(one, "rest")
    noise: Any = 0.0 if one.noise_parts == 1 else (0.0,) * one.noise_parts
    _values(one, "rate", *states, 0.0)
    _values(one, "output", *states)
    _values(one, "fixed_drive")
    _values(one, "kick", *states, noise=noise)
    if device.flow is not None:
        _values(one, "flow", *states, drive=0.0, dt_ns=1.0)
        _solves(one, tuple(state + 0.1 for state in states))
    if device.by_hand is Device.by_hand:
        _trace(one)
    return device


def _values(one: Device, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
    """Call a method and check that it returns numbers or symbols.

    Raises:
        ValueError: it returns something else, or fails.
    """
    name = f"{type(one).__name__}.{hook}"
    try:
        result = getattr(one, hook)(*states, **more)
    except Exception as error:  # a user's method may do anything
        remedy = f"Correct it; see `hpo.objectives.devices.Device.{hook}`."
        if isinstance(error, AttributeError):
            remedy = "Use only states, drive, parameters and fields of its own class."
        elif any(isinstance(state, _Symbol) for state in states):
            remedy = FUNCTIONS
        raise ValueError(
            f"{name}: expected expressions of states, drive and parameters, got "
            f"{type(error).__name__}: {str(error).rstrip('.')}. {remedy}"
        ) from error
    single = hook in ("output", "fixed_drive", "noise_per_sqrt_ns")
    values = (result,) if single else one.in_order(hook, result)
    for value in values:
        if not isinstance(value, Real | _Symbol):
            raise ValueError(
                f"{name}: expected a number{'' if single else ' for each state'}, got "
                f"{value!r}. Return an expression."
            )
    return values


def _trace(one: Device) -> None:
    """Call the methods with symbols instead of numbers, as the generator of kernels
    does."""
    symbol = _Symbol()
    traced = one.bare().with_values(**dict.fromkeys(one.parameters, symbol))
    states = (symbol,) * len(one.states)
    noise: Any = symbol if one.noise_parts == 1 else (symbol,) * one.noise_parts
    _values(traced, "rest")
    _values(traced, "rate", *states, symbol)
    _values(traced, "kick", *states, noise=noise)
    if one.flow is not None:
        _values(traced, "flow", *states, drive=symbol, dt_ns=symbol)
    (output,) = _values(traced, "output", *states)
    if not isinstance(output, _Symbol):
        raise ValueError(
            f"{type(one).__name__}.output: expected an expression of states, got the"
            f" constant {output!r}. Return an expression."
        )


def _solves(one: Device, states: tuple[Any, ...], dt_ns: float = 1e-6) -> None:
    """Check that ``flow`` begins with the slopes of ``rate``, under a drive.

    Raises:
        ValueError: it does not.
    """
    after = _values(one, "flow", *states, drive=0.1, dt_ns=dt_ns)
    rates = _values(one, "rate", *states, 0.1)
    for name, new, old, rate in zip(one.states, after, states, rates, strict=True):
        if not abs(slope := (new - old) / dt_ns - rate) <= 1e-3 * max(1.0, abs(rate)):
            raise ValueError(
                f"{type(one).__name__}.flow: expected the solution of `rate` under a"
                f" constant drive, but {name} changes by {slope + rate:.4g} per ns"
                f" instead of {rate:.4g}, at states {states} and a drive of 0.1."
                " Correct one of them."
            )


# --- functions ---

FUNCTIONS = (
    "Use tanh, exp, ... from hpo.objectives.devices.device, not from math, numpy or torch, and"
    " its where(condition, a, b) instead of `if`."
)


class _Symbol:
    """A placeholder for any number, which passes through expressions without SymPy."""

    __name__ = "anything"
    __array_ufunc__ = None

    def __getattr__(self, name: str) -> Any:
        """Return a function of this module."""
        if name not in ("tanh", "exp", "sin", "cos", "log", "sqrt", "where"):
            raise AttributeError(f"a number has no {name}")
        return self._same

    def _same(self, *_: Any) -> _Symbol:
        return self

    def __bool__(self) -> bool:
        raise TypeError("a condition on it has no truth value")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = (
        __rpow__
    ) = _same
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = __invert__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __and__ = __rand__ = __or__ = __ror__ = _same


def _library(*values: Any) -> Any:
    """Return the module that made the values."""
    for value in values:
        if isinstance(value, _Symbol):
            return value
    names = [type(value).__module__.partition(".")[0] for value in values]
    name = next((name for name in ("sympy", "torch", "numpy") if name in names), "math")
    return sys.modules.get(name) or importlib.import_module(name)


def _function(name: str, value: Any) -> Any:
    return getattr(_library(value), name)(value)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return _function("tanh", x)


def exp(x: Any) -> Any:
    """Return the exponential."""
    return _function("exp", x)


def sin(x: Any) -> Any:
    """Return the sine of radians."""
    return _function("sin", x)


def cos(x: Any) -> Any:
    """Return the cosine of radians."""
    return _function("cos", x)


def log(x: Any) -> Any:
    """Return the natural logarithm."""
    return _function("log", x)


def sqrt(x: Any) -> Any:
    """Return the square root."""
    return _function("sqrt", x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    library = _library(x)
    if library.__name__ == "sympy":
        return _sigmoid_of_symbols()(x)
    return (
        library.sigmoid(x) if library.__name__ == "torch" else 0.5 + 0.5 * tanh(0.5 * x)
    )


@cache
def _sigmoid_of_symbols() -> Any:
    import sympy  # type: ignore[import-untyped]

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return self * (1 - self)

    return type("sigmoid", (sympy.Function,), {"fdiff": fdiff})


def where(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return ``then`` where a comparison holds, else ``otherwise``."""
    if isinstance(condition, bool):  # parameters that all neurons share
        return then if condition else otherwise
    library = _library(condition, then, otherwise)
    if library.__name__ == "sympy":
        return library.Piecewise((then, condition), (otherwise, True))
    return library.where(condition, then, otherwise)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller value."""
    return where(x < y, x, y)


def maximum(x: Any, y: Any) -> Any:
    """Return the larger value."""
    return where(x < y, y, x)

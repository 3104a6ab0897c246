"""A device of one's own: its states, its parameters and their rate of change; the rest follows.

    from hpo.objectives.device import Device, Parameter, parameter, tanh

    class Cubic(Device):
        tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
        a: Parameter = parameter(0.3, ge=0, description="cubic damping")

        def rate(self, x, drive):
            return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns

Its methods are ordinary expressions: they take numbers, tensors of PyTorch, arrays of NumPy and
symbols of SymPy alike, by the functions of this module. ``objective = "my_module:Cubic"`` trains a
network of such devices, ``"my_module:Cubic-prediction"`` one that predicts. Light to import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias, cast

from pydantic import Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema

from hpo.objectives import physics
from hpo.objectives.contract import TaskParams
from hpo.objectives.layered import (
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
from hpo.objectives.variability import Variability

if TYPE_CHECKING:
    from hpo.objectives.networks.pointwise import DeviceNetwork

Parameter: TypeAlias = Any
"""One number for all layers, or one for each: of ``parameter``."""
NeuronPower = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="power of a neuron, in µW, of which energy_pj is made: 1 µW is 100 fJ in"
        " 100 ns, the paper's; training and score do not depend on it",
        json_schema_extra={"hardware": True},
    ),
]
SynapsePower = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="power of a synapse, in µW, likewise: the paper's is 10 fJ in 100 ns",
        json_schema_extra={"hardware": True},
    ),
]


@dataclass(frozen=True)
class _Bounded:
    """Metadata of a parameter: its schema is that of a number for all layers, or one for each."""

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
    """A parameter of a device: one number for all layers, or one for each.

    Args:
        default: its value where a study says nothing.
        description: what it is, with its unit.
        per_layer: whether layers may differ in it.
        bounds: ``gt``, ``ge``, ``lt`` and ``le``, as pydantic has them.
    """
    declared: Any = Field(default=default, description=description)
    declared.metadata.append(_Bounded(bounds, per_layer))
    return declared


class Device(LayeredParams):
    """What a neuron does with its drive, and the hyper-parameters of a network of such neurons.

    A class that derives from it has its parameters for fields, and ``rate``; what else is here may
    be overridden. Values are expressions of states, drive and parameters, by the functions of this
    module: no ``if`` on a state.
    """

    states: ClassVar[tuple[str, ...]] = ("x",)
    """Names of the state variables of a neuron."""
    noise_parts: ClassVar[int] = 1
    """Normal numbers that a jump of noise takes, a tuple if several. Each has the standard
    deviation ``noise_per_sqrt_ns / noise_parts`` in 1 ns."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """Names of its parameters."""
    predicting: ClassVar[Mapping[str, Any]] = {}
    """Defaults that are others in a network that predicts."""
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
            description="what is read of a neuron: its output y, or the change of its first state x"
            " since the beginning; of an oscillator that is y without its filter"
        ),
    ] = "y"

    flow: ClassVar[Callable[..., Any] | None] = None
    """States after ``dt_ns`` of constant drive in closed form, if there is one:
    ``flow(self, x, drive, dt_ns)``. It lets the exponential integrators in."""
    noise_per_sqrt_ns: ClassVar[Callable[..., Any] | None] = None
    """What noise adds to a neuron in 1 ns, its standard deviation, by its parameters. With 2
    ``noise_parts``, a state that gets one of them has half of it."""

    def rate(self, *states_and_drive: Any) -> Any:
        """Time derivative of each state, per ns: ``rate(self, x, drive)``; several as a tuple."""
        raise NotImplementedError(f"{type(self).__name__} has no rate")

    def output(self, *states: Any) -> Any:
        """What a neuron passes on: by default, its first state."""
        return states[0]

    def amplitude(self, *states: Any) -> Any:
        """What a trace shows as x: by default, its first state."""
        return states[0]

    def moving(self, *states: Any) -> Any:
        """What is read by its change, of ``readout = "x"``: a state, as kernels have it."""
        return states[self.reads]

    def rest(self) -> Any:
        """Each state without input."""
        return (0.0,) * len(self.states)

    def fixed_drive(self) -> Any:
        """What drives a neuron besides its synapses, per ns."""
        return 0.0

    def kick(self, *states: Any, **named: Any) -> Any:
        """Each state after a jump of noise, ``kick(self, x, noise)``: by default, x moves by it."""
        return (states[0] + named["noise"], *states[1:])

    def rest_under(self, drive: Any) -> Any:
        """``rest``, on a chip whose neurons differ, under the fixed drive of the nominal device."""
        return self.rest()

    def between_jumps(self, noise_per_sqrt_ns: Any) -> Device:
        """Itself where such noise is simulated: without the mean effect that its rate may have."""
        return self

    def with_values(self, **values: Any) -> Self:
        """The same device with tensors, symbols or numbers in place of its parameters."""
        return self.model_copy(update=values)

    def by_hand(self, noisy: bool) -> Any:
        """Its compiled steps, a ``kernels.kernel.Pointwise``, where they are written by hand."""
        return None

    def beyond_kernel(self, integrator: str) -> str:
        """What of it compiled steps lack, as ``name=value``; else empty."""
        return ""

    @property
    def reads(self) -> int:
        """The state that is read out, by its change since the beginning; -1: the output."""
        return 0 if self.readout == "x" else -1

    def values(self) -> dict[str, float | tuple[float, ...]]:
        """Its parameters by name."""
        return {name: getattr(self, name) for name in self.parameters}

    def choices(self) -> dict[str, Any]:
        """Its own fields that are no parameters: what else its methods may depend on."""
        classes = [cls for cls in type(self).__mro__ if issubclass(cls, Device)]
        named = {name for cls in classes for name in vars(cls).get("__annotations__", ())}
        others = named & type(self).model_fields.keys() - Device.model_fields.keys()
        return {name: getattr(self, name) for name in others - {*self.parameters}}

    def bare(self) -> Any:
        """The same without what is of the network and its training: methods do not see it."""
        own = type(self).model_construct(**self.choices())
        for name in vars(own).keys() - self.choices().keys():
            del vars(own)[name]
        return own

    def every(self, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
        """What ``rate``, ``flow``, ``rest`` or ``kick`` gives, one value for each state.

        Raises:
            ValueError: there is another number of them.
        """
        return self.in_order(hook, getattr(self, hook)(*states, **more))

    def in_order(self, hook: str, found: Any) -> tuple[Any, ...]:
        """What a method gave, one value for each state; else a ``ValueError``, as ``every``."""
        values = found if isinstance(found, tuple | list) else (found,)
        if len(values) != len(self.states):
            names = ", ".join(self.states)
            raise ValueError(
                f"{type(self).__name__}.{hook}: one value for each state ({names}) must be "
                f"returned, but got {len(values)}. Return {len(self.states)}, in this order."
            )
        return tuple(values)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the parameters; a device with a ``flow`` is integrated by it.

        Raises:
            TypeError: a name is taken.
        """
        super().__pydantic_init_subclass__(**kwargs)
        cls.parameters = tuple(
            name
            for name, own in cls.model_fields.items()
            if any(isinstance(one, _Bounded) for one in own.metadata)
        )
        names = () if isinstance(cls.states, str) else tuple(cls.states)
        if not names or len({*names, "drive", "noise", "dt_ns"}) < len(names) + 3:
            raise TypeError(
                f"{cls.__name__}.states: a tuple of different names must hold, none of them drive, "
                f"noise or dt_ns, but got {cls.states!r}. Name each state variable once."
            )
        if "tau" in cls.parameters:
            raise TypeError(
                f"{cls.__name__}: a time must have its unit in its name, but got tau. Call it "
                "tau_ns: its spread is tau_spread."
            )
        for name in cls.parameters:
            if name in {*Device.model_fields, *cls.states, *_HOOKS, "drive", "noise"}:
                what = "a state" if name in cls.states else "what every device has"
                raise TypeError(
                    f"{cls.__name__}: a parameter must have a name of its own, but got {name}, "
                    f"which is {what}. Give it another one."
                )
        cls.Hardware = Variability.of(cls.parameters)
        hardware: Any = cls.Hardware | None
        cls.model_fields["variability"].annotation = hardware
        own = cls.model_fields["integrator"]
        if cls.flow is not None and own.default == "ab3":
            own.default = "exponential-ab3"
        cls.model_rebuild(force=True)

    @model_validator(mode="after")
    def _has_what_spreads(self) -> Self:
        if self.variability and self.variability.tau_spread and "tau_ns" not in self.parameters:
            raise ValueError(
                "variability.tau_spread: a device with a parameter tau_ns must hold, but got "
                f"{type(self).__name__} without. Give the spread of another one: "
                f"{', '.join(self.Hardware.spreads[name] for name in self.parameters)}."
            )
        return self

    @model_validator(mode="after")
    def _has_a_flow(self) -> Self:
        if self.flow is None and self.integrator.startswith("exponential"):
            raise ValueError(
                f"integrator: a device with `flow` must hold for {self.integrator}, but got "
                f'{type(self).__name__} without. Take "ab3", "euler", "heun" or "rk4", or give it '
                "its solution under a constant drive as `flow`."
            )
        return self


_HOOKS = frozenset(
    name for name in vars(Device) if not name.startswith("_") and name not in Device.model_fields
)


class DeviceObjective(LayeredObjective[Device]):
    """Trains a layered network of devices of one class on a task of time-series classification."""

    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "energy while one series is presented, see physics.energy_pj",
        **LayeredObjective.costs,
    }

    def __init_subclass__(cls) -> None:
        """Score on chips whose devices differ in every parameter, if it scores on any."""
        if cls.variability is not None and "Params" in vars(cls):
            cls.variability = cast(type[Device], cls.Params).Hardware

    def costs_of(self, params: Device, task: TaskParams) -> dict[str, float]:
        """What a network costs, untrained, and the energy with the powers of ``params``."""
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
        """The network that ``params`` describe, one member per seed."""
        from hpo.objectives.networks.integrators import Stepping
        from hpo.objectives.networks.pointwise import DeviceNetwork

        devices = Stepping(device=params, **stepping(params))
        return DeviceNetwork(
            seeds, physics=devices, channels=channels, outputs=outputs, **architecture(params)
        )


def checked(device: type[Device]) -> type[Device]:
    """The class itself, once its methods give as many numbers as it has states.

    Raises:
        ValueError: they do not, or cannot be called.
    """
    name = device.__name__
    fields = {own: device.model_fields[own] for own in device.parameters}
    try:
        one = device(**{n: own.default for n, own in fields.items() if not own.is_required()})
    except ValidationError as error:
        for found in error.errors():
            if found["type"] != "missing":
                raise ValueError(
                    f"{name}.{found['loc'][0]}: a default within its bounds must "
                    f"hold, but got {found['input']}: {found['msg']}. Mend one of them."
                ) from error
        return device  # a parameter without a default
    number = {n: v[0] if isinstance(v, tuple) else v for n, v in one.values().items()}
    one = one.with_values(**number)
    states = _given(one, "rest")
    noise: Any = 0.0 if one.noise_parts == 1 else (0.0,) * one.noise_parts
    _given(one, "rate", *states, 0.0)
    _given(one, "output", *states)
    _given(one, "fixed_drive")
    _given(one, "kick", *states, noise=noise)
    if device.flow is not None:
        _given(one, "flow", *states, drive=0.0, dt_ns=1.0)
        _solves(one, tuple(state + 0.1 for state in states))
    if device.by_hand is Device.by_hand:
        _trace(one)
    return device


def _given(one: Device, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
    """What a method gives, all of them numbers or all symbols.

    Raises:
        ValueError: it gives something else, or fails.
    """
    name = f"{type(one).__name__}.{hook}"
    try:
        found = getattr(one, hook)(*states, **more)
    except Exception as error:  # a user's method may do anything
        remedy = f"Mend it; see `hpo.objectives.device.Device.{hook}`."
        if isinstance(error, AttributeError):
            remedy = "Take states, drive, parameters and fields of its own class alone."
        elif any(isinstance(state, _Symbol) for state in states):
            remedy = FUNCTIONS
        raise ValueError(
            f"{name}: expressions of states, drive and parameters must hold, but got "
            f"{type(error).__name__}: {error}. {remedy}"
        ) from error
    single = hook in ("output", "fixed_drive", "noise_per_sqrt_ns")
    values = (found,) if single else one.in_order(hook, found)
    for value in values:
        if not isinstance(value, Real | _Symbol):
            raise ValueError(
                f"{name}: a number must be returned{'' if single else ' for each state'}, but got "
                f"{value!r}. Return an expression."
            )
    return values


def _trace(one: Device) -> None:
    """Call the methods as kernels are made of them, with symbols in place of all numbers."""
    symbol = _Symbol()
    own = one.bare().with_values(**dict.fromkeys(one.parameters, symbol))
    states = (symbol,) * len(one.states)
    noise: Any = symbol if one.noise_parts == 1 else (symbol,) * one.noise_parts
    _given(own, "rest")
    _given(own, "rate", *states, symbol)
    _given(own, "kick", *states, noise=noise)
    if one.flow is not None:
        _given(own, "flow", *states, drive=symbol, dt_ns=symbol)
    (output,) = _given(own, "output", *states)
    if not isinstance(output, _Symbol):
        raise ValueError(
            f"{type(one).__name__}.output: an expression of states must be returned, but got "
            f"{output!r}, whatever they are. Return one."
        )


def _solves(one: Device, states: tuple[Any, ...], dt_ns: float = 1e-6) -> None:
    """Nothing, if ``flow`` begins with the slopes of ``rate``, under a drive.

    Raises:
        ValueError: it does not.
    """
    after = _given(one, "flow", *states, drive=0.1, dt_ns=dt_ns)
    rates = _given(one, "rate", *states, 0.1)
    for name, new, old, rate in zip(one.states, after, states, rates, strict=True):
        if not abs(slope := (new - old) / dt_ns - rate) <= 1e-3 * max(1.0, abs(rate)):
            raise ValueError(
                f"{type(one).__name__}.flow: the solution of `rate` under a constant drive must be "
                f"returned, but {name} changes by {slope + rate:.4g} per ns in place of "
                f"{rate:.4g}, of states {states} and a drive of 0.1. Mend one of them."
            )


# --- functions ------------------------------------------------------------------------------------

FUNCTIONS = (
    "Take tanh, exp, ... from hpo.objectives.device, not from math, numpy or torch, and in place of"
    " `if` its where(condition, a, b)."
)


class _Symbol:
    """What stands for any number: it goes through expressions alone, without SymPy."""

    __name__ = "anything"
    __array_ufunc__ = None

    def __getattr__(self, name: str) -> Any:
        """A function of this module."""
        if name not in ("tanh", "exp", "sin", "cos", "log", "sqrt", "where"):
            raise AttributeError(f"a number has no {name}")
        return self._same

    def _same(self, *_: Any) -> _Symbol:
        return self

    def __bool__(self) -> bool:
        raise TypeError("a condition on it has no truth value")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = __rpow__ = _same
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = __invert__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __and__ = __rand__ = __or__ = __ror__ = _same


def _library(*values: Any) -> Any:
    """The module that knows such values: they were made by it, so it is there."""
    for value in values:
        if isinstance(value, _Symbol):
            return value
    names = [type(value).__module__.partition(".")[0] for value in values]
    name = next((name for name in ("sympy", "torch", "numpy") if name in names), "math")
    return sys.modules.get(name) or importlib.import_module(name)


def _function(name: str, value: Any) -> Any:
    return getattr(_library(value), name)(value)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return _function("tanh", x)


def exp(x: Any) -> Any:
    """Exponential function."""
    return _function("exp", x)


def sin(x: Any) -> Any:
    """Sine, of radians."""
    return _function("sin", x)


def cos(x: Any) -> Any:
    """Cosine, of radians."""
    return _function("cos", x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    return _function("log", x)


def sqrt(x: Any) -> Any:
    """Square root."""
    return _function("sqrt", x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    library = _library(x)
    if library.__name__ == "sympy":
        return _sigmoid_of_symbols()(x)
    return library.sigmoid(x) if library.__name__ == "torch" else 0.5 + 0.5 * tanh(0.5 * x)


@cache
def _sigmoid_of_symbols() -> Any:
    import sympy  # type: ignore[import-untyped]

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return self * (1 - self)

    return type("sigmoid", (sympy.Function,), {"fdiff": fdiff})


def where(condition: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where a comparison holds, else ``otherwise``."""
    if isinstance(condition, bool):  # of parameters that all neurons share
        return then if condition else otherwise
    library = _library(condition, then, otherwise)
    if library.__name__ == "sympy":
        return library.Piecewise((then, condition), (otherwise, True))
    return library.where(condition, then, otherwise)


def minimum(x: Any, y: Any) -> Any:
    """The smaller one."""
    return where(x < y, x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger one."""
    return where(x < y, y, x)

"""Generate the compiled steps of a device from its own methods.

They are traced, see ``tracing``, and written as functions on vectors of neurons, see
``GeneratedSteps``. Constants of the neurons are computed in float64.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy  # type: ignore[import-untyped]
from numpy.typing import NDArray

from . import elementary, limiting, simd
from .compiling import compile_step
from .tracing import DEVIATION, HIGH, LOW, STEP, StepTrace, parameter_symbol

Array = NDArray[np.float64]
_COMPILES = threading.Lock()
_GENERATED: dict[Any, GeneratedSteps] = {}
_NAMES = {**vars(simd), **vars(elementary), **vars(limiting), "__name__": __name__}
_ADVANCE = """\
def {name}(arrays, extrapolation, walk, events):
    states, drive, constants, noise, now, before, value, kept = arrays
    newest, older, oldest = extrapolation
    groups, group_stride, repeats, repeat_stride, row = walk
    enters, jump = events
"""
_PULL = """\
def pull(arrays, extrapolation, walk, events):
    (
        kept, adjoints, pulled0, pulled1, pulled2, entering, constants, drive_adjoint
    ) = arrays
    newest, older, oldest = extrapolation
    groups, group_stride, repeats, repeat_stride, row = walk
    enters, jump = events
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedSteps:
    """A compiled step of the neurons of one device, and its adjoint: a
    ``kernel.Pointwise``.

    ``advance`` takes states and drive (1/ns) through a step and, if ``jump`` is not 0,
    through a jump of noise. It writes the outputs after the step to ``before``, in
    place of those one step earlier, their mean over the next step to ``value``, and the
    slopes for ``pull`` to ``kept``. ``advance_only`` keeps no slopes.

    ``pull`` takes the adjoints of the states from the end of the step to its start, and
    writes that of the drive. The adjoint of the outputs is ``entering`` plus three
    weighted ``pulled``. Constants are those of ``constants``, in vectors of 16 neurons.
    """

    per_step = False

    device: Any
    text: str
    """Source of all three functions."""
    n_kept: int
    expressions: Sequence[Any]
    """The constants as expressions of parameters, step and noise."""
    _functions: dict[str, Any] = field(default_factory=dict, repr=False)
    """The compiled functions, which own their code."""

    @property
    def n_states(self) -> int:
        """Number of state variables of a neuron."""
        return len(self.device.states)

    @property
    def parts(self) -> int:
        """Normal numbers per neuron and jump of noise."""
        return int(self.device.noise_parts)

    @cached_property
    def advance(self) -> int:
        """Address of the step that keeps slopes."""
        return self._compile("advance")

    @cached_property
    def advance_only(self) -> int:
        """Address of the step that keeps none."""
        return self._compile("advance_only")

    @cached_property
    def pull(self) -> int:
        """Address of the adjoint of ``advance``."""
        return self._compile("pull")

    def _compile(self, name: str) -> int:
        with _COMPILES:  # the first thread compiles, the others wait
            if name not in self._functions:
                names: dict[str, Any] = {**_NAMES}
                exec(self.text, names)
                self._functions[name] = compile_step(names[name], self.text)
            return int(self._functions[name].address)

    @cached_property
    def _evaluate(self) -> Callable[..., Any]:
        names = [*map(parameter_symbol, self.device.parameters), STEP, DEVIATION]
        names += [LOW, HIGH]
        ours = {"sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)}
        function: Callable[..., Any] = sympy.lambdify(
            names, self.expressions, [ours, "numpy"]
        )
        return function

    def constants(self, neurons: Any, step_ns: float, deviation: float) -> Array:
        """Return the constants of the neurons, (constants, neurons), float64.

        Args:
            neurons: a ``kernel.NeuronValues``.
            step_ns: length of a step.
            deviation: standard deviation of a jump over that of the noise in 1 ns.
        """
        values = [neurons.values[name] for name in self.device.parameters]
        noise = deviation * neurons.noise_per_sqrt_ns
        constants = np.empty((len(self.expressions), len(noise)))
        bounds = (neurons.drive_low, neurons.drive_high)
        found = self._evaluate(*values, step_ns, noise, *bounds)
        for row, value in zip(constants, found, strict=True):
            row[:] = value
        return constants

    def rest(self, neurons: Any) -> Array:
        """Return the initial states and the initial output, (states + 1, neurons)."""
        device = self.device.with_values(**neurons.values)
        drive = device.limit_drive(
            neurons.fixed_drive, neurons.drive_low, neurons.drive_high
        )
        states = [drive * 0.0 + state for state in device.every("rest_under", drive)]
        return np.array([*states, drive * 0.0 + device.output(*states)])


def generate_steps(device: Any, *, exact: bool) -> GeneratedSteps:
    """Generate the functions of a device, integrated by its ``advance_exactly`` or by
    its ``rate``.

    Raises:
        ValueError: a method of the device does not return an expression.
    """
    choices = repr(sorted(device.choices().items()))
    key = (type(device), exact, device.drive_limit, choices)
    if key not in _GENERATED:
        _GENERATED.setdefault(key, _generate(device.bare(), exact))
    return _GENERATED[key]


def _generate(device: Any, exact: bool) -> GeneratedSteps:
    trace = StepTrace(device, exact)
    parts = [
        _ADVANCE.format(name="advance") + trace.advance(keep=True),
        _ADVANCE.format(name="advance_only") + trace.advance(keep=False),
        _PULL + trace.pull(),
    ]
    return GeneratedSteps(
        device=device,
        text="\n".join(parts),
        n_kept=len(trace.kept),
        expressions=[*trace.constants.meaning.values()],
    )

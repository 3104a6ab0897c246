"""The kernel of one member, and the memory of its passes.

A ``Kernel`` is a layout, a device and its parameters. A ``Pass`` is the memory in which
blocks go through time and back, one after the other; see ``driver``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..integrators import Delayed
from ..readout import LAST, Features
from . import driver, sizes
from .chips import IDEAL, Chip, steps_between_jumps
from .driver import Jumps, PassShape
from .layout import Floats, Layout, Weights
from .pass_memory import allocate
from .sizes import round_up

Array = NDArray[np.float64]
_FORWARD = ("held", "drive", "outputs", "values", "states", "kept")
_BACKWARD = (
    "values",
    "kept",
    "held",
    "drive_adjoints",
    "pulled",
    "adjoints",
    "zeros",
    "entered",
    "sums",
)
"""Arrays that the kernels take, in this order."""
_NO_NOISE: Floats = np.zeros(1, np.float32)


class Pointwise(Protocol):
    """Compiled steps of a device, for one integrator, with or without noise.

    They are C functions; ``driver`` has their arguments.
    """

    @property
    def n_states(self) -> int:
        """Number of state variables of a neuron."""

    @property
    def n_kept(self) -> int:
        """Number of slopes kept per step."""

    @property
    def parts(self) -> int:
        """Normal numbers per neuron and jump of noise."""

    @property
    def per_step(self) -> bool:
        """True if drives are multiplied by the step; else they are in 1/ns."""

    @property
    def advance(self) -> int:
        """Address of the step that keeps slopes."""

    @property
    def advance_only(self) -> int:
        """Address of the step that keeps none."""

    @property
    def pull(self) -> int:
        """Address of the adjoint of the step."""

    def constants(
        self, neurons: NeuronValues, step_ns: float, deviation: float
    ) -> Array:
        """Return the constants of a step, (constants, neurons); ``deviation`` scales
        the noise."""

    def rest(self, neurons: NeuronValues) -> Array:
        """Return the initial states and the initial output, (states + 1, neurons)."""


class NeuronValues(NamedTuple):
    """Parameters of the neurons of a chip, (neurons,) each."""

    values: Mapping[str, Array]
    """Parameters of the device by name."""
    s: Array
    """Amplification of weights and biases."""
    fixed_drive: Array
    """Drive without input, in 1/ns."""
    drive_low: Array
    """Bounds of the drive of the nominal device, in 1/ns."""
    drive_high: Array
    noise_per_sqrt_ns: Array


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The kernel of a member: layout, compiled steps and parameters."""

    layout: Layout
    pointwise: Pointwise
    neurons: Callable[[Chip], NeuronValues]
    """A function that returns the neurons of a chip."""
    n_steps: int
    """Equal steps from one input point to the next."""
    point_ns: float
    delay: Delayed
    """How the mean output over a step follows from the outputs before."""
    reads: int = -1
    """Index of the state whose change since rest is read; -1: the output."""
    features: Features = LAST
    """Features of the readout."""

    @property
    def columns(self) -> NDArray[np.intp]:
        """Columns of the neurons to read, in a row of one series."""
        return self.layout.columns[-sum(self.features.widths(self.layout.widths)) :]

    @property
    def floats_per_jump(self) -> int:
        """Normal numbers of a jump."""
        return self.pointwise.parts * self.layout.row

    def jump_interval(self, chip: Chip, n_points: int) -> int:
        """Return the number of steps from jump to jump; 0 without noise."""
        if chip.normals is None:
            return 0
        n_jumps = len(chip.normals) // self.floats_per_jump
        return steps_between_jumps(chip, n_jumps, n_points, self.n_steps)


class Pass:
    """Memory in which a block goes through time and, with ``keep``, back.

    Neurons are read after each of the last ``n_read`` points: 1 for classification.

    Usage: ``begin``, then for every block ``forward`` and ``backward``, then
        ``deliver``.

    A trajectory longer than ``sizes.MAX_TRAJECTORY`` is kept in segments. On the way
    back, all but the last one are computed again, from the states between them.

    Args:
        kernel: kernel of the network.
        n_points: time points of the input.
        keep: keep the trajectory for ``backward``.
        n_read: number of points to read, from 1 to ``n_points``.
    """

    def __init__(
        self, kernel: Kernel, n_points: int, *, keep: bool, n_read: int = 1
    ) -> None:
        """Reserve the memory."""
        self.kernel = kernel
        self.n_points = n_points
        self.n_read = n_read
        self._keep = keep
        self.places = kernel.columns - kernel.columns[0]
        """Places of the neurons among the values read of a series after a point."""
        self.stride = round_up(int(self.places[-1]) + 1, sizes.WIDTH)
        """Floats of these values, padding included."""
        layout = kernel.layout
        per_segment = n_points
        if keep:
            floats = (kernel.pointwise.n_kept + 1) * layout.row * kernel.n_steps
            per_segment = sizes.segment_points(n_points, floats)
        self._starts = list(range(0, n_points, per_segment))
        self._work = self._allocate(min(n_points, per_segment) * kernel.n_steps)
        self.read = self._work["read"]
        """Values read of the present block: (n_read, series, stride), flat."""
        self.entering = self._work["entering"]
        """Their adjoint, shaped alike."""
        for name in ("read", "entering", "zeros", "entered"):
            self._work[name].fill(0.0)
        n_weights = layout.parts["back" if keep else "biases"].stop
        self._weighed = Weights(*(array[:n_weights] for array in layout.weights))
        *self._weights, self._back = (
            self._work["weights"][part] for part in layout.parts.values()
        )
        self._forward = self._arrays(*_FORWARD)
        self._backward = self._arrays(*_BACKWARD)
        self._shapes: dict[tuple[int, int], PassShape] = {}
        self._chip: Chip | None = None

    def _allocate(self, n_steps: int) -> dict[str, Floats]:
        """Return the arrays for segments of ``n_steps``."""
        layout = self.kernel.layout
        steps = self.kernel.pointwise
        row = layout.row
        keep = int(self._keep)
        read = self.n_read * layout.block * self.stride
        late = self.kernel.delay.steps * row
        return allocate(
            weights=len(layout.weights.place),
            held=row,
            drive=row,
            outputs=2 * row,
            states=steps.n_states * row,
            read=read,
            values=(n_steps + 1 if keep else 2) * row + late,
            kept=(n_steps + 1) * steps.n_kept * row * keep + 1,
            entering=read * keep,
            sums=len(layout.gradient.place) * layout.fold * keep,
            drive_adjoints=self.kernel.n_steps * row * keep,
            pulled=(4 * row + late) * keep,
            adjoints=steps.n_states * row * keep,
            zeros=layout.n_columns * keep,
            entered=row * keep,
        )

    @property
    def floats(self) -> int:
        """Size of the memory."""
        return sum(map(len, self._work.values()))

    def begin(self, parameters: Floats, chip: Chip = IDEAL) -> None:
        """Take the joined weights and biases and a chip, and clear the sums."""
        if chip is not self._chip:
            self._take(chip)
        driver.weigh(
            parameters, *self._weighed, self._scales, self._added, self._work["weights"]
        )
        if self._keep:
            self._work["sums"].fill(0.0)

    def _take(self, chip: Chip) -> None:
        """Compute what depends on a chip alone."""
        kernel = self.kernel
        layout = self.kernel.layout
        self._chip = chip
        self._interval = kernel.jump_interval(chip, self.n_points)
        neurons = kernel.neurons(chip)
        step_ns = kernel.point_ns / kernel.n_steps
        if chip.clock is not None:
            step_ns *= chip.clock
        deviation = math.sqrt(step_ns * self._interval) / kernel.pointwise.parts
        constants = kernel.pointwise.constants(neurons, step_ns, deviation)
        self._constants = layout.in_groups(constants).reshape(-1)
        rest = kernel.pointwise.rest(neurons)
        self._rest = layout.in_rows(rest)
        if kernel.reads >= 0:
            self._rest_read = np.zeros(self.stride, np.float32)
            self._rest_read[self.places] = rest[kernel.reads, -len(self.places) :]
        drives = np.stack([neurons.s, neurons.fixed_drive])
        if kernel.pointwise.per_step:
            drives = drives * step_ns
        s, fixed = drives.astype(np.float32)
        # for the weights to each neuron, and then for its bias
        self._scales = np.concatenate([s, s])
        self._added = np.concatenate([np.zeros_like(fixed), fixed])
        self._noise = _NO_NOISE if chip.normals is None else chip.normals

    def forward(self, u: Floats, n_series: int) -> Floats:
        """Take a block, see ``Layout.pad``, through time; return the part of ``read``
        in use."""
        self._states: dict[int, list[Floats]] = {}
        last = len(self._starts) - 1
        for k in range(last + 1):
            if k > 0:
                self._turn_values(k)
                self._states[k] = [part.copy() for part in self._carried()]
            self._go(u, n_series, k, self._keep and k == last)
        read = self.read[: self.n_read * n_series * self.stride]
        if self.kernel.reads >= 0:
            by_series = read.reshape(-1, self.stride)
            by_series -= self._rest_read
        return read

    def backward(self, u: Floats, n_series: int) -> None:
        """Add the gradient of the block that ``forward`` took last."""
        last = len(self._starts) - 1
        self._work["pulled"].fill(0.0)
        self._work["adjoints"].fill(0.0)
        for k in range(last, -1, -1):
            if k < last:
                states = self._states.get(k, [])
                for part, state in zip(self._carried(), states, strict=False):
                    part[:] = state
                self._go(u, n_series, k, True)
            part, entering, shape = self._segment(u, n_series, k, self.entering)
            driver.backward(
                part,
                entering,
                shape,
                (self.kernel.layout.structure, self._back),
                (self.kernel.pointwise.pull, self._constants),
                self._backward,
                self._interval,
                self._starts[k] * self.kernel.n_steps,
            )

    def _go(self, u: Floats, n_series: int, k: int, keep: bool) -> None:
        """Take segment k forward, with its jumps."""
        kernel = self.kernel
        steps = self.kernel.pointwise
        row = kernel.layout.row
        late = kernel.delay.steps * row
        if k == 0:
            self._work["states"][:] = self._rest[:-1].reshape(-1)
            self._work["outputs"][:row] = self._rest[-1]
            self._work["outputs"][row:] = self._rest[-1]
            values = self._work["values"][: row + late]
            values.reshape(-1, row)[:] = self._rest[-1]
        if keep and steps.n_kept > 0:  # a device may keep its first state
            start = (steps.n_kept - 1) * row
            self._work["kept"][start : start + row] = self._work["states"][:row]
        before = 0
        if self._interval > 0:
            before = self._starts[k] * kernel.n_steps // self._interval
        part, read, shape = self._segment(u, n_series, k, self.read)
        driver.forward(
            part,
            read,
            shape,
            (kernel.layout.structure, *self._weights),
            (steps.advance if keep else steps.advance_only, self._constants),
            self._forward,
            Jumps(self._noise, self._interval, before, kernel.floats_per_jump),
            keep,
        )

    def _carried(self) -> list[Floats]:
        """Return the arrays that carry over between two segments."""
        row = self.kernel.layout.row
        late = self.kernel.delay.steps * row
        return [*self._arrays("outputs", "states"), self._work["values"][: row + late]]

    def _turn_values(self, k: int) -> None:
        """Begin the values, used in turn, with those that segment k takes first."""
        late = self.kernel.delay.steps
        values = self._work["values"].reshape(-1, self.kernel.layout.row)
        end = (self._starts[k] - self._starts[k - 1]) * self.kernel.n_steps
        last = [(end + i) % (late + 2) for i in range(late + 1)]
        values[: late + 1] = values[last]

    def _arrays(self, *names: str) -> tuple[Floats, ...]:
        return tuple(self._work[name] for name in names)

    def _segment(
        self, u: Floats, n_series: int, k: int, by_point: Floats
    ) -> tuple[Floats, Floats, PassShape]:
        """Return the input of segment k, its part of ``read`` or ``entering``, and its
        shape."""
        first, end = [*self._starts, self.n_points][k : k + 2]
        silent = self.n_points - self.n_read
        per_point = n_series * self.stride
        start = max(first - silent, 0) * per_point
        rows = by_point[start : max(end - silent, 0) * per_point]
        size = (end - first, n_series)
        if size not in self._shapes:
            self._shapes[size] = self._shape(*size)
        return u[first:end].reshape(-1), rows, self._shapes[size]

    def _shape(self, n_points: int, n_series: int) -> PassShape:
        """Return the sizes of a pass over ``n_points`` points of ``n_series``
        series."""
        kernel = self.kernel
        layout = self.kernel.layout
        per_series, per_column = layout.strides
        entry = layout.widths[0]
        if layout.dense:
            entry = round_up(entry, sizes.WIDTH)
        newest, older, oldest = map(np.float32, kernel.delay.weights)
        return PassShape(
            n_points=n_points,
            n_steps=kernel.n_steps,
            n_channels=layout.n_channels,
            n_series=n_series,
            n_columns=layout.n_columns,
            entry=entry,
            first_read=int(kernel.columns[0]) * per_column,
            n_read=int(self.places[-1]) + 1,
            stride=self.stride,
            per_series=per_series,
            per_column=per_column,
            n_kept=kernel.pointwise.n_kept,
            reads=kernel.reads,
            delay=kernel.delay.steps,
            walk=layout.walk(n_series),
            extrapolation=(newest, older, oldest),
        )

    def deliver(self, gradient: Floats) -> None:
        """Add the gradient since ``begin`` to ``gradient``, joined like the
        parameters."""
        layout = self.kernel.layout
        sums = self._work["sums"]
        driver.deliver(sums, layout.fold, *layout.gradient, self._scales, gradient)

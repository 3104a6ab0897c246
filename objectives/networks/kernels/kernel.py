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

from ..integrators import EXTRAPOLATION
from ..readout import LAST, Features
from . import driver, sizes
from .chips import IDEAL, Chip, steps_between_jumps
from .driver import Shape
from .layout import Floats, Layout, Weights, message
from .work import Work

Array = NDArray[np.float64]
_NONE: Floats = np.empty(0, np.float32)
_UNUSED: Floats = np.zeros(1, np.float32)


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
    noise_per_sqrt_ns: Array


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The kernel of a member: layout, compiled steps and parameters."""

    layout: Layout
    pointwise: Pointwise
    neurons: Callable[[Chip], NeuronValues]
    """A function that returns the neurons of a chip."""
    integrator: str
    """A key of ``EXTRAPOLATION``."""
    n_steps: int
    """Equal steps from one input point to the next."""
    dt_ns: float
    reads: int = -1
    """Index of the state whose change since rest is read; -1: the output."""
    features: Features = LAST
    """Features of the readout."""
    noisy: bool = False
    """True for chips with noise."""

    def __post_init__(self) -> None:
        """Refuse an unknown integrator."""
        if self.integrator not in EXTRAPOLATION:
            rule = f"integrator in {list(EXTRAPOLATION)}"
            remedy = "Name one of these."
            raise ValueError(
                message("Kernel", rule, "integrator", self.integrator, remedy)
            )

    @property
    def columns(self) -> NDArray[np.intp]:
        """Columns of the neurons to read, in a row of one series."""
        return self.layout.columns[-sum(self.features.widths(self.layout.widths)) :]

    def jump_interval(self, chip: Chip, n_points: int) -> int:
        """Return the number of steps from jump to jump; 0 without noise."""
        parts = self.pointwise.parts * self.layout.row
        n_jumps = 0 if chip.normals is None else len(chip.normals) // parts
        if (n_jumps > 0) != self.noisy:
            raise ValueError(
                f"Kernel: built with noisy={self.noisy} for a chip with {n_jumps}"
                " jumps. Ask the network for the kernel of the chip: kernel(member,"
                " noisy=...)."
            )
        return (
            steps_between_jumps(chip, n_jumps, n_points, self.n_steps)
            if self.noisy
            else 0
        )


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
        """Reserve the memory; it returns to the pool with the last reference."""
        layout, steps, n_steps = kernel.layout, kernel.pointwise, kernel.n_steps
        row = layout.row
        self.kernel, self.n_points, self.keep, self.n_read = (
            kernel,
            n_points,
            keep,
            n_read,
        )
        self.places = kernel.columns - kernel.columns[0]
        """Places of the neurons among the values read of a series after a point."""
        self.stride = -(-(int(self.places[-1]) + 1) // sizes.WIDTH) * sizes.WIDTH
        """Floats of these values, padding included."""
        per_point = (steps.n_kept + 1) * row * n_steps
        per_segment = sizes.segment_points(n_points, per_point) if keep else n_points
        self._starts = list(range(0, n_points, per_segment))
        kept = min(n_points, per_segment) * n_steps if keep else 0
        read = n_read * layout.block * self.stride
        self.work = Work(
            layout.pool,
            read=read,
            entering=read if keep else 0,
            weights=len(layout.weights.place),
            sums=len(layout.gradient.place) * layout.fold if keep else 0,
            held=row,
            drive=row,
            outputs=2 * row,
            values=(kept + 1 if keep else 2) * row,
            states=steps.n_states * row,
            kept=(kept + 1) * steps.n_kept * row if keep else 1,
            drive_adjoints=n_steps * row if keep else 0,
            pulled=4 * row if keep else 0,
            adjoints=steps.n_states * row if keep else 0,
            zeros=layout.n_columns if keep else 0,
            entered=row if keep else 0,
        )
        self.read, self.entering = self.work["read"], self.work["entering"]
        """Values read of the present block, and their adjoint: (n_read, series,
        stride), flat."""
        for name in ("read", "entering", "zeros"):
            self.work[name].fill(0.0)
        n_weights = layout.parts["back" if keep else "biases"].stop
        self._weighed = Weights(*(array[:n_weights] for array in layout.weights))
        *self._weights, self._back = (
            self.work["weights"][part] for part in layout.parts.values()
        )
        self._forward = self.work.parts(
            "held", "drive", "outputs", "values", "states", "kept"
        )
        self._backward = self.work.parts(
            "values",
            "kept",
            "held",
            "drive_adjoints",
            "pulled",
            "adjoints",
            "zeros",
            "entered",
        )
        self._ring = np.arange(4, dtype=np.int64) * row
        self._extrapolation = tuple(map(np.float32, EXTRAPOLATION[kernel.integrator]))
        self._shapes: dict[tuple[int, int], Shape] = {}
        self._chip: Chip | None = None

    def begin(self, parameters: Floats, chip: Chip = IDEAL) -> None:
        """Take the joined weights and biases and a chip, and clear the sums."""
        self._take(chip)
        driver.weigh(
            parameters, *self._weighed, self._scales, self._added, self.work["weights"]
        )
        if self.keep:
            self.work["sums"].fill(0.0)

    def _take(self, chip: Chip) -> None:
        if chip is self._chip:
            return
        kernel, layout = self.kernel, self.kernel.layout
        self._chip, self._interval = chip, kernel.jump_interval(chip, self.n_points)
        neurons, step_ns = kernel.neurons(chip), kernel.dt_ns / kernel.n_steps
        deviation = math.sqrt(step_ns * self._interval) / kernel.pointwise.parts
        of_step = kernel.pointwise.constants(neurons, step_ns, deviation)
        n, rest = len(of_step), kernel.pointwise.rest(neurons)
        spread = layout.spread(np.concatenate([of_step, rest]))
        self._constants, self._rest = spread[:n].reshape(-1), spread[n:].reshape(-1)
        drives = np.stack([neurons.s, neurons.fixed_drive])
        drives = drives * step_ns if kernel.pointwise.per_step else drives
        s, fixed = drives.astype(np.float32)
        self._scales = np.concatenate([s, s])
        self._added = np.concatenate([np.zeros_like(fixed), fixed])
        """For the weights to each neuron, and then for its bias."""
        self._noise = _UNUSED if chip.normals is None else chip.normals

    def forward(self, u: Floats, n_series: int) -> Floats:
        """Take a block, see ``Layout.pad``, through time; return the part of ``read``
        in use."""
        self._states: list[list[Floats]] = []
        last = len(self._starts) - 1
        for k in range(last + 1):
            if k > 0:
                self._states.append([part.copy() for part in self._carried()])
            self._go(u, n_series, k, self.keep and k == last)
        return self.read[: self.n_read * n_series * self.stride]

    def backward(self, u: Floats, n_series: int) -> None:
        """Add the gradient of the block that ``forward`` took last."""
        last = len(self._starts) - 1
        for k in range(last, -1, -1):
            if k < last:
                states = self._states[k - 1] if k else []
                for part, state in zip(self._carried(), states, strict=False):
                    part[:] = state
                self._go(u, n_series, k, True)
            part, entering, shape = self._segment(u, n_series, k, self.entering)
            driver.backward(
                part,
                shape,
                self.kernel.layout.structure,
                self.kernel.pointwise.pull,
                (self._back, self._constants),
                self._extrapolation,
                self._backward,
                self.work["sums"],
                entering,
                self._interval,
                self.kernel.reads,
                self._ring,
                k == last,
            )

    def _go(self, u: Floats, n_series: int, k: int, keep: bool) -> None:
        """Take segment k forward, with its jumps."""
        kernel, steps = self.kernel, self.kernel.pointwise
        part, read, shape = self._segment(u, n_series, k, self.read)
        interval = self._interval
        before = self._starts[k] * kernel.n_steps // interval if interval else 0
        driver.forward(
            part,
            shape,
            kernel.layout.structure,
            steps.advance if keep else steps.advance_only,
            (*self._weights, self._constants, self._rest),
            self._extrapolation,
            self._forward,
            read,
            self._noise,
            (interval, before, steps.parts * kernel.layout.row),
            kernel.reads,
            keep,
            k == 0,
        )

    def _carried(self) -> list[Floats]:
        """Return the arrays that carry over between two segments."""
        return [
            *self.work.parts("outputs", "states"),
            self.work["values"][: self.kernel.layout.row],
        ]

    def _segment(
        self, u: Floats, n_series: int, k: int, by_point: Floats
    ) -> tuple[Floats, Floats, Shape]:
        """Return the input of segment k, its part of ``read`` or ``entering``, and its
        shape."""
        first, end = [*self._starts, self.n_points][k : k + 2]
        silent, per_point = self.n_points - self.n_read, n_series * self.stride
        rows = by_point[
            max(first - silent, 0) * per_point : max(end - silent, 0) * per_point
        ]
        shape = self._shape(end - first, n_series)
        return u[first:end].reshape(-1), rows, shape

    def _shape(self, n_points: int, n_series: int) -> Shape:
        """Return the sizes of a pass over ``n_points`` points of ``n_series``
        series."""
        key = n_points, n_series
        if key not in self._shapes:
            kernel, layout = self.kernel, self.kernel.layout
            dense = layout.dense
            self._shapes[key] = Shape(
                n_points=n_points,
                n_steps=kernel.n_steps,
                n_channels=layout.n_channels,
                n_series=n_series,
                row=layout.row,
                n_columns=layout.n_columns,
                entry=int(layout.structure.spans[1]) if dense else layout.widths[0],
                first_read=int(kernel.columns[0]),
                n_read=int(self.places[-1]) + 1,
                stride=self.stride,
                n_states=kernel.pointwise.n_states,
                n_kept=kernel.pointwise.n_kept,
                walk=layout.groups(n_series),
            )
        return self._shapes[key]

    def deliver(self, gradient: Floats) -> None:
        """Add the gradient since ``begin`` to ``gradient``, joined like the
        parameters."""
        layout = self.kernel.layout
        sums = self.work["sums"]
        driver.deliver(sums, layout.fold, *layout.gradient, self._scales, gradient)

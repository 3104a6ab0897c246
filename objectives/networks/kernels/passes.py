"""The kernels of a network, with the memory that they work in.

A ``Kernel`` is what one member computes with: structure and physics. A ``Pass`` is the memory in
which its blocks go through time and back, one after the other (see ``kernels``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectives.networks import oscillator
from objectives.networks.integrators import EXTRAPOLATION
from objectives.networks.kernels import ctrnn, dense, sizes, sparse, spintronic
from objectives.networks.kernels.chips import IDEAL, Chip, steps_between_jumps
from objectives.networks.kernels.dense import CHUNK
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import FOLD
from objectives.networks.kernels.structure import (
    TILE,
    Floats,
    SparseStructure,
    Tiles,
    message,
)
from objectives.networks.kernels.work import Work
from objectives.networks.per_layer import PerLayer, mapped, of_layers

Constants = tuple[Any, ...]
"""Of the neurons, (neurons,) each, and the steps from jump to jump."""
Forward = Callable[[Floats, Constants, Floats, Floats, int, tuple[int, ...], bool, bool], None]
"""A kernel on the input of a block, flat: constants, where to read to, jumps, those before, shape,
keep and fresh."""
Backward = Callable[[Floats, Constants, Floats, tuple[int, ...], bool], None]
"""A kernel on the input of a block, flat: constants, what enters, shape and fresh."""


_NONE: Floats = np.empty(0, np.float32)


class Kernel(ABC):
    """What a member computes with.

    Args:
        structure: where the weights are non-zero.
        integrator: a key of ``EXTRAPOLATION``.
        n_steps: equal steps from one input point to the next.
        dt_ns: time between two input points.
        noisy: whether it is asked for chips with noise.

    Raises:
        ValueError: an unknown integrator.
    """

    parts = 1
    """Normal numbers that the noise of a neuron takes in a jump."""

    def __init__(
        self,
        structure: SparseStructure,
        *,
        integrator: str,
        n_steps: int,
        dt_ns: float,
        noisy: bool = False,
    ) -> None:
        """Round the numbers to float32."""
        if integrator not in EXTRAPOLATION:
            rule = f"integrator in {list(EXTRAPOLATION)}"
            where, remedy = type(self).__name__, "Name one of these."
            raise ValueError(message(where, rule, "integrator", integrator, remedy))
        self.structure, self.n_steps, self.noisy = structure, n_steps, noisy
        self.dt_ns, self.step_ns = dt_ns, dt_ns / n_steps
        self.extrapolation = tuple(map(np.float32, EXTRAPOLATION[integrator]))
        self.tiles = structure.tiles
        """Weights between neurons that are taken by tiles."""
        self.row = structure.n_neurons * LANES
        """Floats for one value of every neuron of a block."""

    @property
    def dense(self) -> bool:
        """Whether the weights between neurons are taken by tiles."""
        return len(self.tiles.spans) > 0

    def per_neuron(self, value: PerLayer) -> NDArray[np.float64]:
        """What each layer, or all, have, for each neuron, (neurons,)."""
        widths = self.structure.widths
        return np.repeat(np.array(of_layers(value, len(widths), "constant"), float), widths)

    def lanes(self, u: Tensor) -> Floats:
        """Input (batch, time, channels) as the kernels want it, (blocks, points, channels, LANES).

        Lanes without a sequence repeat the first of their block:
        zeros might diverge where no sequence does, and 0 times NaN is a NaN in the gradient.
        """
        sequences = u.numpy()
        n_batch, n_points, n_channels = sequences.shape
        blocks = np.empty((-(-n_batch // LANES), n_points, n_channels, LANES), np.float32)
        for k, block in enumerate(blocks):
            here = sequences[k * LANES : (k + 1) * LANES]
            block[:, :, : len(here)] = here.transpose(1, 2, 0)
            block[:, :, len(here) :] = block[:, :, :1]
        return blocks

    def on(self, chip: Chip, n_points: int) -> tuple[Constants, Floats]:
        """The constants of the neurons of a chip, and what weights and biases are multiplied by."""
        n_jumps = 0 if chip.normals is None else len(chip.normals) // (self.parts * self.row)
        if (n_jumps > 0) != self.noisy:
            raise ValueError(
                f"{type(self).__name__}: built with noisy={self.noisy} for a chip with {n_jumps} "
                "jumps. Ask the network for the kernel of the chip: kernel(member, noisy=...)."
            )
        every = steps_between_jumps(chip, n_jumps, n_points, self.n_steps) if self.noisy else 0
        deviation = math.sqrt(self.step_ns * every) / self.parts
        noise = 0.0 if chip.noise_per_sqrt_ns is None else chip.noise_per_sqrt_ns
        kicks = np.broadcast_to(deviation * noise, self.structure.n_neurons)
        constants, scales = self._on(chip)
        scales = scales if chip.s is None else scales * chip.s
        return (*map(_rounded, (*constants, kicks)), every), _rounded(scales)

    @abstractmethod
    def _on(self, chip: Chip) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
        """The same without noise and amplification of its own."""

    @property
    @abstractmethod
    def carried(self) -> dict[str, int]:
        """Work arrays of which so many floats are the state between two points."""

    @property
    @abstractmethod
    def floats_per_step(self) -> int:
        """What is kept of a step for ``backward``."""

    @abstractmethod
    def sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """Work arrays besides those that every network needs."""

    @abstractmethod
    def bind(self, pass_: Pass) -> tuple[Forward, Backward]:
        """The forward and the backward kernel with what is the same in all calls.

        Neither holds the pass itself: its work array goes back with the last reference to it.
        """


def _rounded(numbers: NDArray[np.float64]) -> Floats:
    return np.ascontiguousarray(numbers, np.float32)


def high_pass(f_cut_per_ns: PerLayer, step_ns: float) -> tuple[PerLayer, PerLayer]:
    """Decay and gain of the filter of Eq. (5) in a step."""
    c = mapped(lambda f_cut: 2.0 * math.pi * (f_cut * step_ns), f_cut_per_ns)
    return mapped(lambda c: math.exp(-c), c), mapped(lambda c: -math.expm1(-c) / c if c else 1.0, c)


class SpintronicKernel(Kernel):
    """Eq. (2)-(5) of arXiv:2408.02835 with thermal power, Q = 0 and sigma = 1.

    What is said to be ``PerLayer`` is one number, or one for each layer. Where filters differ, a
    dense network goes without tiles.

    Args:
        structure: where the weights are non-zero.
        gamma_per_ns: damping, 1/tau.
        s: amplification S of weights and biases.
        f_cut_per_ns: cut-off of the high-pass filter; 0 leaves only y = x - x at the beginning.
        thermal_power: power of the oscillators without a drive, kT / E.
        start: amplitude x at the beginning, over that at rest.
        reads_x: whether x is read out rather than y.
        stepping: as for ``Kernel``.

    Raises:
        ValueError: an unknown integrator.
    """

    parts = 2

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gamma_per_ns: PerLayer,
        s: PerLayer,
        f_cut_per_ns: PerLayer,
        thermal_power: float = 0.0,
        start: float = 1.0,
        reads_x: bool = False,
        **stepping: Any,
    ) -> None:
        """Turn the physics into numbers of a step."""
        super().__init__(structure, **stepping)
        self._gammas, self._scales = self.per_neuron(gamma_per_ns), self.per_neuron(s)
        decay, gain = high_pass(f_cut_per_ns, self.step_ns)
        decays = of_layers(decay, len(structure.widths), "f_cut")
        below = decays[:1] + decays[:-1]  # there is none below the first
        self._filters = tuple(map(self.per_neuron, (decays, gain, below)))
        self._filters_differ = decays != below
        if self._filters_differ:
            self.tiles = Tiles.none()
        self._thermal_power, self._start, self._reads_x = thermal_power, start, reads_x
        self._cold = thermal_power == 0.0 and not self.noisy

    def _on(self, chip: Chip) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
        """See ``Kernel``: thermal noise takes the place of its mean effect."""
        gammas = self._gammas if chip.tau is None else self._gammas / chip.tau
        power = self._thermal_power * (1.0 if chip.thermal is None else chip.thermal)
        if chip.noise_per_sqrt_ns is not None:
            power = chip.noise_per_sqrt_ns**2 / (2.0 * gammas)
        fixed = 2.0 * self._gammas
        rest = oscillator.fixed_point(
            fixed, gamma_per_ns=gammas, q=0.0, sigma=1.0, thermal_power=power
        )
        start = np.maximum(self._start * rest, oscillator.SILENT)
        h = self.step_ns
        sources = gammas * power
        return (gammas * h, sources * h, fixed * h, *self._filters, start), self._scales * h

    @property
    def carried(self) -> dict[str, int]:
        """See ``Kernel``."""
        states = sizes.SPINTRONIC_ROWS * self.row
        carried = {"outputs": 2 * self.row, "values": self.row, "states": states}
        return carried | {"scaled": 2 * self.row if self._cold else 0}

    @property
    def floats_per_step(self) -> int:
        """See ``Kernel``."""
        return self.row * (sizes.SPINTRONIC_ROWS + sizes.JUMP_ROWS * self.noisy)

    def sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """See ``Kernel``."""
        row, n_steps = self.row, n_points * self.n_steps
        n_states = (n_steps + 1 if keep else 2) * sizes.SPINTRONIC_ROWS
        n_jumps = n_steps * sizes.JUMP_ROWS if keep and self.noisy else 0  # at most
        found = {"outputs": 2 * row, "values": 2 * row, "states": n_states * row}
        found |= {"scaled": 2 * row if self._cold else 0, "jumped": n_jumps * row}
        adjoints = {"adjoint_x": row, "adjoint_y": row, "adjoint_drive": 2 * row}
        n_steps = CHUNK if self.dense else 1
        n_filtered = 4 if self._filters_differ else n_steps + 1
        adjoints |= {"filtered": n_filtered * row, "changes": n_steps * row}
        return found | adjoints | {"entered": self.structure.widths[-1] * LANES}

    def bind(self, pass_: Pass) -> tuple[Forward, Backward]:
        """See ``Kernel``."""
        how = (self.extrapolation, self._reads_x)
        arrays = pass_.work.parts(
            "held", "drive", "outputs", "values", "states", "scaled", "jumped"
        )
        drives = (*pass_.drives, *pass_.tiles)
        names = ("adjoint_x", "adjoint_y", "adjoint_drive", "held", "filtered", "changes")
        own = pass_.work.parts("states", "jumped", "entered", *names, "drive", "sums", "products")
        starts, targets, weights = pass_.pulls
        if self._filters_differ:
            targets = targets + 2 * self.structure.n_neurons * self.structure.from_below
        pulls = (starts, targets, weights, *pass_.tiles_by_source)
        return (
            lambda u, of, *call: spintronic.forward(u, *drives, of, *how, *arrays, *call),
            lambda u, of, *call: spintronic.backward(u, *pulls, of, *how, *own, *call),
        )


class CtrnnKernel(Kernel):
    """Eq. (6)-(8) of arXiv:2408.02835; arguments as for ``SpintronicKernel``, gamma the leak."""

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gamma_per_ns: PerLayer,
        s: PerLayer,
        **stepping: Any,
    ) -> None:
        """Turn the physics into numbers of a step."""
        super().__init__(structure, **stepping)
        self._gammas, self._s = self.per_neuron(gamma_per_ns), self.per_neuron(s)

    def _on(self, chip: Chip) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
        """See ``Kernel``."""
        gammas = self._gammas if chip.tau is None else self._gammas / chip.tau
        turns = gammas * self.step_ns
        return (np.exp(-turns),), -np.expm1(-turns) / gammas * self._s  # Eq. (6), solved

    @property
    def carried(self) -> dict[str, int]:
        """See ``Kernel``."""
        return {"outputs": 3 * self.row, "values": self.row, "x": self.row}

    @property
    def floats_per_step(self) -> int:
        """See ``Kernel``."""
        return sizes.CTRNN_ROWS * self.row

    def sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """See ``Kernel``."""
        row, n_kept = self.row, n_points * self.n_steps + 3 if keep else 3
        sizes = {"outputs": n_kept * row, "values": 2 * row, "x": row}
        n_steps = CHUNK if self.dense else 1
        return sizes | {"adjoint_x": 2 * row, "mean_adjoint": (n_steps + 1) * row}

    def bind(self, pass_: Pass) -> tuple[Forward, Backward]:
        """See ``Kernel``."""
        arrays = pass_.work.parts("held", "drive", "outputs", "values", "x")
        drives, how = (*pass_.drives, *pass_.tiles), (self.extrapolation,)
        names = ("outputs", "adjoint_x", "mean_adjoint", "held", "drive", "sums", "products")
        pulls, own = (*pass_.pulls, *pass_.tiles_by_source), pass_.work.parts(*names)
        return (
            lambda u, of, *call: ctrnn.forward(u, *drives, of, *how, *arrays, *call),
            lambda u, of, *call: ctrnn.backward(u, *pulls, of, *how, *own, *call),
        )


class Pass:
    """Memory in which a block goes through time and, with ``keep``, back.

    The last layer is read after each of the last ``n_read`` points: 1 for what is classified.

    Usage: ``begin``, then for every block ``forward`` and ``backward``, then ``deliver``.

    A trajectory longer than ``sizes.MAX_TRAJECTORY`` is kept in segments, of which all but the last
    are computed again on the way back, from the states between them.

    Args:
        kernel: what computes.
        n_points: time points of the input.
        keep: whether the trajectory is kept for ``backward``.
        n_read: points after which the last layer is read, from 1 to ``n_points``.
    """

    def __init__(self, kernel: Kernel, n_points: int, *, keep: bool, n_read: int = 1) -> None:
        """Reserve the memory; it goes back with the last reference."""
        structure = kernel.structure
        n_nonzeros, n_neurons = len(structure.sources), structure.n_neurons
        self.kernel, self.n_points, self.keep, self.n_read = kernel, n_points, keep, n_read
        ends = structure.widths[0], structure.widths[-1]
        self.shape = (n_points, kernel.n_steps, n_neurons, structure.n_channels, *ends)
        self._starts = self._first_points() if keep else [0]
        n_kept = min(n_points, self._starts[1]) if len(self._starts) > 1 else n_points
        last_layer = n_read * structure.widths[-1] * LANES
        s, tiles = structure, kernel.tiles
        self.work = Work(
            structure.pool,
            drive=(TILE if kernel.dense else 1) * LANES,
            read=last_layer,
            entering=last_layer,
            held=kernel.row,
            biases=n_neurons,
            weights=n_nonzeros,
            weights_by_source=n_nonzeros if keep else 0,
            sums=(n_nonzeros + n_neurons) * FOLD if keep else 0,
            tiles=len(tiles.index),
            tiles_by_source=len(tiles.index) if keep else 0,
            products=len(tiles.index) if keep else 0,
            **kernel.sizes(n_kept, keep),
        )
        work = self.work
        self.drives = (s.target_starts, s.sources, work["weights"], work["biases"])
        """Arguments of every forward kernel."""
        self.pulls = (s.source_starts, s.targets, work["weights_by_source"])
        """Arguments of every backward kernel."""
        self.tiles = (tiles.spans, work["tiles"])
        """Arguments of every forward kernel that takes a dense network by tiles."""
        self.tiles_by_source = (tiles.spans, tiles.spans_by_source, work["tiles_by_source"])
        """Arguments of every backward kernel."""
        self._chip, self._per_neuron = IDEAL, _NONE
        self.constants: Constants = ()
        """Of the neurons of the present chip: see ``Kernel.on``."""
        self.read = work["read"].reshape(-1, LANES)
        """What is read of the last layer in the present block, (n_read its neurons, LANES)."""
        self.entering = work["entering"].reshape(-1, LANES)
        """Its adjoint, to be written before ``backward``, shaped likewise."""
        self._forward, self._backward = kernel.bind(self)
        self._index = np.concatenate([s.source_index, s.bias_index])

    def begin(self, parameters: Floats, chip: Chip = IDEAL) -> None:
        """Take the weights and biases of the network, joined, and a chip, and clear the sums."""
        self._take(chip)
        s, scales, work = self.kernel.structure, self._per_neuron, self.work
        tiles = self.kernel.tiles
        sparse.weigh(scales, s.target_of, parameters, s.target_index, work["weights"])
        np.multiply(parameters[s.bias_index], scales, work["biases"])
        dense.weigh(self._scales, parameters, tiles.index, work["tiles"])
        if self.keep:
            by_source = (s.targets, parameters, s.source_index, work["weights_by_source"])
            sparse.weigh(scales, *by_source)
            dense.weigh(self._scales, parameters, tiles.index_by_source, work["tiles_by_source"])
            work["products"].fill(0.0)
            work["sums"].fill(0.0)

    def _take(self, chip: Chip) -> None:
        if self.constants and chip is self._chip:
            return
        self._chip = chip
        self.constants, per_neuron = self.kernel.on(chip, self.n_points)
        if np.array_equal(per_neuron, self._per_neuron):
            return
        s, self._per_neuron = self.kernel.structure, per_neuron
        self._scales = np.zeros(1 + s.target_index.max(initial=0), np.float32)
        self._scales[s.target_index] = per_neuron[s.target_of]
        self._delivered = np.concatenate([per_neuron[s.targets], per_neuron])

    def _first_points(self) -> list[int]:
        """The first points of the segments."""
        per_point = self.kernel.floats_per_step * self.kernel.n_steps
        return list(range(0, self.n_points, sizes.segment_points(self.n_points, per_point)))

    def forward(self, u: Floats) -> Floats:
        """Take a block of input, (time, channels, LANES), through time; ``read`` afterwards."""
        self._states: list[list[Floats]] = []
        last = len(self._starts) - 1
        for k in range(last + 1):
            if k > 0:
                self._states.append([part.copy() for part in self._carried()])
            self._go(u, k, self.keep and k == last)
        return self.read

    def backward(self, u: Floats) -> None:
        """Add up the gradient over the block that ``forward`` took last."""
        last = len(self._starts) - 1
        for k in range(last, -1, -1):
            if k < last:
                for part, state in zip(
                    self._carried(), self._states[k - 1] if k else [], strict=False
                ):
                    part[:] = state
                self._go(u, k, True)
            part, entering, shape = self._segment(u, k, self.entering)
            self._backward(part, self.constants, entering, shape, k == last)

    def _go(self, u: Floats, k: int, keep: bool) -> None:
        """Take segment k forward, with its jumps."""
        normals, every = self._chip.normals, self.constants[-1]
        noise = _NONE if normals is None else normals
        before = self._starts[k] * self.shape[1] // every if every else 0
        part, read, shape = self._segment(u, k, self.read)
        self._forward(part, self.constants, read, noise, before, shape, keep, k == 0)

    def _carried(self) -> list[Floats]:
        return [self.work[name][:size] for name, size in self.kernel.carried.items()]

    def _segment(
        self, u: Floats, k: int, last_layer: Floats
    ) -> tuple[Floats, Floats, tuple[int, ...]]:
        """Input of segment k, its part of ``read`` or ``entering``, and its shape."""
        first, end = [*self._starts, self.n_points][k : k + 2]
        silent = self.n_points - self.n_read
        width = self.kernel.structure.widths[-1]
        rows = last_layer[max(first - silent, 0) * width : max(end - silent, 0) * width]
        return u[first:end].reshape(-1), rows.reshape(-1), (end - first, *self.shape[1:])

    def deliver(self, gradient: Floats) -> None:
        """Add the gradient since ``begin`` to ``gradient``, joined as the parameters are."""
        sparse.deliver(self.work["sums"], self._index, self._delivered, gradient)
        products = self.kernel.tiles.products
        dense.deliver(self.work["products"], products, self._scales, gradient)

"""The kernels of a network, with the memory that they work in.

A ``Kernel`` is what one member computes with: structure and physics. A ``Pass`` is the memory in
which its blocks go through time and back, one after the other (see ``kernels``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from torch import Tensor

from objectives.networks.integrators import EXTRAPOLATION
from objectives.networks.kernels import ctrnn, dense, sizes, sparse, spintronic
from objectives.networks.kernels.dense import CHUNK
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import FOLD
from objectives.networks.kernels.structure import (
    TILE,
    Floats,
    Integers,
    SparseStructure,
    Tiles,
    message,
)
from objectives.networks.kernels.work import Work
from objectives.networks.per_layer import PerLayer, mapped, of_layers

Forward = Callable[[Floats, Floats, tuple[int, ...], bool, bool], None]
"""A kernel on the input of a block, flat: also where to read to, shape, keep and fresh."""
Backward = Callable[[Floats, Floats, tuple[int, ...], bool], None]
"""A kernel on the input of a block, flat: also what enters, shape and fresh."""


class Kernel(ABC):
    """What a member computes with.

    Args:
        structure: where the weights are non-zero.
        integrator: a key of ``EXTRAPOLATION``.
        n_steps: equal steps from one input point to the next.
        scale: what weights and biases are multiplied by.

    Raises:
        ValueError: an unknown integrator.
    """

    def __init__(
        self,
        structure: SparseStructure,
        integrator: str,
        n_steps: int,
        scale: PerLayer,
    ) -> None:
        """Round the numbers to float32."""
        if integrator not in EXTRAPOLATION:
            rule = f"integrator in {list(EXTRAPOLATION)}"
            where, remedy = type(self).__name__, "Name one of these."
            raise ValueError(message(where, rule, "integrator", integrator, remedy))
        self.structure, self.n_steps = structure, n_steps
        self.extrapolation = tuple(map(np.float32, EXTRAPOLATION[integrator]))
        self.scales = self.per_neuron(scale)
        self.tiles = structure.tiles
        """Weights between neurons that are taken by tiles."""
        self.row = structure.n_neurons * LANES
        """Floats for one value of every neuron of a block."""

    @property
    def dense(self) -> bool:
        """Whether the weights between neurons are taken by tiles."""
        return len(self.tiles.spans) > 0

    def per_neuron(self, value: PerLayer) -> Floats:
        """What each layer, or all, have, for each neuron, (neurons,)."""
        widths = self.structure.widths
        return np.repeat(np.array(of_layers(value, len(widths), "constant"), np.float32), widths)

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
        """The forward and the backward kernel with what is the same in all calls."""


def high_pass(f_cut_per_ns: PerLayer, step_ns: float) -> tuple[PerLayer, PerLayer]:
    """Decay and gain of the filter of Eq. (5) in a step."""
    c = mapped(lambda f_cut: 2.0 * math.pi * (f_cut * step_ns), f_cut_per_ns)
    return mapped(lambda c: math.exp(-c), c), mapped(lambda c: -math.expm1(-c) / c if c else 1.0, c)


class SpintronicKernel(Kernel):
    """Eq. (2)-(5) of arXiv:2408.02835, Q = 0 and sigma = 1.

    What is said to be ``PerLayer`` is one number, or one for each layer. Where filters differ, a
    dense network goes without tiles.

    Args:
        structure: where the weights are non-zero.
        gamma_per_ns: damping, 1/tau.
        s: amplification S of weights and biases.
        f_cut_per_ns: cut-off of the high-pass filter; 0 leaves only y = x - ``start``.
        dt_ns: time between two input points.
        integrator: a key of ``EXTRAPOLATION``.
        n_steps: equal steps into which it is divided.
        start: amplitude x at the beginning.
        reads_x: whether x is read out rather than y.

    Raises:
        ValueError: an unknown integrator.
    """

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gamma_per_ns: PerLayer,
        s: PerLayer,
        f_cut_per_ns: PerLayer,
        dt_ns: float,
        integrator: str,
        n_steps: int = 1,
        start: float = 0.5,
        reads_x: bool = False,
    ) -> None:
        """Turn the physics into numbers of a step."""
        step_ns = dt_ns / n_steps
        super().__init__(structure, integrator, n_steps, mapped(lambda s: s * step_ns, s))
        turns = mapped(lambda gamma: gamma * step_ns, gamma_per_ns)
        decay, gain = high_pass(f_cut_per_ns, step_ns)
        decays = of_layers(decay, len(structure.widths), "f_cut")
        below = decays[:1] + decays[:-1]  # there is none below the first
        own = map(self.per_neuron, (turns, decays, gain, below))
        self.constants = (*own, np.float32(start))
        self._filters_differ = decays != below
        if self._filters_differ:
            self.tiles = Tiles.none()
        self._reads_x = reads_x

    @property
    def carried(self) -> dict[str, int]:
        """See ``Kernel``."""
        return {"outputs": 2 * self.row, "values": self.row, "states": self.floats_per_step}

    @property
    def floats_per_step(self) -> int:
        """See ``Kernel``."""
        return sizes.SPINTRONIC_ROWS * self.row

    def sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """See ``Kernel``."""
        row, n_kept = self.row, n_points * self.n_steps + 1 if keep else 2
        sizes = {"outputs": 2 * row, "values": 2 * row, "states": n_kept * self.floats_per_step}
        adjoints = {"adjoint_x": row, "adjoint_y": row, "adjoint_drive": 2 * row}
        n_steps = CHUNK if self.dense else 1
        n_filtered = 4 if self._filters_differ else n_steps + 1
        adjoints |= {"filtered": n_filtered * row, "changes": n_steps * row}
        return sizes | adjoints | {"entered": self.structure.widths[-1] * LANES}

    def bind(self, pass_: Pass) -> tuple[Forward, Backward]:
        """See ``Kernel``."""
        how = (self.constants, self.extrapolation, self._reads_x)
        arrays = pass_.work.parts("held", "drive", "outputs", "values", "states")
        there = (*pass_.drives, *pass_.tiles, *how, *arrays)
        names = ("adjoint_x", "adjoint_y", "adjoint_drive", "held", "filtered", "changes")
        arrays = pass_.work.parts("states", "entered", *names, "drive", "sums", "products")
        starts, targets, weights = pass_.pulls
        if self._filters_differ:
            targets = targets + 2 * self.structure.n_neurons * self.structure.from_below
        back = (starts, targets, weights, *pass_.tiles_by_source, *how, *arrays)
        return (
            lambda u, *call: spintronic.forward(u, *there, *call),
            lambda u, *call: spintronic.backward(u, *back, *call),
        )


class CtrnnKernel(Kernel):
    """Eq. (6)-(8) of arXiv:2408.02835; arguments as for ``SpintronicKernel``, gamma the leak."""

    def __init__(
        self,
        structure: SparseStructure,
        *,
        gamma_per_ns: PerLayer,
        s: PerLayer,
        dt_ns: float,
        integrator: str,
        n_steps: int = 1,
    ) -> None:
        """Turn the physics into numbers of a step."""
        step_ns = dt_ns / n_steps  # Eq. (6), solved
        layers = len(structure.widths)
        gammas, amplifications = of_layers(gamma_per_ns, layers, "gamma"), of_layers(s, layers, "s")
        gains_ns = [-math.expm1(-gamma * step_ns) / gamma for gamma in gammas]
        scales = tuple(gain * own for gain, own in zip(gains_ns, amplifications, strict=True))
        super().__init__(structure, integrator, n_steps, scales)
        decays = tuple(math.exp(-gamma * step_ns) for gamma in gammas)
        self.constants = (self.per_neuron(decays),)

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
        how = (self.constants, self.extrapolation)
        arrays = pass_.work.parts("held", "drive", "outputs", "values", "x")
        there = (*pass_.drives, *pass_.tiles, *how, *arrays)
        names = ("outputs", "adjoint_x", "mean_adjoint", "held", "drive", "sums", "products")
        back = (*pass_.pulls, *pass_.tiles_by_source, *how, *pass_.work.parts(*names))
        return (
            lambda u, *call: ctrnn.forward(u, *there, *call),
            lambda u, *call: ctrnn.backward(u, *back, *call),
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
        self._scales = np.zeros(1 + s.target_index.max(initial=0), np.float32)
        self._scales[s.target_index] = kernel.scales[s.target_of]
        self.read = work["read"].reshape(-1, LANES)
        """What is read of the last layer in the present block, (n_read its neurons, LANES)."""
        self.entering = work["entering"].reshape(-1, LANES)
        """Its adjoint, to be written before ``backward``, shaped likewise."""
        self._forward, self._backward = kernel.bind(self)
        self._delivery: tuple[Integers, Floats] | None = None

    def begin(self, parameters: Floats) -> None:
        """Take the weights and biases of the network, joined, and clear the sums."""
        s, scales, work = self.kernel.structure, self.kernel.scales, self.work
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
            self._forward(*self._segment(u, k, self.read), self.keep and k == last, k == 0)
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
                self._forward(*self._segment(u, k, self.read), True, k == 0)
            self._backward(*self._segment(u, k, self.entering), k == last)

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
        if self._delivery is None:
            structure, scales = self.kernel.structure, self.kernel.scales
            index = np.concatenate([structure.source_index, structure.bias_index])
            self._delivery = index, np.concatenate([scales[structure.targets], scales])
        sparse.deliver(self.work["sums"], *self._delivery, gradient)
        products = self.kernel.tiles.products
        dense.deliver(self.work["products"], products, self._scales, gradient)

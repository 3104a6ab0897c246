"""Parts of the time of our epoch, and its bound: multiply-adds on non-zeros at full
speed."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from benchmarks.networks import implementations
from benchmarks.networks.runners import BATCH, OurRunner
from hpo.objectives.networks.kernels import updates
from hpo.objectives.networks.kernels.compiling import kernel
from hpo.objectives.networks.kernels.kernel import Kernel, Pass
from hpo.objectives.networks.kernels.layout import Layout
from hpo.objectives.networks.kernels.products import REGISTERS
from hpo.objectives.networks.kernels.simd import fma, load, splat, store

WIDTH = 32
EPOCHS = 15
REPEATS = 50
_WATCHED: dict[str, list[tuple[Any, str]]] = {
    "passes": [(Pass, "forward"), (Pass, "backward")],
    "readout": [
        (updates._Part, "read_out"),
        (updates._Readout, "begin"),
        (updates._Readout, "deliver"),
    ],
    "weights": [(Pass, "begin"), (Pass, "deliver")],
    "Adam": [(updates.FusedUpdates, "_step")],
    "batches": [(Layout, "pad")],
}
"""Methods by part: what each does within an epoch is added up."""
_MULTIPLY_ADDS = (
    3  # per synapse, series and step: drive, its adjoint, gradient of the weight
)
_TURNS = 100_000
_LANES = 4 * REGISTERS  # eight chains fill two units with a latency of four


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One epoch of ours, in seconds of CPU time."""

    kind: str
    density: float
    whole: float
    """The quickest epoch of a few."""
    neurons: tuple[float, float]
    """Steps of the neurons, forward and adjoint, alone: the kernels without any
    synapse."""
    synapses: tuple[float, float]
    """What synapses add to that."""
    inside: dict[str, float]
    """Of the parts of that epoch, as in ``_WATCHED``."""
    multiply_adds: int
    """On non-zeros."""
    peak: float
    """Multiply-adds that this core can do in a second."""

    @property
    def bound(self) -> float:
        """Seconds of the multiply-adds, none wasted, at the peak."""
        return self.multiply_adds / self.peak

    @property
    def caches(self) -> float:
        """What the passes take longer in an epoch than over and over: cold caches,
        others' work."""
        return self.inside["passes"] - sum(self.neurons) - sum(self.synapses)

    @property
    def python(self) -> float:
        """What is left."""
        return self.whole - sum(self.inside.values())


def measure() -> Iterator[Parts]:
    """Take epochs apart."""
    peak = (
        _LANES
        * _TURNS
        / _best(partial(_multiply_adds, np.ones(_LANES, np.float32), _TURNS))
    )
    for kind in implementations.KINDS:
        for density in implementations.DENSITIES:
            network, split, _ = implementations.drawn(kind, WIDTH, density)
            u = torch.from_numpy(split.train.x)
            own = network.kernel(0)
            both = alone(own, network, u)
            neurons = alone(_without_synapses(own), network, u)
            whole, inside = _epoch(OurRunner(network, split.train))
            inner = int(network.mask_inter.sum()) + int(network.mask_intra.sum())
            entering = int(
                network.mask_in.sum()
            )  # the input is the same in all steps of a point
            passes = (
                (inner * network.physics.n_steps + entering) * u.shape[0] * u.shape[1]
            )
            yield Parts(
                kind=kind,
                density=density,
                whole=whole,
                neurons=neurons,
                synapses=(both[0] - neurons[0], both[1] - neurons[1]),
                inside=inside,
                multiply_adds=_MULTIPLY_ADDS * passes,
                peak=peak,
            )


def alone(
    own: Kernel, network: Any, u: Tensor, repeats: int = REPEATS
) -> tuple[float, float]:
    """Seconds per epoch of the forward and the backward kernel, of a block over and
    over."""
    pass_ = Pass(own, u.shape[1], keep=True)
    weights = (network.w_in, network.w_inter, network.w_intra, network.bias)
    pass_.begin(torch.cat([w.detach().reshape(-1) for w in weights]).numpy())
    pass_.entering[:] = 1e-3
    there = {}
    back = {}
    blocks = [
        n for batch in torch.split(u, BATCH) for _, n in own.layout.blocks(len(batch))
    ]
    for n in set(blocks):
        block = own.layout.pad(u[:n].numpy(), n)
        there[n] = _best(partial(pass_.forward, block, n), repeats)
        back[n] = _best(partial(pass_.backward, block, n), repeats)
    return sum(there[n] for n in blocks), sum(back[n] for n in blocks)


def _without_synapses(own: Kernel) -> Kernel:
    """The same kernel of neurons that nothing drives but the input."""
    layout = own.layout
    structure = own.layout.structure
    if layout.dense:  # with one source in all: a product must have a term
        entry = int(structure.spans[0]["columns"])
        spans = np.array([(0, entry, 0, 1, 0, 0, 1, 0)], structure.spans.dtype)
        bare = structure._replace(spans=spans)
    else:
        none = np.empty(0, np.int32)
        ends = np.zeros(layout.n_neurons + 1, np.int32)
        bare = structure._replace(
            sources=none, targets=none, starts=ends, starts_back=ends
        )
    return replace(own, layout=replace(layout, structure=bare))


def _epoch(runner: OurRunner) -> tuple[float, dict[str, float]]:
    """Seconds of the quickest epoch, and of its parts."""
    epochs = []
    for _ in range(EPOCHS):
        with _watched() as inside:
            began = time.thread_time()
            runner.advance()
            epochs.append((time.thread_time() - began, dict(inside)))
    return min(epochs, key=lambda epoch: epoch[0])


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Add up what the methods of each part take."""
    inside: dict[str, float] = defaultdict(float)

    def timed(part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            began = time.thread_time()
            result = method(*arguments)
            inside[part] += time.thread_time() - began
            return result

        return run

    with contextlib.ExitStack() as stack:
        for part, methods in _WATCHED.items():
            for of, name in methods:
                stack.enter_context(
                    mock.patch.object(of, name, timed(part, getattr(of, name)))
                )
        yield inside


def _best(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.thread_time()
        run()
        seconds.append(time.thread_time() - began)
    return min(seconds)


@kernel
def _multiply_adds(scratch: Any, turns: int) -> None:
    """``turns`` multiply-adds in every lane, in registers."""
    total = load(scratch, 0, _LANES)
    factor = splat(np.float32(0.5), _LANES)
    for _ in range(turns):
        total = fma(total, factor, factor)
    store(scratch, 0, total)

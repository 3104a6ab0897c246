"""Where the time of our epoch goes, and its bound: multiply-adds on non-zeros at full speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import networks
from benchmarks.runners import BATCH
from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.kernel import Pass
from objectives.networks.kernels.simd import load, splat, store

WIDTH = 32
REPEATS = 100
_MULTIPLY_ADDS = 3  # per synapse, series and step: drive, its adjoint, gradient of the weight
_TURNS = 100_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One epoch of ours, in seconds."""

    kind: str
    density: float
    whole: float
    """As measured among the others."""
    neurons: tuple[float, float]
    """Steps of the neurons, forward and adjoint: the kernels without any synapse."""
    synapses: tuple[float, float]
    """What synapses add to that."""
    multiply_adds: int
    """On non-zeros."""
    peak: float
    """Multiply-adds that this core can do in a second."""

    @property
    def bound(self) -> float:
        """Seconds of the multiply-adds, none wasted, at the peak."""
        return self.multiply_adds / self.peak

    @property
    def rest(self) -> float:
        """Readout, Adam, batches, Python."""
        return self.whole - sum(self.neurons) - sum(self.synapses)


def measure(timings: Sequence[networks.Timing]) -> Iterator[Parts]:
    """Take the kernels apart, by the best of many repeats: for what the core can do."""
    peak = _peak()
    for kind in networks.KINDS:
        neurons = _kernels(kind, None)[0]
        for timing in timings:
            if (timing.kind, timing.width) != (kind, WIDTH) or not timing.default:
                continue
            both, passes = _kernels(kind, timing.density)
            yield Parts(
                kind=kind,
                density=timing.density,
                whole=timing.seconds,
                neurons=neurons,
                synapses=(both[0] - neurons[0], both[1] - neurons[1]),
                multiply_adds=_MULTIPLY_ADDS * passes,
                peak=peak,
            )


def _kernels(kind: str, density: float | None) -> tuple[tuple[float, float], int]:
    """Seconds per epoch of the forward and the backward kernel, and how often synapses pass."""
    network, split, _ = networks.drawn(kind, WIDTH, density or 0.5)
    if density is None:
        for mask in network.buffers():
            mask.zero_()
    u, layout = torch.from_numpy(split.train.x), network.layouts[0]
    pass_ = Pass(network.kernel(0), u.shape[1], keep=True)
    weights = (network.w_in, network.w_inter, network.w_intra, network.bias)
    pass_.begin(torch.cat([w.detach().reshape(-1) for w in weights]).numpy())
    pass_.entering[:] = 1e-3
    there, back = {}, {}
    blocks = [n for batch in torch.split(u, BATCH) for _, n in layout.blocks(len(batch))]
    for n in set(blocks):
        block = layout.filled(u[:n].numpy(), n)
        there[n] = _best(partial(pass_.forward, block, n))
        back[n] = _best(partial(pass_.backward, block, n))
    inner = int(network.mask_inter.sum()) + int(network.mask_intra.sum())
    entering = int(network.mask_in.sum())  # the input is the same in all steps of a point
    passes = (inner * network.physics.n_steps + entering) * u.shape[0] * u.shape[1]
    return (sum(there[n] for n in blocks), sum(back[n] for n in blocks)), passes


def _best(run: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@kernel
def _multiply_adds(scratch: Any, turns: int) -> None:
    """``turns`` multiply-adds in every lane, in registers: eight chains of 512 bits."""
    total, factor = load(scratch, 0, 128), splat(np.float32(0.5), 128)
    for _ in range(turns):
        total = total * factor + factor
    store(scratch, 0, total)


def _peak() -> float:
    """Multiply-adds per second of this core."""
    scratch = np.ones(128, np.float32)
    return len(scratch) * _TURNS / _best(lambda: _multiply_adds(scratch, _TURNS))

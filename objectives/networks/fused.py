"""The fused CPU path of the networks: one member, float32, forward and adjoint.

The numba kernels of :mod:`objectives.networks.kernels`, each pair as one differentiable torch
function. The PyTorch networks are the reference; these agree with them to rounding, at a cost that
is proportional to the number of synapses.

``python -m objectives.networks.fused`` compiles the kernels into numba's cache.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from objectives.networks.kernels import ctrnn, spintronic
from objectives.networks.kernels.sparse import FOLD, LANES
from objectives.networks.structure import (
    Floats,
    SparseStructure,
    check_tensor,
    message,
    weight_shapes,
)

Integrator = Literal["exponential", "euler"]
KERNEL_INTEGRATORS: tuple[Integrator, ...] = ("exponential", "euler")
"""Those that the kernels know."""


def fused_spintronic(
    u: Tensor,
    w_in: Tensor,
    w_inter: Tensor,
    w_intra: Tensor,
    bias: Tensor,
    structure: SparseStructure,
    *,
    gamma_per_ns: float,
    s: float,
    f_cut_per_ns: float,
    dt_ns: float,
    integrator: Integrator,
) -> Tensor:
    """Output y of the last layer after the last point, from x = 1/2 and y = 0: (batch, width).

    Eq. (2)-(5) of arXiv:2408.02835. Differentiable once with respect to the weights and the bias;
    where the masks are false, the weights count as zero and their gradients are zero. Where no
    gradient is asked for, no trajectory is stored. The interpreter lock is free meanwhile.

    Args:
        u: input, one value per channel held for each step, (batch, time, channels).
        w_in: input weights, 1/ns, (width, channels).
        w_inter: weights from layer to layer, 1/ns, (layers - 1, width, width), [target, source].
        w_intra: weights within layers, 1/ns, (layers, width, width), [target, source].
        bias: trainable bias, 1/ns, (layers, width); the fixed bias 2 gamma is added here.
        structure: where the weights are non-zero.
        gamma_per_ns: damping, 1/tau.
        s: amplification S of weights and biases.
        f_cut_per_ns: cut-off of the high-pass filter; 0 leaves only y = x - 1/2.
        dt_ns: time step.
        integrator: "exponential" or "euler".

    Raises:
        TypeError: a tensor that is not float32.
        ValueError: a tensor that has another shape, is not on the CPU, or an input that requires a
            gradient; an unknown integrator.
    """
    weights = {"w_in": w_in, "w_inter": w_inter, "w_intra": w_intra, "bias": bias}
    _check("fused_spintronic", u, weights, structure, integrator)
    exponential = integrator == "exponential"
    c = 2.0 * math.pi * f_cut_per_ns * dt_ns  # Eq. (5): decay and gain of the filter over a step
    if exponential:
        decay, lost = math.exp(-c), -math.expm1(-c)
        gain = lost / c if c else 1.0
    else:
        decay, lost, gain = 1.0 - c, c, 1.0
    constants = _float32(gamma_per_ns * dt_ns, s * dt_ns, decay, gain, gain * lost)
    return _compute(_Spintronic(structure, u, constants, exponential), u, weights)


def fused_ctrnn(
    u: Tensor,
    w_in: Tensor,
    w_inter: Tensor,
    w_intra: Tensor,
    bias: Tensor,
    structure: SparseStructure,
    *,
    gamma_per_ns: float,
    s: float,
    dt_ns: float,
    integrator: Integrator,
) -> Tensor:
    """Output y of the last layer after the last point, from x = 0: (batch, width).

    Eq. (6)-(8) of arXiv:2408.02835. Differentiable as ``fused_spintronic`` is, whose arguments
    these are; ``gamma_per_ns`` is the leak, and there is no fixed bias.

    Raises:
        TypeError: as ``fused_spintronic``.
        ValueError: as ``fused_spintronic``.
    """
    weights = {"w_in": w_in, "w_inter": w_inter, "w_intra": w_intra, "bias": bias}
    _check("fused_ctrnn", u, weights, structure, integrator)
    decay, gain_ns = 1.0 - gamma_per_ns * dt_ns, dt_ns  # Eq. (6): explicit Euler, or solved
    if integrator == "exponential":
        decay = math.exp(-gamma_per_ns * dt_ns)
        gain_ns = -math.expm1(-gamma_per_ns * dt_ns) / gamma_per_ns
    return _compute(_Ctrnn(structure, u, _float32(decay, gain_ns * s)), u, weights)


def _check(
    where: str, u: Tensor, weights: dict[str, Tensor], structure: SparseStructure, integrator: str
) -> None:
    """Refuse what the kernels cannot compute."""
    if integrator not in KERNEL_INTEGRATORS:
        rule = f"integrator in {KERNEL_INTEGRATORS}"
        raise ValueError(message(where, rule, "integrator", integrator, "Name one of these."))
    n_layers, width, n_channels = structure.n_layers, structure.width, structure.n_channels
    check_tensor(where, "u", u, torch.float32, ("batch", "time", n_channels))
    shapes = [*weight_shapes(n_layers, width, n_channels), (n_layers, width)]
    for (name, tensor), shape in zip(weights.items(), shapes, strict=True):
        check_tensor(where, name, tensor, torch.float32, shape)
    if u.requires_grad:
        remedy = "Detach the input, or use the reference."
        raise ValueError(message(where, "not u.requires_grad", "u.requires_grad", True, remedy))


def _float32(*numbers: float) -> tuple[np.float32, ...]:
    return tuple(map(np.float32, numbers))


def _compute(run: _Run, u: Tensor, weights: dict[str, Tensor]) -> Tensor:
    # autograd makes one gradient of the joined parameters, and takes it apart again
    parameters = torch.cat([tensor.reshape(-1) for tensor in weights.values()])
    if parameters.requires_grad:
        return _Fused.apply(parameters, u, run)  # type: ignore[no-any-return, no-untyped-call]
    return run.forward(u, parameters, keep=False)


class _Fused(torch.autograd.Function):
    """A run as a differentiable function of its parameters."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, u: Tensor, run: _Run) -> Tensor:
        ctx.run = run
        ctx.parameters = parameters.detach()
        return run.forward(u, ctx.parameters, keep=True)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.run.backward(output_grad, ctx.parameters), None, None


class _Run(ABC):
    """One pass of a batch through time, and what its adjoint needs of it."""

    def __init__(
        self, structure: SparseStructure, u: Tensor, constants: tuple[np.float32, ...]
    ) -> None:
        self._structure, self._constants = structure, constants
        self._n_batch, self._n_times = u.shape[:2]
        self._n_blocks = -(-self._n_batch // LANES)
        n_neurons, n_channels = structure.n_neurons, structure.n_channels
        self._shape = (self._n_blocks, self._n_times, n_neurons, n_channels, structure.width)
        self._row = n_neurons * LANES  # floats for one value of every neuron of a block
        self._point = self._row + n_channels * LANES

    def forward(self, u: Tensor, parameters: Tensor, *, keep: bool) -> Tensor:
        """Output, (batch, width); with ``keep``, the trajectory stays here for ``backward``."""
        structure = self._structure
        n_nonzeros, n_neurons = len(structure.sources), structure.n_neurons
        n_points = self._n_blocks * (self._n_times + 1) if keep else 2
        work = _Work(
            structure.pool,
            values=n_points * self._point,
            weights=n_nonzeros,
            drive=LANES,
            sums=(n_nonzeros + n_neurons) * FOLD if keep else 0,
            **self._sizes(n_points, keep),
        )
        output = torch.empty(self._n_batch, structure.width)
        synapses = (structure.target_starts, structure.sources, structure.target_index)
        inputs = (u.contiguous().view(-1).numpy(), *synapses, parameters.numpy(), self._constants)
        self._forward(inputs, keep, work, output.view(-1).numpy())
        if keep:
            self._work = work
        return output

    def backward(self, output_grad: Tensor, parameters: Tensor) -> Tensor:
        """Adjoint of the parameters, given that of the output, (batch, width)."""
        structure = self._structure
        gradient = torch.zeros_like(parameters)
        adjoint = output_grad.detach().contiguous().view(-1).numpy()
        synapses = (structure.source_starts, structure.targets, structure.source_index)
        inputs = (adjoint, *synapses, parameters.numpy(), self._constants)
        self._backward(inputs, self._work, gradient.numpy())
        return gradient

    @abstractmethod
    def _sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        """Work arrays besides those that every network needs."""

    @abstractmethod
    def _forward(self, inputs: tuple[Any, ...], keep: bool, work: _Work, output: Floats) -> None:
        """Run the kernel, whose first arguments are ``inputs``."""

    @abstractmethod
    def _backward(self, inputs: tuple[Any, ...], work: _Work, gradient: Floats) -> None:
        """Run the kernel, whose first arguments are ``inputs``."""


class _Spintronic(_Run):
    def __init__(
        self,
        structure: SparseStructure,
        u: Tensor,
        constants: tuple[np.float32, ...],
        exponential: bool,
    ) -> None:
        super().__init__(structure, u, constants)
        self._exponential = exponential

    def _sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        row = self._row
        slopes = self._n_blocks * self._n_times * row if keep else 0
        adjoints = dict.fromkeys(("adjoint_x", "adjoint_y", "adjoint_drive", "pulled"), row)
        return {"x": n_points * row, "slopes_x": slopes, "slopes_drive": slopes, **adjoints}

    def _forward(self, inputs: tuple[Any, ...], keep: bool, work: _Work, output: Floats) -> None:
        names = ("weights", "x", "drive", "values", "slopes_x", "slopes_drive")
        arrays = (work[name] for name in names)
        arguments = (*inputs, self._exponential, keep, self._shape, *arrays, output)
        spintronic.forward(*arguments)

    def _backward(self, inputs: tuple[Any, ...], work: _Work, gradient: Floats) -> None:
        kept = ("x", "values", "slopes_x", "slopes_drive")
        scratch = ("weights", "adjoint_x", "adjoint_y", "adjoint_drive", "pulled", "sums")
        arrays = (work[name] for name in (*kept, *scratch))
        arguments = (*inputs, self._exponential, self._shape, *arrays, gradient)
        spintronic.backward(*arguments)


class _Ctrnn(_Run):
    def _sizes(self, n_points: int, keep: bool) -> dict[str, int]:
        return dict.fromkeys(("x", "adjoint_x", "pulled"), self._row)

    def _forward(self, inputs: tuple[Any, ...], keep: bool, work: _Work, output: Floats) -> None:
        arrays = (work[name] for name in ("weights", "x", "drive", "values"))
        arguments = (*inputs, keep, self._shape, *arrays, output)
        ctrnn.forward(*arguments)

    def _backward(self, inputs: tuple[Any, ...], work: _Work, gradient: Floats) -> None:
        arrays = (work[name] for name in ("values", "weights", "adjoint_x", "pulled", "sums"))
        arguments = (*inputs, self._shape, *arrays, gradient)
        ctrnn.backward(*arguments)


class _Work:
    """Named parts of a work array out of a pool; it goes back with the last reference to it.

    A trajectory is megabytes: fresh memory each time would cost more in page faults than the
    storing itself.
    """

    def __init__(self, pool: list[Floats], **sizes: int) -> None:
        self._pool = pool
        starts = [0]
        for size in sizes.values():
            starts.append(starts[-1] + -(-size // 16) * 16)  # cache lines
        try:
            self._whole = pool.pop()
        except IndexError:
            self._whole = np.empty(0, np.float32)
        if len(self._whole) < starts[-1]:
            self._whole = torch.empty(starts[-1]).numpy()  # aligned, where numpy's own is not
        self._parts = {
            name: self._whole[start : start + size]
            for (name, size), start in zip(sizes.items(), starts, strict=False)
        }

    def __getitem__(self, name: str) -> Floats:
        return self._parts[name]

    def __del__(self) -> None:
        self._pool.append(self._whole)


def warm_up() -> float:
    """Compile the kernels, or load them from numba's cache; returns the seconds it took."""
    start = time.perf_counter()
    u, w_in, w_inter = torch.ones(1, 1, 1), torch.ones(1, 1), torch.ones(0, 1, 1)
    w_intra, bias = torch.ones(1, 1, 1), torch.zeros(1, 1)
    structure = SparseStructure.from_masks(w_in.bool(), w_inter.bool(), w_intra.bool())
    network = (u, w_in.requires_grad_(), w_inter, w_intra, bias, structure)
    physics: dict[str, Any] = {"gamma_per_ns": 1.0, "s": 1.0, "dt_ns": 1.0}
    physics["integrator"] = "exponential"  # a switch within the kernels: both are compiled
    for output in (
        fused_spintronic(*network, f_cut_per_ns=0.1, **physics),
        fused_ctrnn(*network, **physics),
    ):
        output.sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"fused kernels ready after {warm_up():.1f} s")

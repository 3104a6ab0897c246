"""The fused CPU path of the spintronic network: one member, float32, forward and adjoint.

Eq. (2)-(5) of arXiv:2408.02835 through the numba kernels of :mod:`objectives.networks.kernels`, as
one differentiable torch function. The PyTorch network is the reference; this agrees with it to
rounding, at a cost that is proportional to the number of synapses.

``python -m objectives.networks.fused`` compiles the kernels into numba's cache.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.networks import kernels
from objectives.networks.kernels import FOLD, LANES

Integrator = Literal["exponential", "euler"]
_INTEGRATORS: tuple[Integrator, ...] = ("exponential", "euler")

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseStructure:
    """Where the synapses of one network are: built once, from its masks.

    The network is one matrix. Its targets are the neurons, layer after layer; its sources are the
    neurons, then the input channels. The non-zeros are listed by target and by source; an index
    says where each is in (w_in, w_inter, w_intra), flattened and joined.
    """

    n_layers: int
    width: int
    n_channels: int
    target_starts: Integers
    """First non-zero of each target, (neurons + 1,)."""
    sources: Integers
    """Source of each non-zero, by target, (nonzeros,)."""
    target_index: Integers
    source_starts: Integers
    """First non-zero of each source, (neurons + channels + 1,)."""
    targets: Integers
    """Target of each non-zero, by source, (nonzeros,)."""
    source_index: Integers
    pool: list[Floats] = field(default_factory=list, repr=False)
    """Work arrays that no computation holds at present."""

    @property
    def n_neurons(self) -> int:
        """Neurons of all layers."""
        return self.n_layers * self.width

    @classmethod
    def from_masks(cls, mask_in: Tensor, mask_inter: Tensor, mask_intra: Tensor) -> SparseStructure:
        """The structure of a network whose weights are non-zero where the masks are true.

        Args:
            mask_in: bool, (width, channels).
            mask_inter: bool, (layers - 1, width, width), [target, source].
            mask_intra: bool, (layers, width, width), [target, source].

        Raises:
            TypeError: a mask is not boolean.
            ValueError: the shapes do not fit together.
        """
        where = "SparseStructure"
        _check_tensor(where, "mask_intra", mask_intra, torch.bool, ("layers", "width", "width"))
        _check_tensor(where, "mask_in", mask_in, torch.bool, ("width", "channels"))
        n_layers, width = mask_intra.shape[:2]
        n_channels = mask_in.shape[1]
        masks = {"mask_in": mask_in, "mask_inter": mask_inter, "mask_intra": mask_intra}
        for (name, mask), shape in zip(
            masks.items(), _weight_shapes(n_layers, width, n_channels), strict=True
        ):
            _check_tensor(where, name, mask, torch.bool, shape)
        place = _places(mask_in.numpy(), mask_inter.numpy(), mask_intra.numpy())
        target, source = np.nonzero(place >= 0)
        source_t, target_t = np.nonzero(place.T >= 0)
        return cls(
            n_layers=n_layers,
            width=width,
            n_channels=n_channels,
            target_starts=_starts(target, n_layers * width),
            sources=source.astype(np.int32),
            target_index=place[target, source],
            source_starts=_starts(source_t, n_layers * width + n_channels),
            targets=target_t.astype(np.int32),
            source_index=place[target_t, source_t],
        )


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

    Differentiable once with respect to the weights and the bias; where the masks are false, the
    weights count as zero and their gradients are zero. Where no gradient is asked for, no
    trajectory is stored. The interpreter lock is free meanwhile.

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
    where = "fused_spintronic"
    if integrator not in _INTEGRATORS:
        rule = f"integrator in {_INTEGRATORS}"
        raise ValueError(_message(where, rule, "integrator", integrator, "Name one of these."))
    shapes = _weight_shapes(structure.n_layers, structure.width, structure.n_channels)
    _check_tensor(where, "u", u, torch.float32, ("batch", "time", structure.n_channels))
    _check_tensor(where, "w_in", w_in, torch.float32, shapes[0])
    _check_tensor(where, "w_inter", w_inter, torch.float32, shapes[1])
    _check_tensor(where, "w_intra", w_intra, torch.float32, shapes[2])
    _check_tensor(where, "bias", bias, torch.float32, (structure.n_layers, structure.width))
    if u.requires_grad:
        remedy = "Detach the input, or use the reference."
        raise ValueError(_message(where, "not u.requires_grad", "u.requires_grad", True, remedy))
    constants = _constants(gamma_per_ns, s, f_cut_per_ns, dt_ns, integrator)
    run = _Run(structure, u.shape[0], u.shape[1], constants, integrator == "exponential")
    # autograd makes one gradient of the joined parameters, and takes it apart again
    parameters = torch.cat(
        (w_in.reshape(-1), w_inter.reshape(-1), w_intra.reshape(-1), bias.reshape(-1))
    )
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


class _Run:
    """One pass of a batch through time, and what its adjoint needs of it."""

    def __init__(
        self,
        structure: SparseStructure,
        n_batch: int,
        n_times: int,
        constants: tuple[np.float32, ...],
        exponential: bool,
    ) -> None:
        self._structure = structure
        self._n_batch = n_batch
        self._constants = constants
        self._exponential = exponential
        n_blocks = -(-n_batch // LANES)
        n_neurons, n_channels, width = structure.n_neurons, structure.n_channels, structure.width
        self._shape = (n_blocks, n_times, n_neurons, n_channels, width)

    def forward(self, u: Tensor, parameters: Tensor, *, keep: bool) -> Tensor:
        """Output, (batch, width); with ``keep``, the trajectory stays here for ``backward``."""
        structure = self._structure
        n_blocks, n_times, n_neurons, n_channels, width = self._shape
        row = n_neurons * LANES
        n_kept = n_blocks * n_times * row if keep else 0
        n_points = n_blocks * (n_times + 1) if keep else 2
        n_nonzeros = len(structure.sources)
        work = _Work(
            structure.pool,
            values=n_points * (row + n_channels * LANES),
            x=n_points * row,
            slopes_x=n_kept,
            slopes_drive=n_kept,
            weights=n_nonzeros,
            rows=4 * row + LANES,
            sums=(n_nonzeros + n_neurons) * FOLD if keep else 0,
        )
        output = torch.empty(self._n_batch, width)
        kernels.forward(
            u.contiguous().view(-1).numpy(),
            structure.target_starts,
            structure.sources,
            structure.target_index,
            parameters.numpy(),
            self._constants,
            self._exponential,
            keep,
            self._shape,
            work["weights"],
            work["x"],
            work["rows"][4 * row :],
            work["values"],
            work["slopes_x"],
            work["slopes_drive"],
            output.view(-1).numpy(),
        )
        if keep:
            self._work = work
        return output

    def backward(self, output_grad: Tensor, parameters: Tensor) -> Tensor:
        """Adjoint of the parameters, given that of the output, (batch, width)."""
        structure, work = self._structure, self._work
        row = structure.n_neurons * LANES
        rows = work["rows"]
        gradient = torch.zeros_like(parameters)
        kernels.backward(
            output_grad.detach().contiguous().view(-1).numpy(),
            structure.source_starts,
            structure.targets,
            structure.source_index,
            parameters.numpy(),
            self._constants,
            self._exponential,
            self._shape,
            work["x"],
            work["values"],
            work["slopes_x"],
            work["slopes_drive"],
            work["weights"],
            rows[:row],
            rows[row : 2 * row],
            rows[2 * row : 3 * row],
            rows[3 * row : 4 * row],
            work["sums"],
            gradient.numpy(),
        )
        return gradient


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


def _constants(
    gamma_per_ns: float, s: float, f_cut_per_ns: float, dt_ns: float, integrator: Integrator
) -> tuple[np.float32, ...]:
    """gamma dt and S dt; decay, gain and drag of the filter over one step: Eq. (5)."""
    c = 2.0 * math.pi * f_cut_per_ns * dt_ns
    if integrator == "exponential":
        decay, lost = math.exp(-c), -math.expm1(-c)
        gain = lost / c if c else 1.0
    else:
        decay, lost, gain = 1.0 - c, c, 1.0
    return tuple(map(np.float32, (gamma_per_ns * dt_ns, s * dt_ns, decay, gain, gain * lost)))


def _weight_shapes(n_layers: int, width: int, n_channels: int) -> list[tuple[int | str, ...]]:
    """Shapes of w_in, w_inter and w_intra."""
    return [(width, n_channels), (n_layers - 1, width, width), (n_layers, width, width)]


def _places(
    mask_in: NDArray[np.bool_], mask_inter: NDArray[np.bool_], mask_intra: NDArray[np.bool_]
) -> Integers:
    """Where each weight of the network's matrix is among the joined weights; -1 for none."""
    n_layers, width = mask_intra.shape[:2]
    n_neurons = n_layers * width
    place = np.full((n_neurons, n_neurons + mask_in.shape[1]), -1, np.int32)
    first = 0

    def put(mask: NDArray[np.bool_], row: int, column: int) -> None:
        nonlocal first
        here = np.arange(first, first + mask.size, dtype=np.int32).reshape(mask.shape)
        place[row : row + width, column : column + mask.shape[1]] = np.where(mask, here, -1)
        first += mask.size

    put(mask_in, 0, n_neurons)
    for layer, mask in enumerate(mask_inter):
        put(mask, (layer + 1) * width, layer * width)
    for layer, mask in enumerate(mask_intra):
        put(mask, layer * width, layer * width)
    return place


def _starts(rows: NDArray[np.intp], n_rows: int) -> Integers:
    """First entry of each row, given the sorted row of each entry; (n_rows + 1,)."""
    counts = np.bincount(rows, minlength=n_rows)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _check_tensor(
    where: str, name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int | str, ...]
) -> None:
    """Refuse a tensor of another type, on another device or of another shape (a word: any size)."""
    if tensor.dtype != dtype:
        remedy = f"Convert it with .to({dtype})."
        raise TypeError(
            _message(where, f"{name}.dtype == {dtype}", f"{name}.dtype", tensor.dtype, remedy)
        )
    if not tensor.is_cpu:
        rule = f'{name}.device == "cpu"'
        remedy = "Move it with .cpu(), or use the reference, which runs anywhere."
        raise ValueError(_message(where, rule, f"{name}.device", tensor.device, remedy))
    if tensor.dim() != len(shape) or any(
        size != want and not isinstance(want, str)
        for size, want in zip(tensor.shape, shape, strict=True)
    ):
        rule = f"{name}.shape == ({', '.join(map(str, shape))})"
        remedy = "Give tensors that fit together."
        raise ValueError(_message(where, rule, f"{name}.shape", tuple(tensor.shape), remedy))


def _message(where: str, rule: str, name: str, value: object, remedy: str) -> str:
    return f"{where}: `{rule}` must hold, but got {name}={value}. {remedy}"


def warm_up() -> float:
    """Compile the kernels, or load them from numba's cache; returns the seconds it took."""
    start = time.perf_counter()
    w_in, w_inter, w_intra = torch.ones(1, 1), torch.ones(0, 1, 1), torch.ones(1, 1, 1)
    structure = SparseStructure.from_masks(w_in.bool(), w_inter.bool(), w_intra.bool())
    for integrator in _INTEGRATORS:
        output = fused_spintronic(
            torch.ones(1, 1, 1),
            w_in.requires_grad_(),
            w_inter,
            w_intra,
            torch.zeros(1, 1),
            structure,
            gamma_per_ns=1.0,
            s=1.0,
            f_cut_per_ns=0.1,
            dt_ns=1.0,
            integrator=integrator,
        )
        output.sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


if __name__ == "__main__":
    print(f"fused kernels ready after {warm_up():.1f} s")

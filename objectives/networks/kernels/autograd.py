"""The fused CPU path of the networks: one member, float32, forward and adjoint.

Each pair of numba kernels of :mod:`hpo.objectives.networks.kernels` becomes one
differentiable torch function. It agrees with the PyTorch networks, the reference, to
rounding. Its cost is proportional to the number of synapses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .chips import IDEAL, Chip
from .kernel import Kernel, Pass
from .pass_memory import in_threads


def fused_series(
    kernel: Kernel,
    u: Tensor,
    weights: Sequence[Tensor],
    *,
    n_read: int = 1,
    threads: int = 1,
    chip: Chip = IDEAL,
) -> Tensor:
    """Return the values read after each of the last points: (batch, n_read, neurons).

    Differentiable once with respect to the weights and the bias. Where the masks are
    false, weights count as zero and their gradients are zero. Without a gradient, no
    trajectory is stored. The interpreter lock is free meanwhile.

    Args:
        kernel: kernel of the network.
        u: input, (batch, time, channels), constant over each point.
        weights: w_in, w_inter, w_intra and bias of a member: see ``layered``.
        n_read: number of points to read, the last ones, from 1 to ``time``.
        threads: cores that share the blocks; with a gradient, one.
        chip: deviations of the neurons from the ideal.

    Raises:
        ValueError: the input requires a gradient.
    """
    if u.requires_grad:
        raise ValueError(
            "fused_series: expected `not u.requires_grad`, got u.requires_grad=True."
            " Detach the input, or use the reference."
        )
    # autograd makes one gradient of the joined parameters, and takes it apart again
    parameters = torch.cat([tensor.reshape(-1) for tensor in weights])
    if parameters.requires_grad:
        output: Tensor = _Fused.apply(parameters, u, kernel, n_read, chip)  # type: ignore[no-untyped-call]
        return output
    n_parts = min(threads, len(list(kernel.layout.blocks(len(u)))))
    passes = [
        Pass(kernel, u.shape[1], keep=False, n_read=n_read) for _ in range(n_parts)
    ]
    return _run_forward(u, parameters, passes, chip, threads=n_parts)


class _Fused(torch.autograd.Function):
    """A network as a differentiable function of its parameters."""

    @staticmethod
    def forward(
        ctx: Any, parameters: Tensor, u: Tensor, kernel: Kernel, n_read: int, chip: Chip
    ) -> Tensor:
        ctx.parameters = parameters.detach()
        ctx.u = u
        ctx.chip = chip
        ctx.passes = [
            Pass(kernel, u.shape[1], keep=True, n_read=n_read)
            for _ in kernel.layout.blocks(len(u))
        ]
        return _run_forward(u, ctx.parameters, ctx.passes, chip, threads=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, output_grad: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        gradient = torch.zeros_like(ctx.parameters)
        layout = ctx.passes[0].kernel.layout
        blocks = layout.blocks(len(ctx.u))
        for pass_, (rows, n_series) in zip(ctx.passes, blocks, strict=True):
            adjoint = output_grad[rows].detach().numpy()
            pass_.begin(ctx.parameters.numpy(), ctx.chip)
            entering = pass_.entering[: pass_.n_read * n_series * pass_.stride]
            entering = entering.reshape(pass_.n_read, n_series, pass_.stride)
            entering[:, len(adjoint) :] = 0.0
            entering[:, : len(adjoint), pass_.places] = adjoint.swapaxes(0, 1)
            pass_.backward(layout.pad(ctx.u[rows].numpy(), n_series), n_series)
            pass_.deliver(gradient.numpy())
        return gradient, None, None, None, None


def _run_forward(
    u: Tensor, parameters: Tensor, passes: list[Pass], chip: Chip, *, threads: int
) -> Tensor:
    """Return the values read, (batch, n_read, neurons).

    One pass per block, in one thread, keeps the trajectories for ``backward``.
    Otherwise there is one pass per thread, and each takes its blocks in turn.
    """
    layout = passes[0].kernel.layout
    n_read = passes[0].n_read
    places = passes[0].places
    stride = passes[0].stride
    series = u.numpy()
    blocks = list(layout.blocks(len(u)))
    output = np.empty((len(u), n_read, len(places)), np.float32)
    for pass_ in passes:
        pass_.begin(parameters.numpy(), chip)

    def take(first: int) -> None:
        for k in range(first, len(blocks), threads):
            rows, n_series = blocks[k]
            block = layout.pad(series[rows], n_series)
            values = passes[k % len(passes)].forward(block, n_series)
            values = values.reshape(n_read, n_series, stride)
            values = values[:, : rows.stop - rows.start].swapaxes(0, 1)
            output[rows] = values[..., places]

    in_threads(take, threads)
    return torch.from_numpy(output)

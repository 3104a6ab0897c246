"""The fused CPU path of the networks: one member, float32, forward and adjoint.

Each pair of numba kernels of :mod:`hpo.objectives.networks.kernels` becomes one
differentiable torch function. It agrees with the PyTorch networks, the reference, to
rounding. Its cost is proportional to the number of synapses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .chips import IDEAL, Chip
from .kernel import Kernel, Pass
from .layout import Layout, check_tensor, message, weight_shapes
from .work import in_threads


def fused_series(
    kernel: Kernel,
    u: Tensor,
    w_in: Tensor,
    w_inter: Tensor,
    w_intra: Tensor,
    bias: Tensor,
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
        w_in: input weights, 1/ns, (width, channels).
        w_inter: weights from layer to layer, 1/ns, (layers - 1, width, width), [target,
            source].
        w_intra: weights within layers, 1/ns, (layers, width, width), [target, source].
        bias: trainable bias, 1/ns, (layers, width).
        n_read: number of points to read, the last ones, from 1 to ``time``.
        threads: cores that share the blocks; with a gradient, one.
        chip: deviations of the neurons from the ideal.

    Raises:
        TypeError: a tensor is not float32.
        ValueError: a tensor has another shape or is not on the CPU, or the input
            requires a gradient.
    """
    weights = {"w_in": w_in, "w_inter": w_inter, "w_intra": w_intra, "bias": bias}
    _check(kernel.layout, u, weights)
    # autograd makes one gradient of the joined parameters, and takes it apart again
    parameters = torch.cat([tensor.reshape(-1) for tensor in weights.values()])
    if parameters.requires_grad:
        output: Tensor = _Fused.apply(parameters, u, kernel, n_read, chip)  # type: ignore[no-untyped-call]
        return output
    blocks = list(kernel.layout.blocks(len(u)))
    n_parts = min(threads, len(blocks))
    passes = [
        Pass(kernel, u.shape[1], keep=False, n_read=n_read) for _ in range(n_parts)
    ]
    for pass_ in passes:
        pass_.begin(parameters.numpy(), chip)
    return _run(u, passes, n_parts)


def _check(structure: Layout, u: Tensor, weights: dict[str, Tensor]) -> None:
    """Refuse tensors that the kernels cannot compute."""
    where = "fused_series"
    n_layers, width, n_channels = (
        len(structure.widths),
        max(structure.widths),
        structure.n_channels,
    )
    check_tensor(where, "u", u, torch.float32, ("batch", "time", n_channels))
    shapes = [*weight_shapes(n_layers, width, n_channels), (n_layers, width)]
    for (name, tensor), shape in zip(weights.items(), shapes, strict=True):
        check_tensor(where, name, tensor, torch.float32, shape)
    if u.requires_grad:
        remedy = "Detach the input, or use the reference."
        raise ValueError(
            message(where, "not u.requires_grad", "u.requires_grad", True, remedy)
        )


class _Fused(torch.autograd.Function):
    """A network as a differentiable function of its parameters."""

    @staticmethod
    def forward(
        ctx: Any, parameters: Tensor, u: Tensor, kernel: Kernel, n_read: int, chip: Chip
    ) -> Tensor:
        ctx.parameters, ctx.u, ctx.chip = parameters.detach(), u, chip
        n_blocks = len(list(kernel.layout.blocks(len(u))))
        ctx.passes = [
            Pass(kernel, u.shape[1], keep=True, n_read=n_read) for _ in range(n_blocks)
        ]
        for pass_ in ctx.passes:
            pass_.begin(ctx.parameters.numpy(), chip)
        return _run(u, ctx.passes)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, output_grad: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        gradient = torch.zeros_like(ctx.parameters)
        layout = ctx.passes[0].kernel.layout
        for pass_, (rows, n_series) in zip(
            ctx.passes, layout.blocks(len(ctx.u)), strict=True
        ):
            adjoint = output_grad[rows].detach().numpy()
            pass_.begin(ctx.parameters.numpy(), ctx.chip)
            entering = pass_.entering[: pass_.n_read * n_series * pass_.stride]
            entering = entering.reshape(pass_.n_read, n_series, pass_.stride)
            entering[:, len(adjoint) :] = 0.0
            entering[:, : len(adjoint), pass_.places] = adjoint.swapaxes(0, 1)
            pass_.backward(layout.pad(ctx.u[rows].numpy(), n_series), n_series)
            pass_.deliver(gradient.numpy())
        return gradient, None, None, None, None


def _run(u: Tensor, passes: list[Pass], threads: int = 1) -> Tensor:
    """Return the values read, (batch, n_read, neurons); passes take the blocks in
    turn."""
    kernel, series = passes[0].kernel, u.numpy()
    blocks = list(kernel.layout.blocks(len(u)))
    n_read, places, stride = passes[0].n_read, passes[0].places, passes[0].stride
    output = np.empty((len(u), n_read, len(places)), np.float32)

    def take(first: int) -> None:
        for k in range(first, len(blocks), threads):
            rows, n_series = blocks[k]
            block = kernel.layout.pad(series[rows], n_series)
            values = passes[k % len(passes)].forward(block, n_series)
            values = values.reshape(n_read, n_series, stride)[
                :, : rows.stop - rows.start
            ]
            output[rows] = values.swapaxes(0, 1)[..., places]

    in_threads(take, threads)
    return torch.from_numpy(output)

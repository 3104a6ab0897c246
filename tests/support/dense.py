"""The networks as dense loops with nothing clever, which the fused kernels are held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from objectives.networks.kernels.autograd import fused_output
from objectives.networks.kernels.passes import CtrnnKernel, SpintronicKernel
from objectives.networks.kernels.structure import SparseStructure

INTEGRATORS = ["exponential", "exponential-ab2", "exponential-ab3"]


def a_third(cases: Sequence[tuple[Any, ...]], integrators: Sequence[str]) -> list[Any]:
    """Every case with every integrator: each case with one of them, the others in ``test-all``."""
    return [
        pytest.param(*case, integrator, marks=[] if (i + j) % 3 == 0 else [pytest.mark.slow])
        for i, case in enumerate(cases)
        for j, integrator in enumerate(integrators)
    ]


def mean_output(ys: Sequence[Tensor], integrator: str) -> Tensor:
    """Of a step, from the outputs so far, the newest last; at rest before the first."""
    if integrator == "exponential":
        return ys[-1]
    y, before, older = (ys[max(len(ys) - k, 0)] for k in (1, 2, 3))
    if integrator == "exponential-ab2":
        return 1.5 * y - 0.5 * before
    return (23 * y - 16 * before + 5 * older) / 12


def dense_spintronic(
    u: Tensor,
    w_in: Tensor,
    w_inter: Tensor,
    w_intra: Tensor,
    bias: Tensor,
    *,
    gamma_per_ns: float,
    s: float,
    f_cut_per_ns: float,
    dt_ns: float,
    integrator: str,
    n_steps: int,
) -> Tensor:
    """The mathematics, with nothing clever: all layers step from the state at t_n."""
    x = torch.full((len(bias), len(u), bias.shape[1]), 0.5, dtype=u.dtype)
    ys, h = [torch.zeros_like(x)], dt_ns / n_steps
    c = 2 * math.pi * f_cut_per_ns * h
    for u_n in u.repeat_interleave(n_steps, dim=1).unbind(1):
        y = mean_output(ys, integrator)
        external = torch.stack([u_n @ w_in.T, *(y[:-1] @ w_inter.mT)])
        drive = s * (external + y @ w_intra.mT + bias[:, None]) + 2 * gamma_per_ns
        a = drive - gamma_per_ns
        z = torch.clamp(a * h, -40, 40)
        near = z.abs() < 1e-3
        series = h * (1 + z / 2 + z**2 / 6 + z**3 / 24)
        p = torch.where(near, series, torch.expm1(z) / torch.where(near, torch.ones(()), a))
        x_next = x * torch.exp(z) / (1 + drive * x * p)
        ys.append(math.exp(-c) * ys[-1] + (x_next - x) * ((1 - math.exp(-c)) / c if c else 1))
        x = x_next
    return ys[-1][-1]


def dense_ctrnn(
    u: Tensor,
    w_in: Tensor,
    w_inter: Tensor,
    w_intra: Tensor,
    bias: Tensor,
    *,
    gamma_per_ns: float,
    s: float,
    dt_ns: float,
    integrator: str,
    n_steps: int,
) -> Tensor:
    """As ``dense_spintronic``."""
    x = torch.zeros(len(bias), len(u), bias.shape[1], dtype=u.dtype)
    ys, turn = [x], gamma_per_ns * dt_ns / n_steps
    for u_n in u.repeat_interleave(n_steps, dim=1).unbind(1):
        y = mean_output(ys, integrator)
        external = torch.stack([u_n @ w_in.T, *(y[:-1] @ w_inter.mT)])
        drive = s * (external + y @ w_intra.mT + bias[:, None])
        x = math.exp(-turn) * x - math.expm1(-turn) / gamma_per_ns * drive
        ys.append(torch.tanh(x))
    return ys[-1][-1]


KERNELS: dict[str, Any] = {"spintronic": SpintronicKernel, "ctrnn": CtrnnKernel}
DENSE: dict[str, Any] = {"spintronic": dense_spintronic, "ctrnn": dense_ctrnn}


@dataclass(frozen=True)
class Case:
    """Parameters and masks of one network."""

    kind: str
    parameters: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    structure: SparseStructure

    def run(self, u: Tensor, **settings: Any) -> Tensor:
        kernel = KERNELS[self.kind](self.structure, **physics(self.kind, **settings))
        return fused_output(kernel, u, *self.parameters)

    def dense(self, u: Tensor, dtype: torch.dtype, **settings: Any) -> tuple[Tensor, list[Tensor]]:
        """Output and gradients of the dense loop."""
        leaves = [p.detach().to(dtype).requires_grad_() for p in self.parameters]
        weights = [leaf * mask for leaf, mask in zip(leaves, self.masks, strict=False)]
        arguments = physics(self.kind, **settings)
        output = DENSE[self.kind](u.to(dtype), *weights, leaves[3], **arguments)
        return output.detach(), gradients(output, leaves)


def physics(kind: str = "spintronic", **settings: Any) -> dict[str, Any]:
    """The paper's optimum with f_cut = 0.1/ns, or a CTRNN that learns, and what a test changes."""
    tau_ns = settings.pop("tau_ns", {"spintronic": 14.12, "ctrnn": 3.0}[kind])
    own = {"spintronic": {"s": 0.5, "f_cut_per_ns": 0.1}, "ctrnn": {"s": 0.2}}[kind]
    common: dict[str, Any] = {"gamma_per_ns": 1 / tau_ns, "dt_ns": 1.0, "integrator": "exponential"}
    common["n_steps"] = {"exponential-ab2": 3, "exponential-ab3": 2}.get(
        settings.get("integrator", "exponential"), 1
    )
    return {**common, **own, **settings}


def make(
    kind: str = "spintronic",
    *,
    width: int = 5,
    layers: int = 3,
    channels: int = 1,
    density: float = 0.5,
    scale: float = 1.0,
) -> Case:
    generator = torch.Generator().manual_seed(1)
    shapes = [(width, channels), (layers - 1, width, width), (layers, width, width)]
    masks = [torch.rand(shape, generator=generator) < density for shape in shapes]
    drawn = [torch.randn(shape, generator=generator) for shape in [*shapes, (layers, width)]]
    parameters = [scale / math.sqrt(width) * values for values in drawn]
    return Case(
        kind=kind,
        parameters=tuple(p.requires_grad_() for p in parameters),
        masks=tuple(masks),
        structure=SparseStructure.from_masks(*masks),
    )


def inputs(batch: int, times: int, channels: int = 1) -> Tensor:
    return torch.rand(batch, times, channels, generator=torch.Generator().manual_seed(2))


def gradients(output: Tensor, leaves: Sequence[Tensor], **options: Any) -> list[Tensor]:
    """Gradients of a random projection of the output."""
    generator = torch.Generator().manual_seed(3)
    projection = torch.randn(output.shape, generator=generator).to(output.dtype)
    found = torch.autograd.grad(output, leaves, projection, allow_unused=True, **options)
    return [
        torch.zeros_like(leaf) if grad is None else grad
        for grad, leaf in zip(found, leaves, strict=True)
    ]


def error(found: Tensor, wanted: Tensor) -> float:
    """Largest error, relative to the largest element."""
    if not wanted.numel() or not wanted.any():
        return float(found.abs().sum())
    return float((found.detach() - wanted).abs().max() / wanted.abs().max())


def assert_agrees(case: Case, u: Tensor, **settings: Any) -> None:
    """Output to 1e-5, gradients to 1e-4, unless a float32 loop does not get that far either."""
    output = case.run(u, **settings)
    wanted, wanted_gradients = case.dense(u, torch.float64, **settings)
    torch.testing.assert_close(output.double(), wanted, rtol=0, atol=1e-5)
    found = gradients(output, case.parameters)
    assert all(grad.dtype == torch.float32 for grad in found)
    errors = list(map(error, found, wanted_gradients))
    if max(errors) > 1e-4:  # x at 0 or 1, say: the gradient is a difference of like numbers
        _, loop = case.dense(u, torch.float32, **settings)
        assert max(errors) < 4 * max(map(error, loop, wanted_gradients))

"""Numbers too small for float32's full precision, which would slow the passes through time."""

from __future__ import annotations

import pytest
import torch
from dense import inputs, make

from objectives.networks.kernels import simd


@pytest.mark.skipif(not simd.X86, reason="other processors are left as they are")
@pytest.mark.parametrize(
    ("kind", "tiny_output"),
    [
        ("spintronic", {"start": 1e-30, "f_cut_per_ns": 1e9}),  # of 1e-30, the filter leaves 1e-40
        ("ctrnn", {"s": 1e-40}),
    ],
)
def test_what_vanishes_is_zero_in_passes_through_time(
    kind: str, tiny_output: dict[str, float]
) -> None:
    case, u = make(kind), inputs(5, 8)
    assert not case.run(u, **tiny_output).any()
    output = case.run(u)
    assert output.all()
    output.backward(torch.full_like(output, 1e-40))
    assert not any(p.grad is None or p.grad.any() for p in case.parameters)

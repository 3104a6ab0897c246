"""Eq. (5) of arXiv:2408.02835 against the analytic response of its transfer function."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from networks import Floats
from scipy import signal

from objectives.networks import highpass

F_CUT = 0.1
FILTER = signal.lti([1.0, 0.0], [1.0, 2 * math.pi * F_CUT])  # s / (s + 2π f_cut)


def filtered(x: Floats, dt_ns: float, f_cut_per_ns: float = F_CUT) -> Floats:
    """Output of the filter for amplitudes x at times ``k dt_ns``, joined by straight lines."""
    y = [torch.zeros((), dtype=torch.float64)]
    for change in np.diff(x):
        y.append(highpass.flow(y[-1], torch.tensor(change), f_cut_per_ns, dt_ns))
    return torch.stack(y).numpy()


@pytest.mark.parametrize("dt_ns", [0.01, 1.0, 30.0])
def test_straight_lines_are_filtered_exactly(dt_ns: float) -> None:
    """Both are closed forms; 1e-12 leaves room for the rounding of 200 steps."""
    x = np.random.default_rng(0).uniform(size=200)
    x[0] = 0.0
    _, y, _ = signal.lsim(FILTER, x, np.arange(200) * dt_ns, interp=True)
    np.testing.assert_allclose(filtered(x, dt_ns), y, rtol=0, atol=1e-12)


def test_a_step_decays_as_the_step_response() -> None:
    """The step is a ramp of 1e-9 ns, during which y loses a part of 2π f_cut 1e-9."""
    time_ns, wanted = signal.step(FILTER, T=np.linspace(0, 10, 21))
    jumped = highpass.flow(torch.zeros(()).double(), torch.ones(()).double(), F_CUT, 1e-9)
    still = torch.zeros(()).double()
    found = [highpass.flow(jumped, still, F_CUT, t).item() for t in time_ns.tolist()]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


def test_without_a_cut_off_everything_passes() -> None:
    x = np.random.default_rng(0).uniform(size=20)
    np.testing.assert_allclose(filtered(x, 1.0, 0.0), x - x[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(filtered(x, 1.0, 1e-15), x - x[0], rtol=0, atol=1e-12)


def test_rate_is_the_slope_of_the_closed_form() -> None:
    y, dx = torch.tensor([[0.3, -0.2], [0.7, -2.0]], dtype=torch.float64)
    dt_ns = 1e-7  # a one-sided difference, good to about dt
    slope = (highpass.flow(y, dx * dt_ns, F_CUT, dt_ns) - y) / dt_ns
    torch.testing.assert_close(highpass.rate(y, dx, F_CUT), slope, rtol=1e-6, atol=0)

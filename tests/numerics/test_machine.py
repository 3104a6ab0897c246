"""The check of ``hpo doctor``: it finds kernels that compute something else than the equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpo.cli.doctor import _equation
from hpo.objectives import machine, solved_equation
from hpo.objectives.networks import layered


def wrong_output(right: Callable[..., Any]) -> Any:
    """Outputs that are a thousandth too large."""
    return lambda *arguments, **how: 1.001 * right(*arguments, **how)


def no_output(right: Callable[..., Any]) -> Any:
    """Outputs that are no numbers."""
    return lambda *arguments, **how: float("nan") * right(*arguments, **how)


def test_the_kernels_solve_the_equation_here() -> None:
    found = machine.equation()
    assert found["kernel_error"] < 5e-5
    assert 0.001 < found["step_error"] < 0.01  # a step of which something can be seen
    assert found["solving_steps"] > 2
    assert (found["integrator"], found["step_ns"]) == ("exponential-ab3", 0.5)
    assert _equation(found, "/cache").verdict == "ok"


@pytest.mark.parametrize("spoil", [wrong_output, no_output])
def test_a_kernel_that_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(layered, "fused_series", spoil(layered.fused_series))
    monkeypatch.setattr(solved_equation, "MAX_REFINEMENTS", 3)  # what is no number never settles
    finding = _equation(machine.equation(), "/cache")
    assert finding.verdict == "error"
    assert finding.found.startswith("kernel and reference differ by ")

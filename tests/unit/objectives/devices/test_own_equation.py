"""A subclass of a built-in device computes its own equation, whatever it defines anew.

The parent's hand-written kernel has another one.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import assert_kernel_agrees, inputs, make_chip

from hpo.objectives.devices import Device, exp, parameter
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.integrators import Stepping
from hpo.objectives.networks.pointwise import DeviceNetwork


def _slower(self: Any, *states: Any, **more: Any) -> Any:
    x, y = Spintronic.advance_exactly(self, *states, **more)
    return 0.9 * x, y


HOOKS: dict[str, Any] = {
    "advance_exactly": _slower,
    "output": lambda self, x, y: 2.0 * y,
    "moving": lambda self, x, y: 3.0 * x,
    "rest_under": lambda self, drive: (0.2 + 0.0 * drive, 0.1),
    "fixed_drive": lambda self: 1.5 / self.tau_ns,
    "drive_bounds": lambda self: (0.0 / self.tau_ns, 2.5 / self.tau_ns),
    "limit_drive": lambda self, drive, low, high: 0.5 * drive,
    "between_jumps": lambda self, noise: self,
}


def network(device: type[Device], **fields: Any) -> Any:
    made = device(layers=2, width=6, **fields)
    physics = Stepping(device=made, integrator=made.integrator, max_step_ns=0.5)
    sizes = Architecture(channels=2, outputs=3, layers=2, width=6)
    return DeviceNetwork([0], sizes, physics=physics)


@pytest.mark.parametrize("name", HOOKS)
def test_a_method_that_is_defined_anew_counts(name: str) -> None:
    how: dict[str, Any] = {"__module__": __name__, name: HOOKS[name]}
    readout = {"readout": "x"} if name == "moving" else {}
    own = network(type("Own", (Spintronic,), how), **readout)
    parent = network(Spintronic, **readout)
    noise = 0.05 if name == "between_jumps" else 0.0
    chip = make_chip(own, 5, noise=noise)
    u = inputs(4, 5).float()
    found = own.outputs(u, 3, chip).detach()
    own.backend = "reference"
    torch.testing.assert_close(found, own.outputs(u, 3, chip).detach())
    assert (found - parent.outputs(u, 3, chip)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["rate", "add_noise"])
def test_a_rate_and_a_jump_of_its_own_count(name: str) -> None:
    hooks: dict[str, Any] = {
        "rate": lambda self, x, y, drive: (0.1 * drive - x, drive - y),
        "add_noise": lambda self, x, y, noise: (x + noise[0], y),
    }
    own = network(
        type("Own", (Spintronic,), {"__module__": __name__, name: hooks[name]})
    )
    chip = make_chip(own, 5, noise=0.05 if name == "add_noise" else 0.0)
    u = inputs(4, 5).float()
    found = own.outputs(u, 3, chip).detach()
    own.backend = "reference"
    torch.testing.assert_close(found, own.outputs(u, 3, chip).detach())
    parent = network(Spintronic).outputs(u, 3, chip)
    assert (found - parent).abs().max() > 1e-4


class Damped(Spintronic):
    """With a term that vanishes at its default."""

    damping: float = parameter(0.0, ge=0, description="of the square of x")

    def rate(self, x: Any, y: Any, drive: Any) -> Any:
        """Return dx/dt and dy/dt."""
        slope, filtered = super().rate(x, y, drive)
        extra = self.damping * x * x / self.tau_ns
        return slope - extra, filtered - extra


def test_a_rate_of_its_own_is_not_stepped_by_the_solution_of_another() -> None:
    assert Damped.advance_exactly is None
    u = inputs(4, 5).float()
    without, with_it = (network(Damped, damping=d).outputs(u, 3) for d in (0.0, 1.0))
    assert (without - with_it).abs().max() > 1e-3


class Relaxing(Spintronic):
    """An equation whose every method takes symbols."""

    def rate(self, x: Any, y: Any, drive: Any) -> Any:
        """Per ns."""
        change = drive - x / self.tau_ns
        return change, change - y

    def advance_exactly(self, x: Any, y: Any, drive: Any, dt_ns: Any) -> Any:
        """By a step of Euler's method."""
        change, _ = self.rate(x, y, drive)
        return x + dt_ns * change, exp(-dt_ns) * y + dt_ns * change

    def add_noise(self, x: Any, y: Any, noise: Any) -> Any:
        """Of x alone."""
        return x + noise[0], y


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_new_equation_has_a_generated_kernel(noise: float) -> None:
    own = network(Relaxing)
    assert own.beyond_kernel == ""
    assert type(own.pointwise(noisy=noise > 0)).__name__ == "GeneratedSteps"
    assert_kernel_agrees(own, inputs(4, 5), 3, make_chip(own, 5, noise=noise))

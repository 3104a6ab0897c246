"""A subclass of a built-in device computes its own equation, whatever it defines anew.

The parent's hand-written kernel has another one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_kernel_agrees, inputs, make_chip

from hpo import objectives
from hpo.objectives.devices import Device, exp, minimum, parameter, sqrt, tanh
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.integrators import Stepping
from hpo.objectives.networks.kernels.generating import generate_steps
from hpo.objectives.networks.oscillator import SILENT
from hpo.objectives.networks.pointwise import DeviceNetwork
from hpo.objectives.training import LayeredParams


def _relax(self: Any, x: Any, y: Any, drive: Any, step_ns: Any) -> Any:
    moved = x + step_ns * (drive - x / self.tau_ns)
    return moved, exp(-step_ns) * y + moved - x


def _lag(self: Any, x: Any, y: Any, z: Any, drive: Any) -> Any:
    dx = self.amplitude_rate(x, drive) - 0.2 * z
    return dx, dx - y, y - z


LAGGED: dict[str, Any] = {
    "states": ("x", "y", "z"),
    "rate": _lag,
}
ONE_PART: dict[str, Any] = {
    "noise_parts": 1,
    "add_noise": lambda self, x, y, noise: (x + noise, y + noise),
}
OWN_REST: dict[str, Any] = {
    "has_own_rate": classmethod(lambda cls: True),
    "_find_rest": lambda self, drive: 0.2 + 0.0 * drive,
}
HOOKS: dict[str, Any] = {
    "states": LAGGED,
    "noise_parts": ONE_PART,
    "rate": {"rate": lambda self, x, y, drive: (0.1 * drive - x, drive - y)},
    "amplitude_rate": {
        "amplitude_rate": lambda self, x, drive: drive * (1.0 - x) - x / self.tau_ns
    },
    "advance_exactly": {"advance_exactly": _relax},
    "output": {"output": lambda self, x, y: 2.0 * y},
    "amplitude": {"amplitude": lambda self, x, y: 3.0 * x},
    "moving": {"moving": lambda self, x, y: 3.0 * x},
    "rest": {"rest": lambda self: (0.2, 0.1)},
    "rest_under": {"rest_under": lambda self, drive: (0.2 + 0.0 * drive, 0.1)},
    "fixed_drive": {"fixed_drive": lambda self: 1.5 / self.tau_ns},
    "drive_bounds": {
        "drive_bounds": lambda self: (0.0 / self.tau_ns, 2.5 / self.tau_ns)
    },
    "limit_drive": {
        "limit_drive": lambda self, drive, low, high: (
            high * drive / sqrt(high**2 + drive**2)
        )
    },
    "add_noise": {"add_noise": lambda self, x, y, noise: (x + noise[0], y)},
    "between_jumps": {"between_jumps": lambda self, noise: self},
    "_mean_power": {"_mean_power": property(lambda self: 20.0 * self.thermal_power)},
    "has_own_rate": OWN_REST,
    "_find_rest": OWN_REST,
}
"""What a subclass defines anew, by name."""
NOISE = {"noise_parts", "add_noise", "between_jumps"}
"""Those that have an effect with noise alone."""
BY_HAND = {"fixed_drive", "drive_bounds"}
"""Those whose numbers the hand-written kernel takes."""
HELPERS = {"_mean_power", "has_own_rate", "_find_rest"}
"""Those that methods of the equation call."""


def test_every_part_of_the_equation_is_tried() -> None:
    """All that the class of the oscillator has is tried, is a field, or is of
    ``Device``, but for checks."""
    assert {*Spintronic.equation, *BY_HAND, *HELPERS} == HOOKS.keys()
    others = {name for name in vars(Spintronic) if not name.startswith("__")}
    others -= {*HOOKS, *Spintronic.model_fields, *vars(Device), *vars(LayeredParams)}
    assert others == {
        "_a_mean_is_not_that_of_the_filter",
        "_powers_are_below_saturation",
    }


def own_class(name: str) -> Any:
    """A subclass that defines one part anew, and what it needs besides."""
    return type("Own", (Spintronic,), {"__module__": __name__, **HOOKS[name]})


def network(device: type[Device], **fields: Any) -> Any:
    made = device(layers=2, width=6, **fields)
    physics = Stepping(device=made, integrator=made.integrator, max_step_ns=0.5)
    sizes = Architecture(channels=2, outputs=3, layers=2, width=6)
    return DeviceNetwork([0], sizes, physics=physics)


@pytest.mark.parametrize("name", HOOKS)
def test_a_part_that_is_defined_anew_counts(name: str) -> None:
    """In the kernel as in the reference, and it changes what the parent gives."""
    readout = {"readout": "x"} if name == "moving" else {}
    own = network(own_class(name), **readout)
    assert own.beyond_kernel == ("moving of Own" if readout else "")
    assert own.physics.device.generates_kernel() == (name not in BY_HAND)
    noise = 0.05 if name in NOISE else 0.0
    chip = make_chip(own, 5, noise=noise)
    u = inputs(4, 5).float()
    found = own.outputs(u, 3, chip).detach()
    own.backend = "reference"
    torch.testing.assert_close(found, own.outputs(u, 3, chip).detach())
    parent = network(Spintronic, **readout)
    other = parent.outputs(u, 3, make_chip(parent, 5, noise=noise))
    if name == "amplitude":
        found, other = own.trajectories(u)["x"], parent.trajectories(u)["x"]
    assert (found - other).abs().max() > 1e-4


def test_a_noise_of_its_own_is_that_of_its_chips() -> None:
    how: dict[str, Any] = {"noise_per_sqrt_ns": lambda self: 0.3 / sqrt(self.tau_ns)}
    own = network(type("Own", (Spintronic,), {"__module__": __name__, **how}))
    noise = own.noise_per_sqrt_ns({"tau_ns": np.full(12, 4.0)})
    np.testing.assert_allclose(noise, 0.15 / 14.12**0.5)


class Heated(Spintronic):
    """The parent's equation, as a subclass may write it."""

    def amplitude_rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt, where x is x."""
        assert not isinstance(x, torch.Tensor) or bool((x >= 0.0).all())
        return super().amplitude_rate(x, drive) + 0.0 * x


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("power", [0.0, 1e-3])
def test_x_is_x_in_a_subclass_whatever_the_noise(power: float, noise: float) -> None:
    """The parent integrates ln x there; both agree within the error of the steps."""
    built_in, own = (network(cls, thermal_power=power) for cls in (Spintronic, Heated))
    for made in (built_in, own):
        made.physics = replace(made.physics, max_step_ns=0.02)
    u = inputs(4, 5).float()
    chip = make_chip(own, 5, noise=noise)
    expected = built_in.outputs(u, 3, chip)
    for backend in ("fused", "reference"):
        own.backend = backend
        torch.testing.assert_close(own.outputs(u, 3, chip), expected, rtol=0, atol=2e-4)


def test_an_equation_that_no_symbol_passes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rate = lambda self, x, drive: torch.tanh(drive) - x  # noqa: E731
    own = type("Own", (Spintronic,), {"__module__": __name__, "amplitude_rate": rate})
    monkeypatch.setitem(globals(), "Own", own)
    with pytest.raises(LookupError, match=r"Own\.rate: expected expressions of states"):
        objectives.load(f"{__name__}:Own")


LIMITS: dict[str, Any] = {
    "a parameter": lambda self, drive, low, high: (
        tanh(self.tau_ns * drive) / self.tau_ns
    ),
    "a field": lambda self, drive, low, high: minimum(drive, self.drive_high),
    "numpy": lambda self, drive, low, high: np.clip(drive, low, high),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_more_than_its_bounds_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"__module__": __name__, "limit_drive": LIMITS[name]}
    monkeypatch.setitem(globals(), "Own", type("Own", (Spintronic,), how))
    with pytest.raises(LookupError, match=r"Own\.limit_drive: .* Use `low` and `high`"):
        objectives.load(f"{__name__}:Own")


def test_a_kernel_of_a_limit_by_parameters_is_refused() -> None:
    how = {"__module__": __name__, "limit_drive": LIMITS["a parameter"]}
    with pytest.raises(ValueError, match=r"got tau_ns besides.* Use `low` and `high`"):
        generate_steps(type("Own", (Spintronic,), how)(), exact=False)


class Damped(Spintronic):
    """With a term that vanishes at its default."""

    damping: float = parameter(0.0, ge=0, description="of the square of x")

    def amplitude_rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt."""
        damping = self.damping * x * x / self.tau_ns
        return super().amplitude_rate(x, drive) - damping


def test_a_rate_of_its_own_is_not_stepped_by_the_solution_of_another() -> None:
    assert Damped.advance_exactly is None
    u = inputs(4, 5).float()
    without, with_it = (network(Damped, damping=d).outputs(u, 3) for d in (0.0, 1.0))
    assert (without - with_it).abs().max() > 1e-3


@pytest.mark.parametrize("power", [0.0, 1e-3])
def test_it_rests_where_its_rate_is_zero(power: float) -> None:
    """As the parent with its Q does, on a chip with noise, too."""
    parent = Spintronic(q=0.7, thermal_power=power)
    own = Damped(damping=0.7, thermal_power=power)
    for drive in (parent.fixed_drive(), np.array([0.02, 0.3])):
        expected = parent.rest_under(drive)[0]
        np.testing.assert_allclose(own.rest_under(drive)[0], expected, atol=1e-11)
    noise = own.noise_per_sqrt_ns()
    noisy = own.between_jumps(noise).rest_under(0.2)[0]
    assert noisy == pytest.approx(own.rest_under(0.2)[0], abs=1e-11)


def test_a_silent_one_begins_as_the_parent_does() -> None:
    own, parent = (cls(thermal_power=0.0) for cls in (Damped, Spintronic))
    assert own.rest_under(0.01) == parent.rest_under(0.01) == (SILENT, 0.0)


@pytest.mark.parametrize("name", ["rate", "amplitude_rate"])
def test_a_rest_that_is_not_found_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = dict(HOOKS[name], __module__=__name__)
    if name == "amplitude_rate":
        how[name] = lambda self, x, drive: drive - x / self.tau_ns
    monkeypatch.setitem(globals(), "Own", type("Own", (Spintronic,), how))
    with pytest.raises(LookupError, match=r"between 0 and 1, .* Define `rest`"):
        objectives.load(f"{__name__}:Own")


class Spreading(Spintronic):
    """With a spread of what the parent has one number of."""

    q: float = parameter(0.5, ge=0, le=10, description="non-linear damping Q")
    sigma: float = parameter(1.0, gt=0.5, le=10, description="material factor")


def test_a_field_that_becomes_a_parameter_spreads_in_the_kernel() -> None:
    assert objectives.load(f"{__name__}:Spreading")
    own = network(Spreading)
    assert type(own.pointwise(noisy=False)).__name__ == "SpintronicSteps"
    chip = make_chip(own, 5)
    spread = np.linspace(0.6, 1.5, own.n_neurons)
    chip = replace(chip, factors={**chip.factors, "q": spread, "sigma": spread})
    assert_kernel_agrees(own, inputs(4, 5), 3, chip)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_new_equation_has_a_generated_kernel(noise: float) -> None:
    """With its gradients, though it defines its rate alone."""
    own = network(Damped, damping=0.5)
    assert type(own.pointwise(noisy=noise > 0)).__name__ == "GeneratedSteps"
    assert_kernel_agrees(own, inputs(4, 5), 3, make_chip(own, 5, noise=noise))

"""The compiled pointwise functions of devices against their own methods, in float64."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
import pointwise_devices
import pytest
import torch
from networks import assert_kernel_agrees, inputs, make_chip
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.integrators import RUNGE_KUTTA, Stepping
from hpo.objectives.networks.kernels.generating import GeneratedSteps, generate_steps
from hpo.objectives.networks.pointwise import DeviceNetwork


class OfNeurons(NamedTuple):
    """As the kernels have it."""

    values: dict[str, NDArray[np.float64]]
    s: NDArray[np.float64]
    fixed_drive: NDArray[np.float64]
    drive_low: NDArray[np.float64]
    drive_high: NDArray[np.float64]
    noise_per_sqrt_ns: NDArray[np.float64]


GROUPS, REPEATS, WIDTH = 2, 3, 16
ROW, STEP_NS = GROUPS * REPEATS * WIDTH, 0.35
AB3 = (23 / 12, -16 / 12, 5 / 12)

Floats = NDArray[np.float32]


def passed(function: int, *args: Any) -> None:
    """Call a compiled function with arrays, numbers and whole numbers."""
    kinds = {np.ndarray: ctypes.c_void_p, float: ctypes.c_float, int: ctypes.c_ssize_t}
    of = ctypes.CFUNCTYPE(None, *(kinds[type(a)] for a in args))
    of(function)(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in args))


def spread(of_neurons: NDArray[np.float64]) -> Tensor:
    """What (groups x 16) neurons have, beside a row."""
    own = of_neurons.reshape(GROUPS, 1, WIDTH).repeat(REPEATS, axis=1)
    return torch.from_numpy(own.reshape(-1))


class Step:
    """A step of random neurons, by the methods of the device and by its compiled
    functions."""

    def __init__(
        self, device: Any, *, exact: bool, jump: bool, limit: str = "none"
    ) -> None:
        device = device.with_values(drive_limit=limit)
        self.made: GeneratedSteps = generate_steps(device, exact=exact)
        self.exact, self.jump = exact, jump
        random = np.random.default_rng(5)
        n = GROUPS * WIDTH
        self.values = {
            name: value * random.uniform(0.7, 1.4, n)
            for name, value in device.values().items()
        }
        self.deviation = random.uniform(0.01, 0.1, n)
        self.own = device.with_values(**{k: spread(v) for k, v in self.values.items()})

        def normal(*shape: int) -> Floats:
            return random.standard_normal((*shape, ROW)).astype(np.float32)

        count, parts = self.made.n_states, self.made.parts
        self.states, self.adjoints = 0.7 * normal(count), normal(count)
        self.drive, self.noise = 0.5 * normal(), normal(parts)
        self.now, self.before = normal(), normal()
        self.pulled, self.entering = normal(3), normal()
        fixed = np.zeros(n)
        self.low = random.uniform(-0.5, -0.1, n)
        self.high = random.uniform(0.1, 0.5, n)
        noise = self.deviation / 0.7
        bounds = (self.low, self.high)
        self.neurons = OfNeurons(self.values, np.ones(n), fixed, *bounds, noise)
        table = self.made.constants(self.neurons, STEP_NS, 0.7)
        self.constants = np.ascontiguousarray(table, np.float32)

    def expected(self) -> dict[str, Tensor]:
        """By automatic differentiation, in float64."""
        states = [torch.from_numpy(x).double().requires_grad_() for x in self.states]
        given = torch.from_numpy(self.drive).double().requires_grad_()
        drive = self.own.limit_drive(given, spread(self.low), spread(self.high))
        if self.exact:
            after = self.own.every(
                "advance_exactly", *states, drive=drive, step_ns=STEP_NS
            )
        else:
            after = RUNGE_KUTTA["rk4"].step(
                lambda x: self.own.every("rate", *x, drive), (*states,), STEP_NS
            )
        if self.jump:
            noise = torch.from_numpy(self.noise).double() * spread(self.deviation)
            own = noise[0] if len(noise) == 1 else tuple(noise)
            after = self.own.every("add_noise", *after, noise=own)
        y = self.own.output(*after)
        pulled, entering = (
            torch.from_numpy(a).double() for a in (self.pulled, self.entering)
        )
        into = sum(w * p for w, p in zip(AB3, pulled, strict=True)) + entering
        whole = (into * y).sum() + sum(
            (torch.from_numpy(a).double() * x).sum()
            for a, x in zip(self.adjoints, after, strict=True)
        )
        *back, of_drive = torch.autograd.grad(whole, [*states, given])
        past = torch.from_numpy(self.now), torch.from_numpy(self.before)
        return {
            "states": torch.stack(after).detach(),
            "y": y.detach(),
            "value": (AB3[0] * y + AB3[1] * past[0] + AB3[2] * past[1]).detach(),
            "adjoints": torch.stack(back),
            "drive_adjoint": of_drive,
        }

    def found(self, keep: bool = True) -> dict[str, Floats]:
        """By the compiled functions."""
        made, states, before = self.made, self.states.copy(), self.before.copy()
        kept = np.full((max(1, made.n_kept), ROW), np.nan, np.float32)
        value, drive_adjoint = np.empty(ROW, np.float32), np.empty(ROW, np.float32)
        places = (GROUPS, REPEATS * WIDTH, REPEATS, WIDTH, ROW)
        passed(
            made.advance if keep else made.advance_only,
            *(
                states,
                self.drive,
                self.constants,
                self.noise,
                self.now,
                before,
                value,
                kept,
            ),
            *AB3,
            *places,
            0,
            int(self.jump),
        )
        found = {"states": states, "y": before, "value": value}
        if not keep:
            assert np.isnan(kept).all()
            return found
        adjoints = self.adjoints.copy()
        passed(
            made.pull,
            *(
                kept,
                adjoints,
                *self.pulled,
                self.entering,
                self.constants,
                drive_adjoint,
            ),
            *AB3,
            *places,
            1,
            int(self.jump),
        )
        return {**found, "adjoints": adjoints, "drive_adjoint": drive_adjoint}


@pytest.mark.parametrize("jump", [False, True])
@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("Clamped", "none"),
        ("Cubic", "none"),
        ("Cubic", "hard"),
        ("Leaky", "smooth"),
        ("Leaky by rate", "none"),
        ("Duffing", "none"),
        ("PhaseOscillator", "none"),
        ("Odd", "smooth"),
    ],
)
def test_a_step_and_its_adjoint_are_those_of_the_methods(
    name: str, jump: bool, limit: str
) -> None:
    """Within 1e-5 of the largest, whatever each neuron's parameters; the same without
    slopes."""
    device = getattr(pointwise_devices, name.partition(" ")[0])()
    step = Step(device, exact=name == "Leaky", jump=jump, limit=limit)
    found, expected = step.found(), step.expected()
    for part, exact in expected.items():
        error = np.abs(found[part] - exact.numpy()).max()
        assert error <= 1e-5 * exact.abs().max(), part
    for part, same in step.found(keep=False).items():
        assert np.array_equal(same, found[part]), part


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(
    "name", ["Clamped", "Cubic", "Leaky", "Duffing", "PhaseOscillator", "Odd"]
)
def test_a_network_of_devices_is_compiled(name: str, noise: float) -> None:
    """It agrees with the reference, and so do its gradients, on a chip whose neurons
    differ."""
    device = getattr(pointwise_devices, name)()
    physics = Stepping(device=device, integrator=device.integrator, max_step_ns=0.35)
    sizes = {"channels": 2, "outputs": 3, "layers": 3, "width": (5, 7, 4)}
    how: Any = {**sizes, "density_inter": 0.6, "density_intra": 0.4}
    network = DeviceNetwork([0], Architecture(**how), physics=physics)
    chip = make_chip(network, 9, noise=noise, jumps=3)
    assert_kernel_agrees(network, inputs(batch=7, time=9), 2, chip)


def test_slopes_are_kept_where_they_are_not_constant() -> None:
    """A leaky node has those of its output alone; a step that is linear keeps none."""
    n_kept = {
        name: generate_steps(
            getattr(pointwise_devices, name)(), exact=name == "Leaky"
        ).n_kept
        for name in ("Leaky", "Cubic", "PhaseOscillator")
    }
    assert n_kept == {"Leaky": 1, "Cubic": 2, "PhaseOscillator": 3}

"""A device of one's own: its class, its objective, what is refused, and what it is told
by."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pointwise_devices
import pytest
import sympy
import torch
import trainings
from networks import assert_kernel_agrees
from pydantic import ValidationError

from hpo import objectives
from hpo.contract import Protocol
from hpo.objectives.data.tasks.narma10 import Narma10Params
from hpo.objectives.devices import Device, Parameter, device, functions, parameter
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks import network_file
from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.integrators import Stepping
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.kernels.generating import generate_steps
from hpo.objectives.networks.pointwise import DeviceNetwork
from hpo.objectives.networks.simulated_chips import draw_chip
from hpo.objectives.training.artifacts import load_network

CUBIC = "pointwise_devices:Cubic"
SMALL: dict[str, Any] = {"epochs": 1, "layers": 2, "width": 6, "max_step_ns": 1.0}


def network(name: str = CUBIC, **changes: Any) -> Any:
    """A small network of devices, float64."""
    objective: Any = objectives.load(name)
    params = objective.Params(**{**SMALL, **changes})
    return objective.network(params, [0], channels=1, outputs=3).double()


def test_a_class_is_an_objective_and_its_parameters_are_keys() -> None:
    """One number, or one for each layer; without torch, SymPy, NumPy."""
    program = f"""
import sys
from hpo import objectives
own = objectives.load("{CUBIC}")
assert own is objectives.load("{CUBIC}") and own.name == "{CUBIC}"
assert own.Params(a=(0.1, 0.2, 0.3)).values() == {{"tau_ns": 2.0, "a": (0.1, 0.2, 0.3)}}
print(*({{"torch", "sympy", "numpy", "numba"}} & sys.modules.keys()))
"""
    path = [
        str(Path(found.__file__ or "").parent) for found in (pointwise_devices, device)
    ]
    environment = {"PYTHONPATH": f"{path[0]}:{Path(path[1]).parents[1]}"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_an_exact_solution_lets_the_exponential_integrators_in() -> None:
    leaky, cubic = pointwise_devices.Leaky, pointwise_devices.Cubic
    assert (leaky().integrator, cubic().integrator) == ("exponential-ab3", "ab3")
    assert leaky.model_fields["integrator"].default == "exponential-ab3", (
        "as hpo params shows it"
    )
    with pytest.raises(ValidationError) as refused:
        cubic(integrator="exponential")
    assert (
        "integrator: exponential needs a device with `advance_exactly`, which Cubic"
        ' lacks. Use "ab3", "euler", "heun" or "rk4", or define its solution under a'
        " constant drive as `advance_exactly`." in str(refused.value)
    )


def test_bounds_hold_for_every_layer() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        pointwise_devices.Cubic(a=(0.1, -0.1, 0.1))


def test_an_inherited_field_with_another_default_keeps_its_bounds_and_meaning() -> None:
    class Own(pointwise_devices.Cubic):
        lr0: float = 0.005
        tau_ns: float = 3.0

    fields, inherited = Own.model_fields, Device.model_fields
    assert (Own().lr0, Own().tau_ns, Own.parameters) == (0.005, 3.0, ("tau_ns", "a"))
    assert fields["lr0"].description == inherited["lr0"].description
    assert inherited["lr0"].default == 0.02
    for wrong in ({"lr0": -1.0}, {"tau_ns": 0.0}):
        with pytest.raises(ValidationError, match="greater than 0"):
            Own(**wrong)


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize("name", ["lr0", "v", "output", "drive", "step_ns"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    what = "that of a state" if name == "v" else "a field of every device"
    own = {"__annotations__": {name: Parameter}, name: parameter(1.0, description="")}
    with pytest.raises(TypeError) as refused:
        type("Taken", (Device,), {"__module__": __name__, "states": ("v",), **own})
    assert (
        str(refused.value)
        == f"Taken: the name of the parameter {name} is {what} already. Rename the"
        " parameter."
    )


@pytest.mark.parametrize("states", [(), "x", ("x", "x"), ("drive",)])
def test_states_have_names_of_their_own(states: Any) -> None:
    with pytest.raises(TypeError, match="states: expected a tuple of different names"):
        type("Own", (Device,), {"__module__": __name__, "states": states})


def _tau(name: str, default: float = 1.0) -> dict[str, Any]:
    return {
        "__annotations__": {name: Parameter},
        name: parameter(default, gt=0, description=""),
    }


def test_a_time_has_its_unit() -> None:
    with pytest.raises(
        TypeError, match="Rename it to tau_ns: its spread is tau_ns_spread"
    ):
        type("Own", (Device,), {"__module__": __name__, **_tau("tau")})


def _of_math(self: Any, x: Any, drive: Any) -> Any:
    return math.tanh(drive) - x


def _by_if(self: Any, x: Any, drive: Any) -> Any:
    return drive if x > 0 else -x


def _leak(self: Any, x: Any, drive: Any) -> Any:
    return drive - x


def _by_gamma(self: Any, x: Any, drive: Any) -> Any:
    return (sympy.gamma(drive) if isinstance(drive, sympy.Basic) else drive) - x


def test_an_exact_solution_that_does_not_solve_the_rate_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def advance_exactly(self: Any, x: Any, drive: Any, step_ns: Any) -> Any:
        return x + drive * step_ns

    own = type(
        "Own",
        (pointwise_devices.Leaky,),
        {"__module__": __name__, "advance_exactly": advance_exactly},
    )
    monkeypatch.setitem(globals(), "Own", own)
    text = (
        "Own.advance_exactly: expected the solution of `rate` under a constant drive,"
        " but x changes by 0.1 per ns instead of 0.06667, at states (0.1,) and a drive"
        " of 0.1. Correct one of them"
    )
    with pytest.raises(LookupError, match=f"{re.escape(text)}$"):
        objectives.load(f"{__name__}:Own")


REMEDY = (
    " Use tanh, exp, ... from hpo.objectives.devices, not from math, numpy or torch,"
    " and its where(condition, a, b) instead of `if`."
)
EXPRESSIONS = "expected expressions of states, drive and parameters, got"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (
            lambda self, x, drive: (-x, drive),
            "expected one value for each state (x), got 2. Return",
        ),
        (lambda self, x, drive: None, "expected a number for each state, got None"),
        (lambda self, x, drive: -x / self.step_ns, f"{EXPRESSIONS} AttributeError"),
        (lambda self, x, drive: torch.tanh(drive) - x, f"{EXPRESSIONS} TypeError: "),
        (_of_math, f"{EXPRESSIONS} TypeError: "),
        (_by_if, f"{EXPRESSIONS} TypeError: a co"),
    ],
)
def test_a_rate_that_no_number_goes_through_is_refused_at_launch(
    rate: Any, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = type("Own", (Device,), {"__module__": __name__, "rate": rate})
    monkeypatch.setitem(globals(), "Own", own)
    with pytest.raises(LookupError) as refused:
        objectives.load(f"{__name__}:Own")
    assert f"objective '{__name__}:Own': Own.rate: {text}" in str(refused.value)


@pytest.mark.parametrize(
    ("own", "name", "text"),
    [
        ({"output": lambda self, x: (x, x)}, "", "Own.output: expected a number, got"),
        (
            {"output": lambda self, x: 1.0},
            "",
            "Own.output: expected an expression of states, got the",
        ),
        (
            {"__annotations__": {"lr0": float}, "lr0": -1.0},
            "",
            "Own.lr0: expected a default within its bounds, got -1.0: Input",
        ),
        (
            _tau("b", -1.0),
            "",
            "Own.b: expected a default within its bounds, got -1.0: Input",
        ),
        (
            _tau("window"),
            "-prediction",
            "Own: the name window is reserved for the training",
        ),
        (
            {"kick": lambda self, x, noise: x + noise},
            "",
            "Own.kick: expected this method by its present name, add_noise. Rename it:",
        ),
    ],
)
def test_what_cannot_train_is_refused_at_launch(
    own: Any, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = type("Own", (Device,), {"__module__": __name__, "rate": _leak, **own})
    monkeypatch.setitem(globals(), "Own", made)
    with pytest.raises(LookupError, match=re.escape(text)):
        objectives.load(f"{__name__}:Own{name}")


def test_a_thermal_power_of_its_own_is_a_parameter_as_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(globals(), "Warm", _WARM)
    outcome = trainings.evaluate(f"{__name__}:Warm", Protocol.CONFIRM, **SMALL)
    assert outcome.thermal is None


_WARM = type(
    "Warm",
    (Device,),
    {"__module__": __name__, "rate": _leak, **_tau("thermal_power", 0.5)},
)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (
            _of_math,
            "Own.rate: expected an expression that SymPy can differentiate, got",
        ),
        (_by_if, "got TypeError: cannot determine truth value of Relational"),
        (
            _by_gamma,
            (
                "expected functions that kernels support (tanh, exp, log, sin, cos,"
                " sigmoid, absolute,"
            ),
        ),
    ],
)
def test_a_rate_that_no_symbol_goes_through_is_refused(rate: Any, text: str) -> None:
    own: Any = type("Own", (Device,), {"__module__": __name__, "rate": rate})
    with pytest.raises(ValueError, match=re.escape(text)) as refused:
        generate_steps(own(), exact=False)
    assert rate is _by_gamma or str(refused.value).endswith(REMEDY)


@pytest.mark.parametrize(
    "name", ["tanh", "exp", "sin", "cos", "log", "sqrt", "sigmoid"]
)
def test_functions_take_numbers_arrays_tensors_and_symbols(name: str) -> None:
    function, x = getattr(functions, name), sympy.Symbol("x", real=True)
    own = float(function(0.7))
    assert isinstance(function(0.7), float)
    assert function(np.array([0.7]))[0] == pytest.approx(own, rel=1e-15)
    tensor = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    function(tensor).backward()
    assert function(tensor).item() == pytest.approx(own, rel=1e-15)
    slope = function(x).diff(x).subs({x: 0.7})
    if name == "sigmoid":
        slope = own * (1 - own)
        assert function(x).diff(x) == function(x) * (1 - function(x))
    assert float(slope) == pytest.approx(tensor.grad.item(), rel=1e-12)  # type: ignore[union-attr]


def test_choices_are_made_number_by_number() -> None:
    x = sympy.Symbol("x", real=True)
    for chosen, expected in ((functions.minimum, -1.0), (functions.maximum, 2.0)):
        assert chosen(-1.0, 2.0) == expected
        assert chosen(np.array([-1.0]), 2.0) == [expected]
        assert chosen(torch.tensor([2.0]), -1.0).item() == expected
        assert chosen(x, -1.0).subs({x: 2.0}) == expected


def test_a_layer_has_its_own_parameters_and_a_chip_its_neurons() -> None:
    """A chip whose factors are those of the second layer is a network with that layer
    changed."""
    nominal, changed = network(), network(a=(0.3, 0.6))
    factors = {"a": np.repeat([1.0, 2.0], 6), "thermal_power": np.full(12, 3.0)}
    u = torch.rand(
        2, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(
        nominal(u, Chip(factors=factors)), changed(u), rtol=1e-12, atol=0
    )
    assert (changed(u) - nominal(u)).abs().max() > 1e-6


def test_every_parameter_may_spread(tmp_path: Path) -> None:
    """By a key of [variability] of its own; tau_ns has the one that built-in objectives
    have."""
    objective = objectives.load(CUBIC)
    spread = {"tau_ns_spread": 0.1, "a_spread": 0.5}
    own = network(variability=spread)
    hardware = own.physics.device.variability
    assert type(hardware) is objective.variability
    assert hardware.model_dump()["a_spread"] == 0.5
    factors = draw_chip(hardware, 7, 0, network=own, normals=None).factors
    assert {name: found.shape for name, found in factors.items()} == {
        "tau_ns": (12,),
        "a": (12,),
    }
    assert np.log(factors["a"]).std() > 2 * np.log(factors["tau_ns"]).std()
    measured = pointwise_devices.Odd(variability={"devices": "devices.csv"}).variability
    (tmp_path / "devices.csv").write_text("tau_ns\n1.0\n2.0\n")
    with pytest.raises(ValueError, match="tau_ns is not a parameter of the device"):
        measured.resolve(tmp_path)
    with pytest.raises(ValidationError) as refused:
        pointwise_devices.Odd(variability={"tau_ns_spread": 0.1})
    assert (
        "variability.tau_ns_spread: Odd has no parameter tau_ns. Use the spread of"
        " another parameter: a_spread, b_spread." in str(refused.value)
    )


def test_noise_follows_the_parameters() -> None:
    own = network("pointwise_devices:Leaky")
    noise = own.noise_per_sqrt_ns({"tau_ns": np.repeat([1.0, 4.0], 6)})
    np.testing.assert_allclose(noise, np.repeat([0.02 / 3**0.5, 0.01 / 3**0.5], 6))
    assert not network().noise_per_sqrt_ns({}).any()


@pytest.mark.parametrize("name", [CUBIC, f"{CUBIC}-prediction"])
def test_it_trains_is_solved_and_comes_back_from_its_file(
    name: str, tmp_path: Path
) -> None:
    """By its figures of power; the file is read where the module is imported."""
    series = name.endswith("-prediction")
    own = {
        "task": Narma10Params(washout=10, n_train=100, n_test=100),
        "trained": "readout",
    }
    outcome = trainings.evaluate(
        name,
        Protocol.CONFIRM,
        **SMALL,
        **(own if series else {}),
        neuron_uw=2.0,
        synapse_uw=0.0,
    )
    assert (outcome.solved is None, outcome.thermal) == (False, None)
    time_ns = outcome.info["presentation_ns"]
    assert outcome.info["energy_pj"] == pytest.approx(2e-3 * 12 * time_ns)
    path = tmp_path / "own.safetensors"
    network_file.write(path, outcome.network, {})
    read = load_network(path)
    assert type(read.physics.device).__name__ == "Cubic"


def test_its_module_counts_as_source() -> None:
    found = objectives.modules(CUBIC)
    wanted = {
        "pointwise_devices",
        "hpo.objectives.devices.device",
        "hpo.objectives.networks.pointwise",
    }
    assert wanted <= {*found}


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (
            {"drive_low": 3.0},
            "drive_low: expected `drive_low < drive_high`, got drive_low=3.0,"
            " drive_high=3.0. Change one of them.",
        ),
        (
            {"drive_limit": "hard", "drive_high": 2.0},
            "drive_limit: the bias lies outside the bounds of the drive, or on the"
            " clip: expected a bias between 0 and 2, got 2 in the same unit as"
            " drive_low=0.0 and drive_high=2.0. Change a bound.",
        ),
        (
            {"drive_limit": "smooth", "drive_low": 2.5, "tau_ns": (1.0, 2.0, 0.3)},
            "drive_limit: at the bias, less than a tenth of a change of the drive"
            " passes: expected a bias between 2.3 and 3.2, got 2 in the same unit as",
        ),
        (
            {"drive_limit": "smooth", "drive_high": 1.4},
            "a bias between -0.56 and 1.96, got 2 in the same unit as drive_low=0.0",
        ),
    ],
)
def test_a_limit_that_leaves_no_room_for_the_bias_is_refused(
    limit: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(text)):
        Spintronic(**limit)


def test_the_limit_of_a_class_is_checked_at_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = {"__annotations__": {"drive_limit": str}, "drive_limit": "hard"}
    own = type("Own", (Device,), {"__module__": __name__, "rate": _leak, **limit})
    monkeypatch.setitem(globals(), "Own", own)
    with pytest.raises(LookupError, match="drive_limit: the bias lies outside the b"):
        objectives.load(f"{__name__}:Own")


def test_a_limited_class_has_a_limited_kernel() -> None:
    class Limited(pointwise_devices.Cubic):
        drive_limit: str = "smooth"
        drive_low: float = -0.2

    made = Limited(layers=2, width=6, max_step_ns=0.5, s=3.0)
    physics = Stepping(device=made, integrator="ab3", max_step_ns=0.5)
    sizes = Architecture(channels=1, outputs=3, layers=2, width=6)
    own = DeviceNetwork([0], sizes, physics=physics)
    u = torch.rand(3, 5, 1, generator=torch.Generator().manual_seed(0))
    drive = own.trajectories(u)["drive"] * made.tau_ns
    assert -0.2 <= drive.min() < drive.max() <= 3.0
    assert_kernel_agrees(own, u, 5)

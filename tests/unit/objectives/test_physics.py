"""The design rules against the numbers of the paper, and their limits by text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from hpo.objectives import physics

PAPER: dict[str, Any] = {"layers": 3, "width": 32, "density_inter": 0.5, "density_intra": 0.5}


def test_the_paper_consumes_about_40_pj_in_about_100_ns() -> None:
    counts = {
        "n_neurons": physics.n_neurons(layers=3, width=32),
        "n_synapses": physics.n_synapses(**PAPER),
    }
    assert counts == {"n_neurons": 96, "n_synapses": 2896}
    in_100_ns = physics.energy_pj(**counts, presentation_ns=100.0)
    assert in_100_ns == pytest.approx(38.56)
    assert round(in_100_ns, -1) == 40  # "about 40 pJ"
    image_ns = physics.presentation_ns(points=64, dt_ns=1.0)
    assert image_ns == 64.0
    assert physics.energy_pj(**counts, presentation_ns=image_ns) == pytest.approx(0.64 * in_100_ns)


def test_recommended_weights_give_a_cumulative_drive_of_one() -> None:
    """Eq. (11), whatever the time scale and the architecture; Eq. (10) is the same."""
    for dt_ns, s, fan_in in ((1.0, 0.5, 32.0), (0.5, 0.5, 32.0), (10.0, 2.0, 7.5)):
        weight = physics.recommended_weight_per_ns(dt_ns=dt_ns, s=s, fan_in=fan_in)
        drive = physics.drive_per_ns(s=s, mean_weight_per_ns=weight, fan_in=fan_in)
        assert physics.cumulative_drive(drive_per_ns=drive, dt_ns=dt_ns) == pytest.approx(1.0)
        tau_ns = physics.recommended_tau_ns(dt_ns).best
        assert drive * dt_ns / tau_ns == pytest.approx(1.0 / tau_ns)
        rate = physics.recommended_learning_rate(dt_ns=dt_ns, s=s, fan_in=fan_in)
        assert rate == pytest.approx(weight / 100)


def test_the_paper_has_a_fan_in_of_32() -> None:
    assert physics.fan_in(width=32, density_inter=0.5, density_intra=0.5) == 32
    weight = physics.recommended_weight_per_ns(dt_ns=1.0, s=0.5, fan_in=32)
    assert weight == pytest.approx(1 / (0.5 * math.sqrt(32)))


@pytest.mark.parametrize("dt_ns", [0.05, 1.0, 40.0])
def test_relaxation_times_scale_with_the_input_and_stay_above_it(dt_ns: float) -> None:
    tau = physics.recommended_tau_ns(dt_ns)
    assert dt_ns < tau.low < tau.best < tau.high
    assert tau.best / dt_ns == pytest.approx(14.12)
    # A device of that relaxation time is at the edge of the paper's window, 0.4 to 2.5 ns.
    assert dt_ns * 14.12 / tau.low == pytest.approx(2.5)
    assert dt_ns * 14.12 / tau.high == pytest.approx(0.4)
    assert physics.recommended_f_cut_per_ns(dt_ns) * dt_ns == pytest.approx(0.1)


GOOD: dict[str, tuple[Callable[..., Any], dict[str, float]]] = {
    "recommended relaxation time": (physics.recommended_tau_ns, {"dt_ns": 1.0}),
    "fan-in": (physics.fan_in, {"width": 8, "density_inter": 0.5, "density_intra": 0.5}),
    "synapses": (physics.n_synapses, {**PAPER, "channels": 1}),
    "presentation": (physics.presentation_ns, {"points": 1, "dt_ns": 1.0}),
}


@pytest.mark.parametrize(
    ("what", "rule", "value"),
    [
        ("recommended relaxation time", "dt_ns > 0", 0.0),
        ("recommended relaxation time", "dt_ns > 0", math.inf),
        ("fan-in", "width >= 1", 0),
        ("fan-in", "0 <= density_intra <= 1", 1.5),
        ("synapses", "channels >= 1", 0),
        ("presentation", "points >= 1", 0),
    ],
)
def test_impossible_numbers_are_refused(what: str, rule: str, value: float) -> None:
    function, good = GOOD[what]
    function(**good)
    name = next(word for word in rule.split() if word in good)
    text = f"{what}: expected `{rule}`, got {name}={value}. Use another {name}."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        function(**good | {name: value})

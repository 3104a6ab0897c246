"""Parameters of a device from simulated measurements, whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpo import objectives
from hpo.objectives.devices import Device, Parameter, parameter, tanh
from hpo.objectives.fitting import fit, quantities, recordings, response
from hpo.objectives.fitting.population import summarise
from hpo.objectives.fitting.recordings import Recording
from hpo.objectives.fitting.result import UNKNOWN, Estimate, OneDevice

TRUTH = {
    "tau_ns": 8.0,
    "f_cut_per_ns": 0.02,
    "thermal_power": 1e-3,
    "threshold_ma": 3.0,
}


class Leaky(Device):
    """A device of one's own, with a bound that a logarithm has not."""

    tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
    shift: Parameter = parameter(0.0, ge=-1, le=1, description="shift of the drive")

    def rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt."""
        return (tanh(self.tau_ns * drive + self.shift) - x) / self.tau_ns


def spintronic() -> Any:
    return objectives.load("spintronic").Params()


def recorded(quantity: str, *, at_rest: bool = False) -> Recording:
    """What is measured, without its values."""
    if at_rest:
        current = np.linspace(0.2, 8.0, 40)[:, None]
        time_ns = None
    else:
        time_ns = np.tile(2.0 * np.arange(50.0), (2, 1))
        current = np.zeros((2, 50))
        current[:, 4:24] = np.array([[4.0], [8.0]])
        current[:, 36:] = np.array([[6.0], [5.0]])
    return Recording(
        file=Path("traces.csv"),
        quantity=quantity,
        time_ns=time_ns,
        current_ma=current,
        value=np.zeros_like(current),
    )


def measured(
    device: Any, truth: dict[str, float], plain: Recording, noise: float = 0.01
) -> Recording:
    """The values of a device with noise, in arbitrary units on a background."""
    values: dict[str, Any] = {n: np.full((1, 1), value) for n, value in truth.items()}
    threshold = values.pop("threshold_ma")
    device = device.with_values(**values)
    per_ma = quantities.drive_per_ma(device, threshold)
    x = response.respond(device, plain, per_ma, 16)[0]
    noise = noise * np.ptp(x) * np.random.default_rng(4).standard_normal(x.shape)
    return replace(plain, value=250.0 * (x + noise) + 10.0)


def determined(one: OneDevice) -> set[str]:
    return {name for name, own in one.estimates.items() if own.is_determined}


def check(one: OneDevice, truth: dict[str, float], within: float) -> None:
    """Intervals hold the truth, and are narrow."""
    for name in determined(one) & truth.keys():
        estimate = one.estimates[name]
        assert estimate.covers(truth[name]), (name, estimate)
        assert abs(math.log(estimate.value / truth[name])) < within


def test_at_rest_a_device_is_where_its_equation_says() -> None:
    x, y = response.settle(spintronic(), np.array([[0.0, 0.1, 0.3, -0.2]]))
    slopes = spintronic().rate(x, y, np.array([[0.0, 0.1, 0.3, -0.2]]))
    assert np.abs(slopes).max() < 1e-11
    assert x[0, 0] == pytest.approx(1e-3)


class Growing(Device):
    """A device that leaves every state."""

    tau_ns: Parameter = parameter(2.0, gt=0, description="time, in ns")

    def rate(self, x: Any, drive: Any) -> Any:
        """Return dx/dt."""
        return (x + drive) / self.tau_ns


def test_a_device_that_stays_nowhere_is_refused() -> None:
    own = measured(spintronic(), TRUTH, recorded("power", at_rest=True))
    with pytest.raises(ValueError, match="comes to rest") as caught:
        fit.fit_one("a", Growing(), [own], {})
    assert str(caught.value) == (
        "traces.csv: expected a device that comes to rest under a constant current, got"
        " none in the data of a. Give several currents, in mA, at which the value"
        " changes; or correct the device's `rate` and `rest`."
    )


def test_traces_of_the_output_determine_everything() -> None:
    own = measured(spintronic(), TRUTH, recorded("output"))
    one = fit.fit_one("a", spintronic(), [own], {})
    assert determined(one) == {*TRUTH, fit.DRIVE}
    check(one, TRUTH, 0.15)
    assert one.estimates[fit.DRIVE].covers(1.0 / 24.0)
    assert one.curves[0].noise == pytest.approx(0.01, rel=0.25)


def test_traces_of_the_power_say_nothing_of_the_filter() -> None:
    own = measured(spintronic(), TRUTH, recorded("power"))
    one = fit.fit_one("a", spintronic(), [own], {})
    assert determined(one) == {"tau_ns", "thermal_power", "threshold_ma", fit.DRIVE}
    assert one.estimates["f_cut_per_ns"] == UNKNOWN
    check(one, TRUTH, 0.15)


def test_power_at_rest_has_no_time_scale() -> None:
    own = measured(spintronic(), TRUTH, recorded("power", at_rest=True), noise=0.002)
    one = fit.fit_one("a", spintronic(), [own], {})
    assert determined(one) == {"thermal_power", "threshold_ma"}
    check(one, TRUTH, 0.3)


def test_a_number_that_noise_hides_has_a_bound_alone() -> None:
    own = measured(spintronic(), TRUTH, recorded("power", at_rest=True), noise=0.05)
    one = fit.fit_one("a", spintronic(), [own], {})
    hidden = one.estimates["thermal_power"]
    assert not hidden.is_determined
    assert hidden.low is None
    assert hidden.covers(1e-3)


def test_what_is_given_is_not_estimated_and_narrows_the_rest() -> None:
    own = measured(spintronic(), TRUTH, recorded("power"))
    free = fit.fit_one("a", spintronic(), [own], {})
    known = {"thermal_power": 1e-3, "f_cut_per_ns": 0.02, "offset": 10.0}
    one = fit.fit_one("a", spintronic(), [own], known)
    assert [*one.estimates] == ["tau_ns", "threshold_ma", fit.DRIVE]
    assert width(one, "tau_ns") < width(free, "tau_ns")


def width(one: OneDevice, name: str) -> float:
    """The relative width of an interval."""
    estimate = one.estimates[name]
    assert estimate.low is not None
    assert estimate.high is not None
    return math.log(estimate.high / estimate.low)


def test_slow_noise_is_noticed_and_widens_intervals() -> None:
    plain = recorded("power")
    own = measured(spintronic(), TRUTH, plain, noise=0.0)
    random = np.random.default_rng(1)
    white = random.standard_normal(plain.value.shape)
    slow = white.copy()
    for point in range(1, slow.shape[1]):
        slow[:, point] = 0.8 * slow[:, point - 1] + 0.6 * slow[:, point]
    known = {**TRUTH, "scale": 250.0, "offset": 10.0}
    del known["threshold_ma"]
    found = [
        fit.fit_one("a", spintronic(), [replace(own, value=own.value + noise)], known)
        for noise in (white, slow)
    ]
    assert found[0].curves[0].correlation < 0.3
    assert found[1].curves[0].correlation > 0.5
    widths = [width(one, "threshold_ma") for one in found]
    assert widths[1] > 1.5 * widths[0]


def test_a_device_of_ones_own_is_fitted_by_its_rate() -> None:
    truth = {"tau_ns": 5.0, "shift": 0.3, "threshold_ma": 4.0}
    device = Leaky()
    own = measured(device, truth, recorded("power"), noise=0.001)
    one = fit.fit_one("a", device, [own], {})
    assert determined(one) == {*truth, fit.DRIVE}
    for name, value in truth.items():
        assert one.estimates[name].covers(value), one.estimates[name]


def test_the_spread_between_devices_is_without_the_error_of_the_estimates() -> None:
    random = np.random.default_rng(2)
    logs = 0.1 * random.standard_normal(200)
    errors = 0.2
    noisy = logs + errors * random.standard_normal(200)
    estimates = [
        Estimate(
            value=math.exp(one),
            low=math.exp(one - 1.96 * errors),
            high=math.exp(one + 1.96 * errors),
        )
        for one in noisy
    ]
    found = summarise("tau_ns", estimates)
    assert found.estimate.covers(1.0)
    assert found.spread is not None
    assert found.spread.covers(0.1)
    assert noisy.std() > 0.2 > (found.spread.high or 1.0)
    assert summarise("tau_ns", [*estimates, UNKNOWN]).n_devices == 200


def test_without_the_devices_that_lie_low_there_is_no_mean() -> None:
    known = Estimate(value=1e-3, low=5e-4, high=2e-3)
    bound = Estimate(value=1e-6, low=None, high=1e-3)
    found = summarise("thermal_power", [known, known, bound])
    assert not found.estimate.is_determined
    assert found.estimate.high == 2e-3
    assert found.spread is None


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_trace_ends_where_time_goes_back_or_another_device_begins(
    tmp_path: Path,
) -> None:
    rows = ["device,time_ns,current_ma,power"]
    for device, points in (("a", 5), ("a", 7), ("b", 6)):
        rows += [f"{device},{2 * n},1,{n}" for n in range(points)]
    found = recordings.read([write(tmp_path / "x.csv", *rows)])
    assert [*found] == ["a", "b"]
    (own,) = found["a"]
    assert own.value.shape == (2, 7)
    assert own.n == 12
    assert own.steps_ns[0].tolist() == [2, 2, 2, 2, 0, 0]


def test_arrays_of_traces_are_read_as_well(tmp_path: Path) -> None:
    traces = np.arange(30.0).reshape(3, 10)
    arrays = {"time_ns": np.arange(10.0), "current_ma": traces, "power": traces}
    np.savez(tmp_path / "x.npz", **arrays, device=np.array(["a", "a", "b"]))
    found = recordings.read([tmp_path / "x.npz"])
    assert found["a"][0].value.tolist() == traces[:2].tolist()
    assert found["b"][0].current_ma.tolist() == traces[2:].tolist()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["current_ma,voltage", "1,2"],
            "expected columns of current_ma, time_ns, sd, power, output, device, trace,"
            " got current_ma, voltage. Name the columns current_ma, power or output,"
            " and time_ns of time traces.",
        ),
        (
            ["current_ma,power,t", *["1,2,3"] * 6],
            "expected columns of current_ma, time_ns, sd, power, output, device, trace,"
            " got t. Name the columns current_ma, power or output, and time_ns of time"
            " traces.",
        ),
        (
            ["current_ma,power", *["1,2"] * 4],
            "expected at least 5 points of a device at rest, got 4 in line 2, column 1."
            " Add points, or remove these.",
        ),
        (
            ["current_ma,power", *["0,2"] * 5],
            "expected a current other than 0 in `current_ma`, got 0 everywhere."
            " Measure with a current.",
        ),
        (
            ["current_ma,power,sd", *["1,2,1"] * 5, "1,2,0"],
            "expected numbers above 0 in `sd`, got 0 in line 7, column 3. Correct it.",
        ),
        (
            ["time_ns,current_ma,power", *[f"{n},1,2" for n in range(6)], "5,1,2"],
            "expected a `time_ns` that grows from point to point of a trace, got 5 in"
            " line 8, column 1, after 5. Sort the points, or number the traces in"
            " `trace`.",
        ),
        (
            ["current_ma,power", "1,2", "1,x"],
            "expected finite numbers in every row of that column, got 'x' in line 3,"
            " column 2. Correct that cell.",
        ),
    ],
)
def test_a_mistake_in_a_file_is_located(
    lines: list[str], said: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.csv", *lines)
    with pytest.raises(ValueError, match="expected") as caught:
        recordings.read([path])
    assert str(caught.value) == f"{path}: {said}"


def test_too_few_values_are_refused(tmp_path: Path) -> None:
    rows = ["current_ma,power", *[f"{n},{n}" for n in range(1, 7)]]
    path = write(tmp_path / "x.csv", *rows)
    with pytest.raises(ValueError, match="expected") as caught:
        objectives.fit_device("spintronic", [path])
    assert str(caught.value) == (
        f"{path}: expected at least 7 values of device, one more than what is"
        " estimated, got 6. Add some, or give parameters by --fixed."
    )

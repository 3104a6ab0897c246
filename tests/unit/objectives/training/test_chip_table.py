"""A network from its table alone: the equation again, in Runge-Kutta steps of our
own."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainings
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from hpo.objectives.networks.programming import quantise_network
from hpo.objectives.training import chip_table
from hpo.objectives.training.solved_equation import finer_steps

Floats = NDArray[np.float64]
Rows = list[dict[str, str]]
POINTS = 12
LIMITS: dict[str, Callable[[Floats, float, float], Floats]] = {
    "none": lambda drive, low, high: drive,
    "smooth": lambda drive, low, high: (
        (low + high) / 2
        + (high - low) / 2 * np.tanh((2 * drive - low - high) / (high - low))
    ),
    "hard": lambda drive, low, high: np.clip(drive, low, high),
}


class Chip:
    """Oscillators behind filters, programmed by the rows of a table."""

    def __init__(self, rows: Rows) -> None:
        self.settings = {
            row["source"]: row["value"]
            for row in rows
            if row["kind"] == "parameter" and row["layer"] == ""
        }
        own: dict[str, dict[int, float]] = defaultdict(dict)
        drives: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in rows:
            if row["kind"] == "parameter" and row["layer"]:
                own[row["source"]][int(row["layer"])] = float(row["value"])
            drives[row["kind"]].append(row)
        cells = [(int(r["layer"]), int(r["neuron"])) for r in drives["bias"]]
        place = {cell: k for k, cell in enumerate(cells)}
        layers = np.array([layer for layer, _ in cells])

        def of_layers(values: dict[int, float]) -> Floats:
            return np.array([values[layer] for layer in layers])

        fixed = {int(r["layer"]): float(r["value"]) for r in drives["fixed"]}
        self.tau = of_layers(own["tau_ns"])
        self.cut = of_layers(own["f_cut_per_ns"])
        self.thermal = of_layers(own["thermal_power"])
        self.bias = of_layers(fixed)
        self.bias += [float(r["value"]) for r in drives["bias"]]
        self.fixed = of_layers(fixed)
        self.inputs = np.zeros((len(cells), 1))
        self.weights = np.zeros((len(cells), len(cells)))
        for row in drives["input"]:
            self.inputs[place[0, int(row["neuron"])], int(row["source"])] = float(
                row["value"]
            )
        for row in drives["below"] + drives["within"]:
            layer = int(row["layer"])
            from_layer = layer - (row["kind"] == "below")
            target = place[layer, int(row["neuron"])]
            source = place[from_layer, int(row["source"])]
            self.weights[target, source] += float(row["value"])
        last = np.flatnonzero(layers == layers.max())
        self.readout = np.zeros((len(drives["readout_bias"]), len(cells)))
        for row in drives["readout"]:
            self.readout[int(row["neuron"]), last[int(row["source"])]] = float(
                row["value"]
            )
        self.offset = np.array([float(r["value"]) for r in drives["readout_bias"]])

    def limit(self, drive: Floats) -> Floats:
        low, high = (float(self.settings[f"drive_{end}"]) for end in ("low", "high"))
        return LIMITS[self.settings["drive_limit"]](drive, low, high)

    def slope(self, x: Floats, y: Floats, u: Floats) -> tuple[Floats, Floats]:
        """dx/dt and dy/dt of Eq. (3) to (5), x with thermal power."""
        drive = self.limit(self.bias + u @ self.inputs.T + y @ self.weights.T)
        dx = (self.thermal - x + drive * x * (1 - x)) / self.tau
        return dx, dx - 2 * np.pi * self.cut * y

    def answer(self, series: Floats, steps: int) -> Floats:
        """The logits of series, (n, points, channels)."""
        x = self.rest() * np.ones((len(series), 1))
        y = np.zeros_like(x)
        h = float(self.settings["point_ns"]) / steps
        for u in np.repeat(series, steps, axis=1).swapaxes(0, 1):
            k1 = self.slope(x, y, u)
            k2 = self.slope(x + h / 2 * k1[0], y + h / 2 * k1[1], u)
            k3 = self.slope(x + h / 2 * k2[0], y + h / 2 * k2[1], u)
            k4 = self.slope(x + h * k3[0], y + h * k3[1], u)
            x = x + h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0])
            y = y + h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1])
        return y @ self.readout.T + self.offset

    def rest(self) -> Floats:
        """x under the fixed drive alone: the larger root of dx/dt = 0."""
        drive = self.limit(self.fixed)
        half = (drive - 1) / (2 * drive)
        return half + np.sqrt(half**2 + self.thermal / drive)


def read_back(table: chip_table.ChipTable, path: Path) -> Rows:
    table.write(path)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("bits", [None, 5])
@pytest.mark.parametrize(
    "changes",
    [
        {"drive_limit": "none"},
        {"drive_limit": "smooth", "drive_high": 4.0},
        {
            "drive_limit": "hard",
            "width": (6, 4),
            "tau_ns": (3.0, 5.0),
            "s": (0.4, 0.6),
        },
    ],
)
def test_the_table_alone_gives_the_answers_of_the_network(
    changes: dict[str, Any], bits: int | None, tmp_path: Path
) -> None:
    params = {"thermal_power": 1e-3, "tau_ns": 3.0, **trainings.SMALL, **changes}
    member = trainings.member("spintronic", seed=3, **params)
    network = member.network
    with torch.no_grad():
        for weight in network.parameters():
            weight *= 10.0
    table = member.chip_table(bits=bits)
    series = np.random.default_rng(0).uniform(size=(7, POINTS, 1))
    with torch.no_grad(), quantise_network(network, bits), finer_steps(network, 64):
        logits = network(torch.from_numpy(series.astype(np.float32)))[0].numpy()
    answers = Chip(read_back(table, tmp_path / "chip.csv")).answer(series, 40)
    assert np.ptp(logits, axis=0).min() > 2e-3, "the answers depend on the series"
    np.testing.assert_allclose(answers, logits, rtol=0, atol=1e-4)


def test_the_table_alone_gives_the_score(tmp_path: Path) -> None:
    params = {"thermal_power": 1e-3, "tau_ns": 3.0, **trainings.SMALL}
    member = trainings.member("spintronic", seed=3, **params)
    with torch.no_grad():
        for weight in member.network.parameters():
            weight *= 10.0
    rows = read_back(member.chip_table(), tmp_path / "chip.csv")
    tested = [row for row in rows if row["kind"] == "test"]
    series = np.array([row["value"].split() for row in tested], dtype=np.float64)
    answers = Chip(rows).answer(series[:, :, None], 8).argmax(axis=1)
    score = np.mean(answers == [int(row["neuron"]) for row in tested])
    assert len(tested) == 899
    assert score == pytest.approx(float(rows[0]["value"]), abs=0.003)
    scale = next(row for row in rows if row["kind"] == "input_scale")
    images, digits = load_digits(return_X_y=True)
    numbers = [int(row["source"]) for row in tested]
    np.testing.assert_array_equal(
        series, images[numbers] / float(scale["value"]), strict=True
    )
    assert [int(row["neuron"]) for row in tested] == digits[numbers].tolist()


def test_a_large_test_part_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip_table, "MOST_INPUTS", 64 * 5 + 63)
    member = trainings.member("ctrnn", **trainings.SMALL)
    assert member.chip_table().count("test") == 5


def test_every_connection_has_its_row_level_and_current(tmp_path: Path) -> None:
    member = trainings.member("spintronic", width=(6, 4), layers=2, tau_ns=5.0)
    table = member.chip_table(bits=4, threshold_ma=0.3)
    rows = read_back(table, tmp_path / "chip.csv")
    assert [(row["kind"], row["source"], row["unit"]) for row in rows[:2]] == [
        ("score", "as trained", "accuracy"),
        ("score", "with 4 bits", "accuracy"),
    ]
    with quantise_network(member.network, 4):
        assert float(rows[1]["value"]) == member.solved_score()
    counts = Counter(row["kind"] for row in rows)
    kinds = ("input", "below", "within", "readout")
    assert sum(counts[kind] for kind in kinds) == member.network.n_synapses
    assert counts["bias"] == member.network.n_neurons
    for row in rows:
        if row["kind"] == "within":
            steps = int(row["level"])
            assert -7 <= steps <= 7
            assert float(row["current_ma"]) == 0.3 * float(row["value"])
            weight = float(row["value"]) / (0.5 * 5.0)
            largest = float(member.network.w_intra.detach().abs().max())
            assert weight == pytest.approx(steps * largest / 7, rel=1e-6)
    parameters = {r["source"] for r in rows if r["kind"] == "parameter"}
    assert {"tau_ns", "point_ns", "coupling_delay_ns", "drive_limit", "q"} <= parameters
    (fixed, _) = [row for row in rows if row["kind"] == "fixed"]
    assert (fixed["value"], fixed["unit"], fixed["current_ma"]) == (
        "2.0",
        "gamma",
        "0.6",
    )


def test_the_scaling_of_the_input_stands_in_the_table() -> None:
    member = trainings.member("ctrnn", **trainings.SMALL)
    rows = chip_table.chip_table(
        member.network,
        member._params,
        scaling={"shift": (2.0,), "scale": (0.5,)},
    ).rows
    shown = [
        (r["kind"], r["source"], r["value"]) for r in rows if "input_" in r["kind"]
    ]
    assert shown == [("input_shift", 0, 2.0), ("input_scale", 0, 0.5)]

"""A trained network as a table: every value to programme into a chip, with sign and
unit.

A row has these columns; what does not apply is empty::

    kind         layer   neuron  source       value and unit
    score                        how          metric of the test part, solved equation
    parameter    number          name         of the device and of the network
    input_shift                  channel      u = (x - input_shift) / input_scale
    input_scale                  channel
    fixed        number                       drive of every neuron of the layer, gamma
    bias         number  number               drive that is added to it, gamma
    input        0       number  channel      gamma per unit of u
    below        number  number  neuron       gamma per unit of its output y
    within       number  number  neuron       gamma per unit of its output y
    readout              class   feature      per unit of the feature
    readout_bias         class
    test                 class   series       its inputs u, point by point
    network                      member_seed  the seed that drew and trained it

The drive of a neuron is the sum of its rows, within the bounds of its limit. A value is
S W / gamma, with gamma = 1 / tau of its layer, or 1 per ns for a device without tau.
``level`` is the integer whose multiple a rounded weight is, ``current_ma`` the drive in
mA. The source of ``below`` is a neuron of the layer below; a feature is the number of a
neuron of the last layer, unless parameters of the readout say otherwise. Layers,
neurons, channels and classes count from 0. The score is that of the ``test`` rows, at
most a million inputs; their source is the number of the series in the data.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..hardware.physics import spread_layers
from ..networks.programming import quantise_network

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..networks.layered import LayeredNetwork
    from .params import LayeredParams

COLUMNS = (
    "kind",
    "layer",
    "neuron",
    "source",
    "level",
    "value",
    "unit",
    "current_ma",
)
DRIVE = "gamma"
"""Unit of a drive: the damping, which is the drive at the threshold current."""
MOST_INPUTS = 1_000_000
"""Numbers of the test part that a table holds: first series first."""
_READ_BY_TRAINING = {"thermal_training", "thermal_span"}
"""Fields of a device that its equation does not have."""
_OF_THE_NETWORK = (
    "point_ns",
    "coupling_delay_ns",
    "drive_limit",
    "drive_low",
    "drive_high",
    "readout",
    "readout_points",
    "readout_powers",
    "readout_layers",
)
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ChipTable:
    """The rows of a network."""

    rows: tuple[Row, ...]

    @property
    def scores(self) -> dict[str, float]:
        """The scores of the test part: as trained, and with rounded weights."""
        scores = [row for row in self.rows if row["kind"] == "score"]
        return {row["source"]: row["value"] for row in scores}

    def count(self, *kinds: str) -> int:
        """Return the number of rows of these kinds."""
        return sum(row["kind"] in kinds for row in self.rows)

    def largest(self, *kinds: str) -> float:
        """Return the largest absolute value among the rows of these kinds."""
        values = [abs(row["value"]) for row in self.rows if row["kind"] in kinds]
        return max(values, default=0.0)

    def steps(self, kind: str) -> set[float]:
        """Return the values of one level among the rows of a kind: one per layer."""
        levelled = (row for row in self.rows if row["kind"] == kind)
        return {row["value"] / row["level"] for row in levelled if row.get("level")}

    def with_seed(self, seed: int) -> ChipTable:
        """Return the same table, with the seed of the network as its last row."""
        row = {"kind": "network", "source": "member_seed", "value": seed, "unit": "1"}
        return ChipTable(rows=(*self.rows, row))

    def write(self, path: Path) -> None:
        """Write the rows as CSV.

        Raises:
            OSError: the file cannot be written.
        """
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(self.rows)


def chip_table(
    network: LayeredNetwork,
    params: LayeredParams,
    *,
    scaling: Mapping[str, Any] | None = None,
    bits: int | None = None,
    threshold_ma: float | None = None,
    scores: Mapping[str, float] | None = None,
    metric: str = "",
    test: Examples | None = None,
) -> ChipTable:
    """Return the table of a network of one member.

    Args:
        network: the trained network.
        params: its parameters.
        scaling: ``shift`` and ``scale`` of each channel of the input; None: as it is.
        bits: round every tensor as ``[variability] weight_bits`` does; None: exact.
        threshold_ma: current of a drive of 1 gamma; None: without currents.
        scores: of the test part, by what was done to the network.
        metric: what they are.
        test: series of the test part with their classes; None: without them.
    """
    rows: list[Row] = []
    for how, score in (scores or {}).items():
        rows.append({"kind": "score", "source": how, "value": score, "unit": metric})
    rows += [*_parameters(network, params), *_scaling(scaling), *_fixed(network)]
    with quantise_network(network, bits):
        for name in ("bias", "w_in", "w_inter", "w_intra", "w_out", "bias_out"):
            rows += _weights(network, name, bits)
    rows += _test(test)
    if threshold_ma is not None:
        for row in rows:
            if str(row["unit"]).startswith(DRIVE):
                row["current_ma"] = row["value"] * threshold_ma
    return ChipTable(rows=tuple(rows))


def _parameters(network: LayeredNetwork, params: LayeredParams) -> Iterator[Row]:
    """Yield the parameters of the equation, those of the device by layer."""
    device: Any = network.physics.device
    for name, value in device.values().items():
        for layer, own in enumerate(spread_layers(value, len(network.widths), name)):
            yield {"layer": layer, **_parameter(name, own)}
    choices = device.choices()
    for name in sorted(choices.keys() - _READ_BY_TRAINING):
        yield _parameter(name, choices[name])
    for name in _OF_THE_NETWORK:
        yield _parameter(name, getattr(params, name))


def _parameter(name: str, value: Any) -> Row:
    unit = "1"
    if name.endswith("_per_ns"):
        unit = "1/ns"
    elif name.endswith("_ns"):
        unit = "ns"
    return {"kind": "parameter", "source": name, "value": value, "unit": unit}


def _scaling(scaling: Mapping[str, Any] | None) -> Iterator[Row]:
    """Yield the shift and the scale of each channel of the input."""
    for name, values in (scaling or {}).items():
        for channel, value in enumerate(values):
            kind = f"input_{name}"
            yield {"kind": kind, "source": channel, "value": value, "unit": "1"}


def _fixed(network: LayeredNetwork) -> Iterator[Row]:
    """Yield the fixed drive of each layer."""
    for layer, device in enumerate(_layers(network)):
        value = device.fixed_drive() / _gamma(device)
        yield {"kind": "fixed", "layer": layer, "value": value, "unit": DRIVE}


def _test(test: Examples | None) -> Iterator[Row]:
    """Yield series of the test part with their classes."""
    if test is None:
        return
    _, points, channels = test.shape
    shown = np.arange(min(len(test), MOST_INPUTS // (points * channels)))
    part = test.take(shown)
    for row, label, u in zip(part.rows, part.label, part.x, strict=True):
        value = " ".join(map(str, u.reshape(-1)))
        about = {"kind": "test", "neuron": int(label), "source": int(row)}
        yield {**about, "value": value, "unit": "1"}


def _layers(network: LayeredNetwork) -> list[Any]:
    """Return the device with the parameters of each layer."""
    device: Any = network.physics.device
    return [device.of_layer(layer) for layer in range(len(network.widths))]


def _gamma(device: Any) -> float:
    """Return the damping of the device of a layer, per ns."""
    return 1.0 / float(device.values().get("tau_ns", 1.0))


_KINDS = {
    "bias": ("bias", DRIVE),
    "w_in": ("input", f"{DRIVE} per input"),
    "w_inter": ("below", f"{DRIVE} per y"),
    "w_intra": ("within", f"{DRIVE} per y"),
    "w_out": ("readout", "1 per feature"),
    "bias_out": ("readout_bias", "1"),
}
"""Kind and unit of the weights of a tensor."""


def _weights(network: LayeredNetwork, name: str, bits: int | None) -> Iterator[Row]:
    """Yield the weights of a tensor that exist."""
    tensor: Tensor = getattr(network, name)[0].detach().double()
    kind, unit = _KINDS[name]
    factors = [1.0] * len(network.widths)
    if unit.startswith(DRIVE):
        amplifications = spread_layers(network.physics.s, len(network.widths), "s")
        factors = [
            s / _gamma(device)
            for s, device in zip(amplifications, _layers(network), strict=True)
        ]
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    step = largest / (2 ** (bits - 1) - 1) if bits else 0.0
    for place in _existing(network, name).nonzero().tolist():
        weight = float(tensor[tuple(place)])
        row = {"kind": kind, "unit": unit, **_place(name, place)}
        row["value"] = weight * factors[row.get("layer", 0)]
        if step:
            row["level"] = round(weight / step)
        yield row


def _existing(network: LayeredNetwork, name: str) -> Tensor:
    """Return which elements of a tensor exist, bool, without the dimension of
    members."""
    if name == "bias":
        return network.exists
    if name in ("w_out", "bias_out"):
        return torch.ones_like(getattr(network, name)[0], dtype=torch.bool)
    mask: Tensor = getattr(network, name.replace("w_", "mask_"))[0]
    return mask > 0


def _place(name: str, place: list[int]) -> Row:
    """Return layer, neuron and source of an element of a tensor."""
    if name == "bias":
        return {"layer": place[0], "neuron": place[1]}
    if name == "w_in":
        return {"layer": 0, "neuron": place[0], "source": place[1]}
    if name == "w_inter":
        return {"layer": place[0] + 1, "neuron": place[1], "source": place[2]}
    if name == "w_intra":
        return {"layer": place[0], "neuron": place[1], "source": place[2]}
    if name == "w_out":
        return {"neuron": place[0], "source": place[1]}
    return {"neuron": place[0]}

"""The drives of the oscillators of the paper's point, in units of γ, from networks
trained again.

A network is a pure function of its parameters and seed, so that those that ``fig2b``
trained at 1 ns are trained again here, and the whole test half is replayed::

    quantiles    of I / γ over series, times and neurons of a layer
    above, below share of it beyond a bound

The times are eight of each point, the first just after the input has changed.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpo.study.trials import StudySnapshot, Trial, trained
from reproduction import data
from reproduction.networks import train_again

STEPS_PER_POINT = 8
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SHARES = {"above_3": "above 3 γ", "above_5": "above 5 γ", "below_0": "below 0"}
"""Shares of the drives that are measured, by name, in words."""
BLOCK = 100
"""Series that are replayed together."""
NAME = "drives.json"


def record(snapshot: StudySnapshot, folder: Path) -> None:
    """Measure the networks of ``fig2b`` at 1 ns, unless it was done."""
    path = folder / NAME
    known = read(folder)
    if known and known["spec_hash"] == snapshot.spec.hash:
        return
    slot = next(s for s in trained(snapshot.search) if s.params["point_ns"] == 1.0)
    networks = []
    for member in slot.members:
        print(f"drives of {snapshot.spec.name}, seed {member.seed}", file=sys.stderr)
        networks.append(_measure(snapshot, slot, member.seed))
    lines = ",\n".join(map(json.dumps, networks))
    head = {"spec_hash": snapshot.spec.hash, "quantiles": QUANTILES}
    text = json.dumps(head)[:-1] + f', "networks": [\n{lines}\n]}}\n'
    data.write_whole(text, path)


def read(folder: Path) -> dict[str, Any]:
    """Return what was measured; nothing without the file."""
    path = folder / NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def share(measured: Mapping[str, Any], name: str, layer: int) -> float:
    """Return a share of a layer, in per cent, the median over the networks."""
    shares = [float(network[name][layer]) for network in measured["networks"]]
    return 100.0 * statistics.median(shares)


def overall(measured: Mapping[str, Any], name: str) -> float:
    """Return a share of all neurons, in per cent, the mean over the networks."""
    shares = [statistics.fmean(n[name]) for n in measured["networks"]]
    return 100.0 * statistics.fmean(shares)


def quantile(measured: Mapping[str, Any], which: float, layer: int) -> float:
    """Return a quantile of I / γ of a layer, the median over the networks."""
    place = measured["quantiles"].index(which)
    values = [float(own["drive"][layer][place]) for own in measured["networks"]]
    return statistics.median(values)


def _measure(snapshot: StudySnapshot, slot: Trial, seed: int) -> dict[str, Any]:
    network, score, inputs = train_again(snapshot, slot, seed)
    by_layer = _drives(network, inputs)
    return {
        "seed": seed,
        "score": score,
        "drive": [_digits(np.quantile(own, QUANTILES)) for own in by_layer],
        "above_3": _digits([(own > 3.0).mean() for own in by_layer]),
        "above_5": _digits([(own > 5.0).mean() for own in by_layer]),
        "below_0": _digits([(own < 0.0).mean() for own in by_layer]),
    }


def _drives(network: Any, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """Return I / γ of every layer at the times of the module, in any order."""
    trained_with = network.physics
    network.physics = replace(
        trained_with,
        point_ns=trained_with.point_ns / STEPS_PER_POINT,
        steps_per_point=1,
    )
    held = torch.from_numpy(inputs).repeat_interleave(STEPS_PER_POINT, dim=1)
    tau_ns = trained_with.device.tau_ns
    blocks = [
        tau_ns * network.trajectories(held[first : first + BLOCK])["drive"][0]
        for first in range(0, len(held), BLOCK)
    ]
    network.physics = trained_with
    return [layer.numpy().ravel() for layer in torch.cat(blocks, dim=1)]


def _digits(values: Sequence[float] | NDArray[Any]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]

"""What the neurons of the layers do, Fig. 1(b-d), in numbers: from networks trained
again.

A network is a pure function of its parameters and seed, so that what the figures'
studies have trained is trained again here, at 1 ns on split 0, and replayed on the
whole test half::

    mean       of x, over series, points and neurons of a layer
    saturated  share of these states with x below 0.1 or above 0.9
    balanced   share of the neurons of a layer that are as Fig. 1 shows them: mean x,
               over series and points, between 0.4 and 0.6, and saturated less than
               half of the time
    frequency  mean frequency, in 1/ns, of the power spectrum of x over a series, its
               mean removed; that of the input likewise
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpo.objectives.training.solved_equation import finer_steps
from hpo.study.trials import StudySnapshot, Trial, trained
from reproduction import data, readings
from reproduction.networks import train_again
from reproduction.readings import Reading

DENSITIES = (0.2, 0.5, 1.0)
"""Of all connections."""
N_NETWORKS = 3
"""The first of each density."""
STEPS_PER_POINT = 8
"""With which a network is replayed on the solved equation, unless it is a map."""
SATURATED = 0.1
"""How near to 0 or 1 an amplitude is saturated."""
BALANCED = 0.1
"""How near to 1/2 the mean of a neuron is, that Fig. 1 could show."""


def record(snapshot: StudySnapshot, reading: Reading, folder: Path) -> None:
    """Measure the networks of the optimum at 1 ns with one of ``DENSITIES``, unless it
    was done."""
    path = folder / "layers.json"
    known = _tree(folder)
    if _is_recorded(known.get(reading.name, {}), snapshot):
        return
    found: dict[float, list[Any]] = {}
    for slot in trained(snapshot.search):
        values: dict[str, Any] = {**snapshot.spec.fixed, "point_ns": 1.0, **slot.params}
        density = float(values["density_inter"])
        optimum = (1.0, reading.tau_ns, readings.LR0, density)
        place = tuple(
            values[name] for name in ("point_ns", "tau_ns", "lr0", "density_intra")
        )
        if place == optimum and density in DENSITIES and density not in found:
            print(
                f"layers of {snapshot.spec.name}, trial {slot.number}", file=sys.stderr
            )
            seeds = [member.seed for member in slot.members[:N_NETWORKS]]
            found[density] = [_measure(snapshot, slot, seed, reading) for seed in seeds]
    known[reading.name] = {"spec_hash": snapshot.spec.hash, "densities": found}
    data.write_whole(_text(known), path)


def _is_recorded(own: Mapping[str, Any], snapshot: StudySnapshot) -> bool:
    """Whether the layers of a study were measured, and all that is measured now."""
    rows = [row for rows in own.get("densities", {}).values() for row in rows]
    complete = all("balanced" in row for row in rows)
    return own.get("spec_hash") == snapshot.spec.hash and complete


def read(folder: Path) -> dict[str, dict[float, list[dict[str, Any]]]]:
    """A row per network, by reading and density; none without the file."""
    return {
        reading: {float(density): rows for density, rows in own["densities"].items()}
        for reading, own in _tree(folder).items()
    }


def _tree(folder: Path) -> dict[str, Any]:
    path = folder / "layers.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _text(tree: Mapping[str, Any]) -> str:
    """JSON with a line per reading."""
    lines = [f"{json.dumps(name)}: {json.dumps(own)}" for name, own in tree.items()]
    return "{" + ",\n".join(lines) + "}\n"


def mean_of(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """``name`` by layer, the mean over networks."""
    return [float(mean) for mean in np.mean([row[name] for row in rows], axis=0)]


def spectral_mean(series: NDArray[np.floating[Any]], point_ns: float) -> float:
    """Mean frequency of the power spectrum, in 1/ns, over all series together.

    Args:
        series: (..., points), ``point_ns`` apart.
        point_ns: the time between two points.

    >>> wave = np.sin(2 * np.pi * 0.25 * np.arange(64))
    >>> round(spectral_mean(wave[None], 1.0), 6)
    0.25
    """
    power = np.abs(np.fft.rfft(series - series.mean(axis=-1, keepdims=True))) ** 2
    power = power.reshape(-1, power.shape[-1]).sum(axis=0)
    frequencies = np.fft.rfftfreq(series.shape[-1], point_ns)
    return float((frequencies * power).sum() / power.sum())


def _measure(
    snapshot: StudySnapshot, slot: Trial, seed: int, reading: Reading
) -> dict[str, Any]:
    network, score, inputs = train_again(snapshot, slot, seed)
    u = torch.from_numpy(inputs)
    with nullcontext() if reading.as_a_map else finer_steps(network, STEPS_PER_POINT):
        x = network.trajectories(u)["x"][
            0, :, :, 1:
        ].numpy()  # (layers, series, points, width)
    by_layer = [layer.swapaxes(1, 2) for layer in x]
    point_ns = network.physics.point_ns
    saturated = [(layer < SATURATED) | (layer > 1.0 - SATURATED) for layer in by_layer]
    balanced = [
        (np.abs(layer.mean(axis=(0, 2)) - 0.5) <= BALANCED)
        & (states.mean(axis=(0, 2)) < 0.5)
        for layer, states in zip(by_layer, saturated, strict=True)
    ]
    return {
        "seed": seed,
        "score": score,
        "mean": [_digits(layer.mean()) for layer in by_layer],
        "saturated": [_digits(states.mean()) for states in saturated],
        "balanced": [_digits(neurons.mean()) for neurons in balanced],
        "frequency": [_digits(spectral_mean(layer, point_ns)) for layer in by_layer],
        "input_frequency": _digits(spectral_mean(u.numpy().swapaxes(1, 2), point_ns)),
    }


def _digits(value: Any) -> float:
    return float(f"{float(value):.4g}")

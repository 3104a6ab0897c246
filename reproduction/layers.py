"""What the neurons of the layers do, Fig. 1(b-d), in numbers: from networks trained again.

A network is a pure function of its parameters and seed, so that what the figures' studies have
trained is trained again here, at 1 ns, and replayed on the whole test half::

    mean       of x, over series, points and neurons of a layer
    saturated  share of these states with x below 0.1 or above 0.9
    frequency  mean frequency, in 1/ns, of the power spectrum of x over a series, its mean removed;
               that of the input likewise
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import Slot
from hpo.views.numbers.study_figure import trained
from objectives.contract import Protocol
from objectives.inspection import NetworkObjective
from objectives.tasks import load

DENSITIES = (0.2, 0.5, 1.0)
"""Of all connections."""
SATURATED = 0.1
"""How near to 0 or 1 an amplitude is saturated."""


def record(snapshot: StudySnapshot, reading: str, folder: Path) -> None:
    """Measure the networks of 1 ns with one of ``DENSITIES``, and add them to the file."""
    path = folder / "layers.json"
    known = read(folder)
    for slot in trained(snapshot):
        values = {**snapshot.spec.fixed, "dt_ns": 1.0, **slot.params}
        density = float(values["density_inter"])
        if (values["dt_ns"], density) not in {(1.0, d) for d in DENSITIES}:
            continue
        if density != values["density_intra"]:
            continue
        own = known.setdefault(reading, {})
        seeds = {member.seed for member in slot.members}
        if {row["seed"] for row in own.get(density, ())} == seeds:
            continue
        print(f"layers of {snapshot.spec.name}, trial {slot.number}", file=sys.stderr, flush=True)
        own[density] = [_measure(snapshot, slot, member.seed) for member in slot.members]
    path.write_text(_lines(known), encoding="utf-8")


def read(folder: Path) -> dict[str, dict[float, list[dict[str, Any]]]]:
    """A row per network, by reading and density; none without the file."""
    path = folder / "layers.json"
    if not path.is_file():
        return {}
    tree = json.loads(path.read_text(encoding="utf-8"))
    return {
        reading: {float(density): rows for density, rows in own.items()}
        for reading, own in tree.items()
    }


def mean_of(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """``name`` by layer, the mean over networks."""
    return np.array([row[name] for row in rows]).mean(axis=0).tolist()  # type: ignore[no-any-return]


def spectral_mean(series: NDArray[np.floating[Any]], dt_ns: float) -> float:
    """Mean frequency of the power spectrum, in 1/ns, over all series together.

    Args:
        series: (..., points), ``dt_ns`` apart.
        dt_ns: the time between two points.

    >>> wave = np.sin(2 * np.pi * 0.25 * np.arange(64))
    >>> round(spectral_mean(wave[None], 1.0), 6)
    0.25
    """
    power = np.abs(np.fft.rfft(series - series.mean(axis=-1, keepdims=True))) ** 2
    power = power.reshape(-1, power.shape[-1]).sum(axis=0)
    frequencies = np.fft.rfftfreq(series.shape[-1], dt_ns)
    return float((frequencies * power).sum() / power.sum())


def _measure(snapshot: StudySnapshot, slot: Slot, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    spec = snapshot.spec
    objective = spec.objective_impl
    assert isinstance(objective, NetworkObjective)
    params = spec.params(slot.params, epochs=spec.budget.epochs)
    member: Any = objective.member(
        params, task=spec.task_params, protocol=Protocol.CONFIRM, member_seed=seed
    )
    outcome = member.train(lambda progress: None)
    shown = load(spec.task_params, protocol=Protocol.CONFIRM, member_seed=seed).score
    u = torch.from_numpy(shown.x)
    x = member.network.trajectories(u)["x"][0, :, :, 1:].numpy()  # (layers, series, points, width)
    by_layer = [layer.swapaxes(1, 2) for layer in x]
    dt_ns = member.network.physics.dt_ns
    return {
        "seed": seed,
        "score": round(outcome.score, 5),
        "mean": [_digits(layer.mean()) for layer in by_layer],
        "saturated": [
            _digits(((layer < SATURATED) | (layer > 1.0 - SATURATED)).mean()) for layer in by_layer
        ],
        "frequency": [_digits(spectral_mean(layer, dt_ns)) for layer in by_layer],
        "input_frequency": _digits(spectral_mean(u.numpy().swapaxes(1, 2), dt_ns)),
    }


def _digits(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _lines(tree: Mapping[str, Mapping[float, Sequence[Any]]]) -> str:
    """JSON with a line per network."""
    return json.dumps(tree, indent=1)

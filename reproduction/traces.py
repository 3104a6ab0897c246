"""Fig. 1(b-d) and 2(a, c-e): neurons of trained networks over time, kept as small
files.

The networks are those of the study fig2b, trained again from their seeds, as by ``hpo
trace``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hpo.contract import NetworkMember, Trace
from hpo.study.result import Result
from hpo.study.trials import StudySnapshot
from hpo.worker import network, replay
from hpo.worker.network import StudyNetwork
from reproduction import data

PANELS_NS = {"fast": 0.1, "adapted": 1.0, "slow": 10.0}
"""Input time scales of Fig. 2(c, d, e): the study's marks."""
CLASSES = ("0", "1", "2", "3", "4", "5")
"""One image of each of these digits, the first of the test half."""


def record(snapshot: StudySnapshot, folder: Path) -> None:
    """Train the networks of the three panels again and write down what their neurons
    do.

    Member 0 of each point, and of every layer the neuron that tells the shown images
    apart best.

    Raises:
        HpoError: a network cannot be trained again.
    """
    for name, dt_ns in PANELS_NS.items():
        trial = next(
            (
                s.number
                for s in snapshot.search
                if math.isclose(float(s.params["dt_ns"]), dt_ns)
            ),
            None,
        )
        path = folder / f"trace-{name}.json"
        if trial is not None and read_hash(path) != snapshot.spec.hash:
            data.write_whole(json.dumps(_trace(snapshot, trial)) + "\n", path)


def _trace(snapshot: StudySnapshot, trial: int) -> dict[str, Any]:
    chosen = network.choose(Result.of(snapshot), trial=trial, member=0)
    member = network.build(chosen)
    images = replay.pick(member, None, CLASSES)
    network.load(chosen, member)
    return _compact(chosen, member, member.trace(images))


def _compact(
    chosen: StudyNetwork, member: NetworkMember, trace: Trace
) -> dict[str, Any]:
    """What the figures need, to five digits."""
    neurons = [replay.telling_neuron(trace, layer) for layer in range(len(trace.x))]
    read_as = [
        member.classes[read] if read >= 0 else None for read in trace.predicted.tolist()
    ]
    return {
        "dt_ns": trace.dt_ns,
        "spec_hash": chosen.result.spec.hash,
        "trial": chosen.trial.number,
        "seed": chosen.stored.seed,
        "time_ns": [_short(t) for t in trace.time_ns.tolist()],
        "series": [
            {
                "image": image,
                "class": member.classes[trace.labels[series]],
                "read_as": read_as[series],
                "input": [_short(u) for u in trace.inputs[series, :, 0].tolist()],
                "layers": [
                    {
                        "layer": layer,
                        "neuron": neuron,
                        "x": [
                            _short(x) for x in trace.x[layer, series, neuron].tolist()
                        ],
                    }
                    for layer, neuron in enumerate(neurons)
                ],
            }
            for series, image in enumerate(trace.images.tolist())
        ],
    }


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def read_hash(path: Path) -> str | None:
    """Hash of the study that a trace was made from; None without the trace."""
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["spec_hash"])


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The traces that are there, by panel."""
    paths = {name: folder / f"trace-{name}.json" for name in PANELS_NS}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }

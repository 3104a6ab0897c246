"""Fig. 1(b-d) and 2(a, c-e): neurons of trained networks over time, kept as small
files.

The networks are those of the study fig2b, trained again from their seeds.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hpo.contract import NetworkMember, NetworkObjective, Trace
from hpo.study.spec import StudySpec
from hpo.study.trials import StudySnapshot, Trial
from hpo.views.records.kept_network import telling_neuron
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

    """
    for name, point_ns in PANELS_NS.items():
        points = [
            trial
            for trial in snapshot.search
            if math.isclose(float(trial.params["point_ns"]), point_ns)
        ]
        path = folder / f"trace-{name}.json"
        if points and read_hash(path) != snapshot.spec.hash:
            trace = _trace(snapshot.spec, points[0])
            data.write_whole(json.dumps(trace) + "\n", path)


def _trace(spec: StudySpec, trial: Trial) -> dict[str, Any]:
    objective = spec.objective_impl
    assert isinstance(objective, NetworkObjective)
    seed = trial.members[0].seed
    member = objective.member(
        spec.params(trial.params, epochs=spec.budget.epochs),
        task=spec.task_params,
        protocol=spec.protocol,
        member_seed=seed,
    )
    labels = member.test_labels.tolist()
    images = [labels.index(member.classes.index(name)) for name in CLASSES]
    member.train(lambda progress: None)
    facts = {"spec_hash": spec.hash, "trial": trial.number, "seed": seed}
    return facts | _compact(member, member.trace(images))


def _compact(member: NetworkMember, trace: Trace) -> dict[str, Any]:
    """What the figures need, to five digits."""
    neurons = [telling_neuron(trace, layer) for layer in range(len(trace.x))]
    read_as = [
        member.classes[read] if read >= 0 else None for read in trace.predicted.tolist()
    ]
    return {
        "point_ns": trace.point_ns,
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

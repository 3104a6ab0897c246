"""A trained network replayed on series of the test part: which, what it reads, and the numbers."""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from hpo.errors import HpoError
from hpo.ledger.reader import LedgerReader
from hpo.study.result import Result
from hpo.views import json_records
from hpo.views.confusion import Confusion
from hpo.worker import network as networks
from hpo.worker.network import Found, about
from objectives.inspection import NetworkMember, NetworkObjective, Trace

log = logging.getLogger(__name__)

_LACKING = (HpoError, ImportError, MemoryError, RuntimeError)
"""What says that this host cannot do what another one may: PyTorch raises the last of them."""
DEFAULT_CLASSES = 4
"""Without a choice, one series of each of so many classes is shown."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Some neurons of a trained network, on some series of the test part."""

    found: Found
    member: NetworkMember
    """The network, with its weights."""
    trace: Trace
    layers: tuple[int, ...]
    neurons: tuple[tuple[int, ...], ...]
    """Neurons that are shown of each of ``layers``."""

    def class_name(self, number: int) -> str:
        """Name of a class by its number; of the number -1: that nothing was read."""
        names = self.member.classes or ("",)
        return names[number] if number >= 0 else "nothing finite"


# --- what is replayed -----------------------------------------------------------------------------


def pick_images(member: NetworkMember, images: Sequence[int] | None) -> list[int]:
    """Positions in the test part, checked; without any, one of each of the first classes.

    Raises:
        HpoError: a position does not exist.
    """
    if images is None and not member.classes:
        return [0]
    if images is None:
        present = sorted(set(member.test_labels.tolist()))[:DEFAULT_CLASSES]
        return pick_classes(member, [member.classes[number] for number in present], 1)
    count = len(member.test_labels)
    for image in images:
        if not 0 <= image < count:
            raise HpoError(
                f"--images {image}: a position in the test part must hold, but got {image}. "
                f"Valid: 0 to {count - 1}."
            )
    return list(dict.fromkeys(images))


def pick_classes(member: NetworkMember, classes: Sequence[str], each: int) -> list[int]:
    """The first ``each`` series of each class in the test part, class by class.

    Raises:
        HpoError: a class does not exist, or has fewer series.
    """
    if not member.classes:
        raise HpoError(
            f"--classes {','.join(classes)}: a network that tells classes must hold, but got one "
            f"that predicts. Choose windows of the test part: --images 0,1."
        )
    labels = member.test_labels.tolist()
    picked: list[int] = []
    for name in dict.fromkeys(classes):
        if name not in member.classes:
            raise HpoError(
                f"--classes {name}: a class of the task must hold, but got {name!r}. "
                f"Valid: {', '.join(member.classes)}."
            )
        number = member.classes.index(name)
        found = [position for position, label in enumerate(labels) if label == number]
        if len(found) < each:
            raise HpoError(
                f"--per-class {each}: as many series of every class in the test part must hold, "
                f"but got {len(found)} of class {name}. Ask for fewer."
            )
        picked += found[:each]
    return picked


def pick_layers(member: NetworkMember, layers: Sequence[str]) -> tuple[int, ...]:
    """Layers by number or as ``all`` or ``last``, checked.

    Raises:
        HpoError: there is no such layer.
    """
    n = member.n_layers
    valid = {"all": range(n), "last": range(n - 1, n)}
    valid |= {str(number): range(number, number + 1) for number in range(n)}
    picked: list[int] = []
    for name in layers:
        if name not in valid:
            numbers = "0" if n == 1 else f"0 to {n - 1}"
            raise HpoError(
                f"--layer {name}: a layer of the network must hold, but got {name!r}. "
                f"Valid: {numbers}, last, all."
            )
        picked += valid[name]
    return tuple(dict.fromkeys(picked))


def check_neurons(member: NetworkMember, layers: Sequence[int], neurons: Sequence[int]) -> None:
    """Check that each of the neurons is in one of the layers at least.

    Raises:
        HpoError: there is no such neuron.
    """
    width = max(member.widths[layer] for layer in layers)
    for neuron in neurons:
        if not 0 <= neuron < width:
            raise HpoError(
                f"--neurons {neuron}: a neuron of a layer must hold, but got {neuron}. "
                f"Valid: 0 to {width - 1}, auto, all."
            )


def telling_neuron(trace: Trace, layer: int) -> int:
    """The neuron of a layer that tells the shown series apart best.

    It has the largest standard deviation between the series, averaged over time; over time
    itself where one series is shown. The first one if all are alike.
    """
    import numpy as np

    values = trace.values[layer].astype(np.float64)  # (series, neurons, times)
    spread = values.std(axis=0).mean(axis=1) if len(values) > 1 else values[0].std(axis=1)
    return int(np.nan_to_num(spread, nan=-1.0, posinf=-1.0).argmax())


# --- what it reads --------------------------------------------------------------------------------


def confusion(ledger: LedgerReader, result: Result) -> Confusion | None:
    """How the best network of a study reads the test part, if it was kept and tells classes.

    Nothing is trained for it, and what this host lacks, such as the data, is no error.
    """
    if result.best is None or not isinstance(result.spec.objective_impl, NetworkObjective):
        return None
    choice = networks.with_kept(ledger, networks.choose(result))
    if choice.kept is None:
        return None
    try:
        member = networks.build(choice)
        if not member.classes:
            return None
        networks.restore(choice, member)
        return confusion_of(member)
    except _LACKING as error:
        log.warning("no confusion matrix here: %s", error)
        return None


def confusion_of(member: NetworkMember) -> Confusion:
    """How a trained network reads every series of the test part."""
    classes, read = member.classes, member.read().tolist()
    numbers = [*range(len(classes)), *([-1] if -1 in read else [])]
    pairs = Counter(zip(member.test_labels.tolist(), read, strict=True))
    return Confusion(
        classes=classes,
        read_as=[classes[n] if n >= 0 else "" for n in numbers],
        counts=[[pairs[label, n] for n in numbers] for label in range(len(classes))],
    )


# --- the numbers ----------------------------------------------------------------------------------


def write_csv(replay: Replay, stream: TextIO) -> None:
    """One row per value, the input as ``layer = input`` with its channel in place of a neuron.

    Likewise ``target`` and ``prediction`` of a network that predicts, with an output's number.
    """
    trace = replay.trace
    writer = csv.writer(stream, lineterminator="\n")
    value = f"{trace.quantity}_{trace.unit.replace('1/', 'per_')}" if trace.unit else trace.quantity
    writer.writerow(["image", "class", "read_as", "layer", "neuron", "time_ns", value])
    for series, head in _heads(replay):
        lines: list[tuple[object, object, Any]] = [
            ("input", channel, values) for channel, values in enumerate(trace.inputs[series].T)
        ]
        for layer, neurons in zip(replay.layers, replay.neurons, strict=True):
            lines += [(layer, neuron, trace.values[layer, series, neuron]) for neuron in neurons]
        for name, read in _outputs(trace).items():
            lines += [(name, output, values) for output, values in enumerate(read[series].T)]
        for layer_name, neuron, values in lines:
            times = trace.time_ns if layer_name != "input" else _input_times(trace)
            times = times[-len(values) :]  # outputs are read after the last points
            for time_ns, item in zip(times.tolist(), values.tolist(), strict=True):
                writer.writerow([*head.values(), layer_name, neuron, time_ns, item])


def write_json(replay: Replay, stream: TextIO) -> None:
    """One object: what the network is, the times, and every series with its neurons."""
    trace = replay.trace
    series = [
        {
            **head,
            "input": trace.inputs[index].T.tolist(),
            **{name: read[index].T.tolist() for name, read in _outputs(trace).items()},
            "layers": [
                {
                    "layer": layer,
                    "neurons": list(neurons),
                    "values": trace.values[layer, index, list(neurons)].tolist(),
                }
                for layer, neurons in zip(replay.layers, replay.neurons, strict=True)
            ],
        }
        for index, head in _heads(replay)
    ]
    whole = {
        "quantity": trace.quantity,
        "unit": trace.unit or "1",
        "dt_ns": trace.dt_ns,
        "input_time_ns": _input_times(trace).tolist(),
        "time_ns": trace.time_ns.tolist(),
        "steps_per_point": trace.steps_per_point,
        "series": series,
        "parameters": replay.found.choice.params.model_dump(mode="json"),
        **about(replay.found),
    }
    stream.write(json.dumps(json.loads(json_records.dumps(whole)), indent=1) + "\n")


def _heads(replay: Replay) -> Iterator[tuple[int, dict[str, Any]]]:
    trace = replay.trace
    facts = zip(trace.images.tolist(), trace.labels.tolist(), trace.predicted.tolist(), strict=True)
    for index, (image, label, predicted) in enumerate(facts):
        read_as = replay.class_name(predicted) if predicted >= 0 else None
        yield index, {"image": image, "class": replay.class_name(label), "read_as": read_as}


def _outputs(trace: Trace) -> dict[str, Any]:
    """What a network that predicts should read out, and does; each as in ``Trace``."""
    if trace.target is None:
        return {}
    return {"target": trace.target, "prediction": trace.prediction}


def _input_times(trace: Trace) -> Any:
    """When each input point begins to be held, in ns."""
    import numpy as np

    return trace.dt_ns * np.arange(trace.inputs.shape[1], dtype=np.float64)

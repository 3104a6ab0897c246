"""Replay of a trained network on series of the test part: selection, predictions,
numbers."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from hpo.contract import NetworkMember, NetworkObjective, Trace
from hpo.errors import HpoError
from hpo.ledger.reader import LedgerReader
from hpo.study.result import Result
from hpo.views.figures.networks import Confusion
from hpo.worker import network
from hpo.worker.network import StudyNetwork

log = logging.getLogger(__name__)

_LACKING = (HpoError, ImportError, MemoryError, RuntimeError)
"""Errors that mean that this host lacks something; PyTorch raises RuntimeError."""
_DEFAULT_CLASSES = 4
"""Number of classes shown by default, with one series each."""
_QUANTITIES = ("x", "y", "drive_per_ns")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A trained network on some series of the test part."""

    network: StudyNetwork
    member: NetworkMember
    """The network as an object with its weights."""
    trace: Trace

    def class_name(self, number: int) -> str:
        """Return the name of a class by its number; -1 means no prediction."""
        names = self.member.classes or ("",)
        return names[number] if number >= 0 else "nothing finite"


def pick(
    member: NetworkMember, images: Sequence[int] | None, classes: Sequence[str] | None
) -> list[int]:
    """Return positions in the test part: ``images`` themselves, else the first of each
    class.

    The default is the first four classes, or the first window if the network predicts.

    Raises:
        HpoError: the test part has no such position, or no series of that class.
    """
    labels, option = member.test_labels.tolist(), "--images"
    choices: Sequence[int | str] = images or ()
    places: dict[int | str, int] = {place: place for place in range(len(labels))}
    valid = f"0 to {len(labels) - 1}"
    if images is None:
        classed = sorted(set(labels)) if member.classes else []
        places = {member.classes[label]: labels.index(label) for label in classed}
        if classes is None:
            return [*places.values()][:_DEFAULT_CLASSES] or [0]
        option, choices = "--classes", classes
        valid = (
            ", ".join(map(str, places))
            or "none, since the network predicts; use --images"
        )
    for choice in choices:
        if choice not in places:
            raise HpoError(f"{option} {choice}: not in the test part. Valid: {valid}.")
    return [places[choice] for choice in dict.fromkeys(choices)]


def telling_neuron(trace: Trace, layer: int) -> int:
    """Return the neuron of a layer that separates the shown series best.

    Its state has the largest standard deviation between the series, averaged over time;
    for a single series, the largest over time. If all are equal, return the first
    neuron.
    """
    import numpy as np

    values = trace.x[layer].astype(np.float64)  # (series, neurons, times)
    spread = (
        values.std(axis=0).mean(axis=1) if len(values) > 1 else values[0].std(axis=1)
    )
    return int(np.nan_to_num(spread, nan=-1.0, posinf=-1.0).argmax())


def csv_text(replay: Replay) -> str:
    """Return every neuron of every layer as CSV: a row per time, with state x, output y
    and drive.

    Rows of layer ``input`` have a channel in place of a neuron, and a ``value``. So
    have rows of ``target`` and ``prediction`` of a network that predicts, with an
    output's number.
    """
    trace, stream = replay.trace, io.StringIO()
    write = csv.writer(stream, lineterminator="\n").writerow
    write(
        [
            "image",
            "class",
            "read_as",
            "layer",
            "neuron",
            "time_ns",
            "value",
            *_QUANTITIES,
        ]
    )
    times = trace.time_ns.tolist()
    signals: dict[str, Any] = {"input": trace.inputs}
    if trace.target is not None and trace.prediction is not None:
        signals |= {"target": trace.target, "prediction": trace.prediction}
    for series, (image, label, read) in enumerate(
        zip(
            trace.images.tolist(),
            trace.labels.tolist(),
            trace.predicted.tolist(),
            strict=True,
        )
    ):
        head = [
            image,
            replay.class_name(label),
            replay.class_name(read) if read >= 0 else "",
        ]
        for name, values in signals.items():
            when = times[:-1] if name == "input" else times[-values.shape[1] :]
            for number, curve in enumerate(values[series].T.tolist()):
                for time_ns, value in zip(when, curve, strict=True):
                    write([*head, name, number, time_ns, value, "", "", ""])
        for layer, width in enumerate(replay.member.widths):
            for neuron in range(width):
                place = layer, series, neuron
                columns = (q[place].tolist() for q in (trace.x, trace.y, trace.drive))
                for row in zip_longest(times, *columns, fillvalue=""):
                    write([*head, layer, neuron, row[0], "", *row[1:]])
    return stream.getvalue()


# --- predictions ---


def confusion(ledger: LedgerReader, result: Result) -> Confusion | None:
    """Return the confusion matrix of the best network on the test part, if a classifier
    is stored.

    Nothing is retrained; if this host lacks something, such as the data, return None.
    """
    if result.best is None or not isinstance(
        result.spec.objective_impl, NetworkObjective
    ):
        return None
    chosen = network.choose(result, ledger)
    if chosen.data is None:
        return None
    try:
        member = network.build(chosen)
        if not member.classes:
            return None
        read = member.read().tolist()
    except _LACKING as error:
        log.warning("no confusion matrix here: %s", error)
        return None
    numbers = [*range(len(member.classes)), *([-1] if -1 in read else [])]
    pairs = Counter(zip(member.test_labels.tolist(), read, strict=True))
    return Confusion(
        classes=member.classes,
        read_as=[member.classes[n] if n >= 0 else "" for n in numbers],
        counts=[
            [pairs[label, n] for n in numbers] for label in range(len(member.classes))
        ],
    )

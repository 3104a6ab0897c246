"""A trained network replayed on some series: what to show of it, and the numbers as CSV or JSON."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from hpo.errors import HpoError
from hpo.views import caveats, formatting, json_records
from hpo.views.formatting import unit, value_text
from hpo.views.numbers.confusion import Confusion
from hpo.views.palette import BLUE, BROWN, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION
from hpo.worker.artifacts.retrain import Retrained, about
from objectives.inspection import NetworkMember, Trace

DEFAULT_CLASSES = 4
"""Without a choice, one series of each of so many classes is shown."""
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK, BROWN, "#7B3294", "#7F8C00")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LABELS = {"x": "state x", "y": "output y", "drive": "drive I"}
"""What a quantity is called."""
MAX_CHANNELS = 8
"""So many channels of the input are drawn, each in a panel of its own."""
_VALUES = 2**22
"""So many values of neurons are held at once, of each quantity, where many series are replayed."""
_PER_LINE = 4
"""Parameters in a line of text."""


@dataclass(frozen=True, kw_only=True)
class LineStyle:
    """How a series is drawn: a colour and a dash for each class, thinner the later ones."""

    text: str
    colour: str
    dash: str
    """As plotly calls them."""
    width: float
    """In pixels."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Some neurons of a trained network, on some series of the test part."""

    retrained: Retrained
    trace: Trace
    layers: tuple[int, ...]
    neurons: tuple[tuple[int, ...], ...]
    """Neurons that are shown of each of ``layers``."""

    def class_name(self, number: int) -> str:
        """Name of a class by its number; of the number -1: that nothing was read."""
        names = self.retrained.network.classes or ("",)
        return names[number] if number >= 0 else "nothing finite"

    def look(self, series: int) -> LineStyle:
        """How a series is drawn, and what its legend says."""
        trace = self.trace
        label, image = int(trace.labels[series]), int(trace.images[series])
        if not self.retrained.network.classes:
            colour, dash = COLOURS[series % len(COLOURS)], _DASHES[series % len(_DASHES)]
            return LineStyle(text=f"window {image}", colour=colour, dash=dash, width=1.8)
        place = list(dict.fromkeys(trace.labels.tolist())).index(label)
        earlier = int((trace.labels[:series] == label).sum())
        read_as = int(trace.predicted[series])
        verdict = "" if read_as == label else f" ✗ read as {self.class_name(read_as)}"
        return LineStyle(
            text=f"class {self.class_name(label)} (image {image}){verdict}",
            colour=COLOURS[label % len(COLOURS)],
            dash=_DASHES[place % len(_DASHES)],
            width=max(0.8, 2.2 - 0.5 * earlier),
        )

    @property
    def label(self) -> str:
        """The quantity that is shown, with its unit."""
        unit = f" ({self.trace.unit})" if self.trace.unit else ""
        return LABELS[self.trace.quantity] + unit

    @property
    def common_range(self) -> list[float] | None:
        """One range for all layers, so that they can be compared; None without finite values."""
        shown = [
            value
            for layer, neurons in zip(self.layers, self.neurons, strict=True)
            for value in self.trace.values[layer][:, list(neurons)].ravel().tolist()
            if math.isfinite(value)
        ]
        if not shown:
            return None
        margin = 0.06 * (max(shown) - min(shown)) or 0.5
        return [min(shown) - margin, max(shown) + margin]

    @property
    def channels(self) -> int:
        """So many channels of the input are drawn, from the first on."""
        return min(int(self.trace.inputs.shape[2]), MAX_CHANNELS)

    def input_steps(self, channel: int) -> Iterator[tuple[int, list[float], list[float]]]:
        """Series, times and values: each point of the input is held for ``dt_ns``."""
        trace = self.trace
        times = [k * trace.dt_ns for k in range(trace.inputs.shape[1] + 1)]
        for series in range(len(trace.images)):
            values = trace.inputs[series, :, channel].tolist()
            yield series, times, [*values, values[-1]]

    def neuron_lines(self, row: int, column: int) -> Iterator[tuple[int, list[float]]]:
        """Series and values of a neuron, at the times of the trace."""
        layer, neuron = self.layers[row], self.neurons[row][column]
        for series in range(len(self.trace.images)):
            yield series, self.trace.values[layer, series, neuron].tolist()

    @property
    def outputs(self) -> int:
        """So many outputs of a network that predicts are drawn, from the first on."""
        target = self.trace.target
        return 0 if target is None else min(int(target.shape[2]), MAX_CHANNELS)

    def output_lines(
        self, output: int
    ) -> Iterator[tuple[int, list[float], list[float], list[float]]]:
        """Series, times, target and prediction, which are read after each of the last points."""
        trace = self.trace
        assert trace.target is not None
        assert trace.prediction is not None
        times = trace.time_ns[-trace.target.shape[1] :].tolist()
        for series in range(len(trace.images)):
            both = trace.target[series, :, output], trace.prediction[series, :, output]
            yield series, times, both[0].tolist(), both[1].tolist()

    def rest(self, row: int, column: int) -> float | None:
        """Where a neuron rests without input; None of a drive, which has no state."""
        if self.trace.quantity == "drive":
            return None
        return float(self.trace.values[self.layers[row], 0, self.neurons[row][column], 0])

    def panel_titles(self, columns: int) -> list[str]:
        """Row by row, the input first; empty where a layer shows fewer than ``columns`` neurons."""
        there, titles = self.trace.inputs.shape[2], []
        for channel in range(self.channels):
            of = f" of {there}" if there > self.channels else ""
            titles += [f"input, channel {channel}{of}" if there > 1 else "input"] * columns
        for layer, neurons in zip(self.layers, self.neurons, strict=True):
            own = [f"layer {layer}, neuron {neuron}" for neuron in neurons]
            titles += own + [""] * (columns - len(own))
        for output in range(self.outputs):
            number = f" {output}" if self.outputs > 1 else ""
            titles += [f"target{number} (dotted) and prediction", *[""] * (columns - 1)]
        return titles

    @property
    def parameter_lines(self) -> list[str]:
        """The searched parameters with their units."""
        choice = self.retrained.choice
        params = choice.suggested
        searched = [name for name in choice.snapshot.spec.parameters if name in params]
        texts = [f"{name} = {value_text(params[name])} {unit(name)}".rstrip() for name in searched]
        return [", ".join(texts[i : i + _PER_LINE]) for i in range(0, len(texts), _PER_LINE)]

    @property
    def heading(self) -> tuple[str, str]:
        """Which network and how good it is; on what it was scored."""
        choice, network = self.retrained.choice, self.retrained.network
        spec, outcome = choice.snapshot.spec, self.retrained.outcome
        score = formatting.score_text(spec, outcome.score) + (", diverged" * outcome.diverged)
        score += f" {at}" if (at := self.retrained.score_at) else ""
        if (solved := outcome.solved) is not None:
            score = f"{formatting.score_text(spec, solved.score)} {caveats.SOLVED}, {score}"
        alike = len(set(network.widths)) == 1
        size = (
            f"{network.n_layers} × {network.width}" if alike else "+".join(map(str, network.widths))
        )
        what = f"{spec.objective}, {size} neurons, scored on "
        head = f"{spec.name}, {choice.name}: {spec.objective_impl.metric} {score}"
        drawn = "" if self.trace.steps_per_point is None else f"; time series {caveats.SOLVED}"
        return head, what + choice.scored_on + drawn


def default(retrained: Retrained) -> Replay:
    """The state of one neuron of every layer on one series of each of the first classes."""
    network = retrained.network
    trace = network.trace(pick_images(network, None), "x")
    layers = pick_layers(network, ["all"])
    neurons = tuple((telling_neuron(trace, layer),) for layer in layers)
    return Replay(retrained=retrained, trace=trace, layers=layers, neurons=neurons)


def confusion(network: NetworkMember) -> Confusion:
    """How a trained network reads every series of the test part, some at a time."""
    labels = network.test_labels.tolist()
    least = max(1, _VALUES // network.trace([0], "y").values.size)
    read = []
    for first in range(0, len(labels), least):
        some = range(first, min(first + least, len(labels)))
        read += network.trace(some, "y").predicted.tolist()
    numbers = [*range(len(network.classes)), *([-1] if -1 in read else [])]
    pairs = Counter(zip(labels, read, strict=True))
    return Confusion(
        classes=network.classes,
        read_as=[network.classes[n] if n >= 0 else "" for n in numbers],
        counts=[[pairs[label, n] for n in numbers] for label in range(len(network.classes))],
    )


def pick_images(network: NetworkMember, images: Sequence[int] | None) -> list[int]:
    """Positions in the test part, checked; without any, one of each of the first classes.

    Raises:
        HpoError: a position does not exist.
    """
    if images is None and not network.classes:
        return [0]
    if images is None:
        present = sorted(set(network.test_labels.tolist()))[:DEFAULT_CLASSES]
        return pick_classes(network, [network.classes[number] for number in present], 1)
    count = len(network.test_labels)
    for image in images:
        if not 0 <= image < count:
            raise HpoError(
                f"--images {image}: a position in the test part must hold, but got {image}. "
                f"Valid: 0 to {count - 1}."
            )
    return list(dict.fromkeys(images))


def pick_classes(network: NetworkMember, classes: Sequence[str], each: int) -> list[int]:
    """The first ``each`` series of each class in the test part, class by class.

    Raises:
        HpoError: a class does not exist, or has fewer series.
    """
    if not network.classes:
        raise HpoError(
            f"--classes {','.join(classes)}: a network that tells classes must hold, but got one "
            f"that predicts. Choose windows of the test part: --images 0,1."
        )
    labels = network.test_labels.tolist()
    picked: list[int] = []
    for name in dict.fromkeys(classes):
        if name not in network.classes:
            raise HpoError(
                f"--classes {name}: a class of the task must hold, but got {name!r}. "
                f"Valid: {', '.join(network.classes)}."
            )
        number = network.classes.index(name)
        found = [position for position, label in enumerate(labels) if label == number]
        if len(found) < each:
            raise HpoError(
                f"--per-class {each}: as many series of every class in the test part must hold, "
                f"but got {len(found)} of class {name}. Ask for fewer."
            )
        picked += found[:each]
    return picked


def pick_layers(network: NetworkMember, layers: Sequence[str]) -> tuple[int, ...]:
    """Layers by number or as ``all`` or ``last``, checked.

    Raises:
        HpoError: there is no such layer.
    """
    n = network.n_layers
    valid = {
        "all": range(n),
        "last": range(n - 1, n),
        **{str(i): range(i, i + 1) for i in range(n)},
    }
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


def check_neurons(
    network: NetworkMember, layers: Sequence[int], neurons: Sequence[int]
) -> tuple[int, ...]:
    """Neurons by their position in layers, checked: each is in one of these at least.

    Raises:
        HpoError: there is no such neuron.
    """
    width = max(network.widths[layer] for layer in layers)
    for neuron in neurons:
        if not 0 <= neuron < width:
            raise HpoError(
                f"--neurons {neuron}: a neuron of a layer must hold, but got {neuron}. "
                f"Valid: 0 to {width - 1}, auto, all."
            )
    return tuple(dict.fromkeys(neurons))


def telling_neuron(trace: Trace, layer: int) -> int:
    """The neuron of a layer that tells the shown series apart best.

    It has the largest standard deviation between the series, averaged over time; over time
    itself where one series is shown. The first one if all are alike.
    """
    import numpy as np

    values = trace.values[layer].astype(np.float64)  # (series, neurons, times)
    spread = values.std(axis=0).mean(axis=1) if len(values) > 1 else values[0].std(axis=1)
    return int(np.nan_to_num(spread, nan=-1.0, posinf=-1.0).argmax())


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
        "parameters": replay.retrained.choice.params.model_dump(mode="json"),
        **about(replay.retrained),
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

"""A kept network, its facts as JSON, and its neurons over time as numbers.

The ledger keeps of every confirmed trial the network of least training loss.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from hpo.contract import NetworkMember, ObjectiveParams, Protocol, Trace, facts
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views.records import json_records
from hpo.views.sentences import caveats, formatting

SCORED_ON = "the test part"
"""The data that score a kept network."""
_COLUMNS = (
    "image",
    "class",
    "read_as",
    "layer",
    "neuron",
    "time_ns",
    "value",
    "x",
    "y",
    "drive_per_ns",
)


@dataclass(frozen=True, kw_only=True)
class KeptNetwork:
    """The network of a confirmation training."""

    result: Result
    trial: Trial
    """The search trial that sets its parameters."""
    slot: Trial
    """The confirmation training that made it."""
    data: bytes
    """The network as safetensors, see ``Outcome.network``."""

    @property
    def name(self) -> str:
        """``trial 7, fresh seed 1 of 10``."""
        return self.result.label(self.slot)

    @property
    def fresh_seed(self) -> int | None:
        """Which fresh seed of its trial trained it, from 1, as ``name`` counts; None
        without a confirmation."""
        confirm = self.result.spec.confirm
        return None if confirm is None else confirm.fresh_seed(self.slot.number) + 1

    @property
    def measured(self) -> Member:
        """Result of its training."""
        return self.slot.members[0]

    @property
    def params(self) -> ObjectiveParams:
        """All parameters of its training, by the class of the objective."""
        spec = self.result.spec
        return spec.params(self.trial.params, epochs=spec.confirm_epochs)

    @property
    def values(self) -> dict[str, Any]:
        """The same without the class of the objective, as JSON has them."""
        spec = self.result.spec
        return spec.all_values(self.trial.params, epochs=spec.confirm_epochs)

    @property
    def score_at(self) -> str:
        """``at the study's step``: the step of the score; empty if the equation has
        none."""
        if self.result.spec.integrates or self.measured.solved is not None:
            return caveats.AT_STEP
        return ""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A kept network on some series of the test part."""

    network: KeptNetwork
    member: NetworkMember
    """The network as an object with its weights."""
    trace: Trace

    def class_name(self, number: int) -> str:
        """Return the name of a class by its number; -1 means no prediction."""
        if number < 0:
            return "nothing finite"
        return self.member.classes[number] if self.member.classes else ""


def telling_neuron(trace: Trace, layer: int) -> int:
    """Return the neuron of a layer that separates the shown series best.

    Its state has the largest standard deviation between the series, averaged over time;
    for a single series, the largest over time. If all are equal, return the first
    neuron.
    """
    import numpy as np

    values = trace.x[layer].astype(np.float64)  # (series, neurons, times)
    if len(values) > 1:
        spread = values.std(axis=0).mean(axis=1)
    else:
        spread = values[0].std(axis=1)
    return int(np.nan_to_num(spread, nan=-1.0, posinf=-1.0).argmax())


# --- neurons as numbers ---


def csv_text(replay: Replay) -> str:
    """Return every neuron of every layer as CSV: a row per time, with state x, output y
    and drive.

    Rows of layer ``input`` have a channel in place of a neuron, and a ``value``. So
    have rows of ``target`` and ``prediction`` of a network that predicts, with an
    output's number.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(_COLUMNS)
    trace = replay.trace
    for series, image in enumerate(trace.images.tolist()):
        read_as = int(trace.predicted[series])
        head = [
            image,
            replay.class_name(int(trace.labels[series])),
            replay.class_name(read_as) if read_as >= 0 else "",
        ]
        for row in [*_signals(trace, series), *_neurons(replay, series)]:
            table.writerow(head + row)
    return stream.getvalue()


def _signals(trace: Trace, series: int) -> list[list[Any]]:
    """Return the rows of the input, and of target and prediction if there are any."""
    times = trace.time_ns.tolist()
    signals: list[tuple[str, list[float], Any]] = [("input", times[:-1], trace.inputs)]
    if trace.target is not None and trace.prediction is not None:
        read_at = trace.read_ns.tolist()
        signals.append(("target", read_at, trace.target))
        signals.append(("prediction", read_at, trace.prediction))
    return [
        [name, number, time_ns, value, "", "", ""]
        for name, when, values in signals
        for number, curve in enumerate(values[series].T.tolist())
        for time_ns, value in zip(when, curve, strict=True)
    ]


def _neurons(replay: Replay, series: int) -> list[list[Any]]:
    """Return the rows of all neurons; the drive ends one time before the state."""
    trace = replay.trace
    rows: list[list[Any]] = []
    for layer, width in enumerate(replay.member.widths):
        for neuron in range(width):
            quantities = zip_longest(
                trace.time_ns.tolist(),
                trace.x[layer, series, neuron].tolist(),
                trace.y[layer, series, neuron].tolist(),
                trace.drive[layer, series, neuron].tolist(),
                fillvalue="",
            )
            rows += [[layer, neuron, t, "", x, y, d] for t, x, y, d in quantities]
    return rows


# --- its facts ---


def record(kept: KeptNetwork) -> dict[str, Any]:
    """Return the facts about a network, JSON-ready: units, scores, lineage."""
    whole = {
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameter_units": {
            name: formatting.unit(name) or "1"
            for name, value in kept.values.items()
            if not isinstance(value, str | bool | dict)
        },
        "scores": _scores(kept),
        "lineage": _lineage(kept),
    }
    return dict(json.loads(json_records.dumps(whole)))


def _scores(kept: KeptNetwork) -> dict[str, Any]:
    spec = kept.result.spec
    scores: dict[str, Any] = {
        "metric": spec.about.metric,
        "score": kept.measured.score,
        "scored_on": SCORED_ON,
        "score_at": kept.score_at,
        "protocol": Protocol.CONFIRM.value,
        "diverged": kept.measured.diverged,
        "trial_search_score": kept.trial.score,
        "info": {},
    }
    for item in kept.result.confirmations:
        if item.source == kept.trial.number:
            scores |= {
                "trial_confirmed_scores": list(item.scores),
                "trial_confirmed_step_scores": list(item.step_scores),
                "trial_confirmed_wanted": item.n_seeds,
                "trial_confirmed_failed": item.failed,
                "trial_confirmed_on": caveats.basis(spec, item),
                "warning": caveats.of(spec, item).warning,
            }
    for name, value in kept.measured.info.items():
        place = scores if name in facts.RESERVED else scores["info"]
        place[name] = value
    return scores


def _lineage(kept: KeptNetwork) -> dict[str, Any]:
    spec = kept.result.spec
    return {
        "study": spec.name,
        "spec_hash": spec.hash,
        "spec": spec.stored(),
        "trial": kept.trial.number,
        "network": kept.name,
        "fresh_seed": kept.fresh_seed,
        "seed": kept.measured.seed,
        "stored_by": dict(kept.slot.lineage),
    }

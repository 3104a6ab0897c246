"""Prometheus metrics of all studies of a database at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from math import inf

from hpo.provenance import numerics, source
from hpo.study.trials import SlotState, StudyState, WorkerInfo, refusing
from hpo.views.pages.overview import Study

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""
_Sample = tuple[dict[str, str], float]
"""Labels and a value."""


def metrics(
    studies: Sequence[Study], workers: Sequence[WorkerInfo], age_s: float
) -> str:
    """Return every metric with its help; all are gauges, since a retry takes results
    back.

    ``age_s``: seconds since the values were read.
    """
    states = Counter(item.state for item, _ in studies)
    by_state: list[_Sample] = [({"state": s}, states[s]) for s in StudyState]
    age: list[_Sample] = [({}, round(age_s, 1))]
    alive: list[_Sample] = [({}, sum(worker.alive for worker in workers))]
    refused: list[_Sample] = [({}, _count_refused(studies, workers))]
    families = (
        ("info", "1, with the version of the dashboard.", [(_version(), 1)]),
        ("age_seconds", "Seconds since these values were read.", age),
        ("studies", "Studies by state.", by_state),
        ("studies_refused", "Open studies that a live worker refuses.", refused),
        ("trials", "Search trials by study and state.", _trials(studies)),
        (
            "queue_length",
            "Trials of an open study that no worker has started.",
            _queues(studies),
        ),
        ("workers_alive", "Live workers.", alive),
        (
            "worker_heartbeat_age_seconds",
            "Seconds since a worker's last heartbeat.",
            _silent(workers),
        ),
    )
    lines: list[str] = []
    for name, text, samples in families:
        lines.append(f"# HELP hpo_{name} {text}")
        lines.append(f"# TYPE hpo_{name} gauge")
        for labels, value in samples:
            lines.append(f"hpo_{name}{_braced(labels)} {value:.12g}")
    return "\n".join(lines) + "\n"


def _trials(studies: Sequence[Study]) -> Iterator[_Sample]:
    for item, card in studies:
        counts = Counter({SlotState.RUNNING: item.running})
        if card is not None:
            for state, n in card.progress.ended.items():
                counts[state] += n
        for state in SlotState:
            yield {"study": item.name, "state": state}, counts[state]


@cache
def _version() -> dict[str, str]:
    """Return the labels of the version of this installation."""
    [version] = numerics.versions(["hpo-dynamics"]).values()
    revision, _, _ = str(source.revision()["revision"]).partition(" ")
    return {"version": version, "revision": revision[:10]}


def _count_refused(studies: Sequence[Study], workers: Sequence[WorkerInfo]) -> int:
    open_ones = [item.name for item, _ in studies if item.state == StudyState.OPEN]
    return sum(bool(refusing(name, workers)) for name in open_ones)


def _queues(studies: Sequence[Study]) -> Iterator[_Sample]:
    for item, card in studies:
        if card is not None and item.state == StudyState.OPEN:
            begun = item.finished + item.running
            yield {"study": item.name}, max(0, card.progress.trials - begun)


def _silent(workers: Sequence[WorkerInfo]) -> Iterator[_Sample]:
    """Yield the age of heartbeats; infinite if unknown, so that an alert fires."""
    for worker in workers:
        if worker.is_listed:
            age_s = worker.seconds_silent
            labels = {"worker": worker.name, "host": worker.host}
            yield labels, inf if age_s is None else round(age_s, 1)


def _braced(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    each = [f'{name}="{_escaped(text)}"' for name, text in labels.items()]
    return f"{{{','.join(each)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

"""All studies as numbers for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hpo.study.trials import Listed, SlotState, StudyState, WorkerInfo, WorkerState
from hpo.views.overview.page import Card

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Samples = Iterable[tuple[Mapping[str, str], float]]


def text(
    studies: Sequence[tuple[Listed, Card | None]], workers: Sequence[WorkerInfo], age_s: float
) -> str:
    """Every metric with its help; all are gauges, since a retry takes results back.

    ``age_s``: seconds since all that was read.
    """
    states = Counter(item.state for item, _ in studies)
    metrics: tuple[tuple[str, str, _Samples], ...] = (
        ("hpo_age_seconds", "Since all this was read.", [({}, round(age_s, 1))]),
        ("hpo_studies", "Studies by state.", [({"state": s}, states[s]) for s in StudyState]),
        ("hpo_trials", "Trials of the search by study and state.", _trials(studies)),
        (
            "hpo_queue_length",
            "Trials of an open study that no worker has taken up.",
            [
                ({"study": item.name}, max(0, card.trials - item.settled - item.running))
                for item, card in studies
                if card and item.state == StudyState.OPEN
            ],
        ),
        ("hpo_workers_alive", "Workers that live.", [({}, sum(w.alive for w in workers))]),
        (
            "hpo_worker_heartbeat_age_seconds",
            "Since the last sign of life of a worker that has not ended.",
            [
                ({"worker": worker.name, "host": worker.host}, round(worker.seconds_silent, 1))
                for worker in workers
                if worker.alive or worker.state != WorkerState.ENDED
            ],
        ),
    )
    return "".join(_family(*metric) for metric in metrics)


def _trials(studies: Sequence[tuple[Listed, Card | None]]) -> _Samples:
    for item, card in studies:
        counts = {**(card.counts if card else {}), SlotState.RUNNING: item.running}
        for state in SlotState:
            yield {"study": item.name, "state": state}, counts.get(state, 0)


def _family(name: str, said: str, samples: _Samples) -> str:
    lines = [f"# HELP {name} {said}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{named}}} {value:.12g}" if named else f"{name} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

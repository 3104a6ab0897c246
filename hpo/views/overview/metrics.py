"""All studies as numbers for Prometheus, in its text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from hpo.study.snapshot import StudyState, WorkerState
from hpo.study.summary import RECENT_S, Course, Overview, StudySummary
from hpo.study.trials import SlotState
from hpo.views.overview.page import at_work

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Samples = Iterable[tuple[Mapping[str, str], float]]


def text(overview: Overview, age_s: float) -> str:
    """Every metric with its help; all are gauges, since a retry takes results back.

    ``age_s``: seconds since it was read.
    """
    alive = [worker for worker in overview.workers if worker.alive]
    studies = Counter(study.state for _, study, _ in overview.studies)
    waiting = [({"study": study.name}, _waiting(overview, study)) for study in _open(overview)]
    metrics: tuple[tuple[str, str, _Samples], ...] = (
        ("hpo_age_seconds", "Since all this was read.", [({}, round(age_s, 1))]),
        ("hpo_studies", "Studies by state.", [({"state": s}, studies[s]) for s in StudyState]),
        ("hpo_trials", "Trials of the search by study and state.", _trials(overview)),
        ("hpo_queue_length", "Trials of an open study that no worker has taken up.", waiting),
        ("hpo_workers_alive", "Workers that live.", [({}, len(alive))]),
        (
            "hpo_epochs_per_second",
            f"Epochs of the trainings that ended in the last {RECENT_S:.0f} s, per second.",
            [({"study": study.name}, _pace(overview, course)) for study, course in _seen(overview)],
        ),
        (
            "hpo_worker_heartbeat_age_seconds",
            "Since the last sign of life of a worker that has not ended.",
            [
                ({"worker": worker.name, "host": worker.host}, round(worker.seconds_silent, 1))
                for worker in overview.workers
                if worker.alive or worker.state != WorkerState.ENDED
            ],
        ),
    )
    return "".join(_family(*metric) for metric in metrics)


def _open(overview: Overview) -> list[StudySummary]:
    return [study for _, study, _ in overview.studies if study.state == StudyState.OPEN]


def _seen(overview: Overview) -> list[tuple[StudySummary, Course]]:
    """Studies that are open, or were a few minutes ago."""
    return [
        (study, course)
        for _, study, course in overview.studies
        if study.state == StudyState.OPEN or _pace(overview, course)
    ]


def _trials(overview: Overview) -> _Samples:
    for _, study, course in overview.studies:
        counts = {str(state): course.counts.get(state, 0) for state in SlotState}
        counts[SlotState.RUNNING] = _running(overview, study)
        yield from (({"study": study.name, "state": state}, n) for state, n in counts.items())


def _running(overview: Overview, study: StudySummary) -> int:
    return sum(worker.phase == "search" for worker in at_work(overview, study))


def _waiting(overview: Overview, study: StudySummary) -> int:
    return max(0, study.trials - study.settled - _running(overview, study))


def _pace(overview: Overview, course: Course) -> float:
    since = overview.now - timedelta(seconds=RECENT_S)
    return round(sum(epochs for at, epochs in course.trained if at > since) / RECENT_S, 4)


def _family(name: str, said: str, samples: _Samples) -> str:
    lines = [f"# HELP {name} {said}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{named}}} {value:.12g}" if named else f"{name} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

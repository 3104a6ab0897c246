"""All studies of a database at one moment: the dashboard's home page, and Prometheus
metrics; and the workers and events on the page of a study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from hpo.study.result import Progress, Result, Search
from hpo.study.trials import (
    Event,
    Listed,
    SlotState,
    StudyState,
    WorkerInfo,
    WorkerState,
)
from hpo.views.figures.scores import axis_score, clocks, incumbents, reported_score
from hpo.views.pages.page import template
from hpo.views.sentences import caveats, comparison, formatting, progress, verdict

WIDTH, HEIGHT = 260.0, 84.0
"""Size of a small plot, in its unit, without labels and the confirmed score beside
it."""
_LONGEST = 200
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""
_Samples = Iterable[tuple[Mapping[str, str], float]]
_Heights = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A plot of ``WIDTH`` by ``HEIGHT``; heights are measured from its top."""

    high: str
    """The score at its top."""
    low: str
    """The score at its bottom."""
    best: str
    """The best score so far, as an SVG path."""
    reported: _Heights | None
    """Heights of the reported score, and of the ends of its band; None if nothing is
    reported."""
    confirmed: _Heights | None
    """Likewise of the confirmed score."""
    baseline: _Heights | None
    """Likewise of the best baseline."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A study's result for the home page and the metrics."""

    description: str
    claim: str
    """Its score; empty while there is none."""
    gap: str
    """The comparison with the reported score."""
    facts: Mapping[str, str]
    """Sentences, by a heading of one or two words."""
    curve: Curve | None
    progress: Progress


Study = tuple[Listed, Card | None]
"""A study in a list, and its card; None if the study is unreadable here."""


def card(result: Result) -> Card:
    """Return the card of a result: small, so that every study's can be cached."""
    spec, score, item, at = (
        result.spec,
        result.headline,
        result.confirmed,
        result.progress,
    )
    ended = f": {counts}" if (counts := progress.ended(result)) else ""
    facts = {
        "Trials": (
            f"{at.settled:,} of {at.trials:,} settled{ended}; {at.epochs:,} epochs"
        )
    }
    if not result.selects:
        facts["Points"] = verdict.verdict(result)
    if item is not None and score is not None:
        aside = caveats.aside(spec, item)
        facts["Confirmed"] = f"trial {item.source}, on {score.n} fresh seeds"
        facts["Confirmed"] += f"; {aside}" if aside else ""
        facts["Search"] = f"claimed {formatting.score_text(spec, item.search_score)}"
    facts["Baseline"] = comparison.beside(result).removeprefix("best baseline ")
    facts["Tags"] = ", ".join(spec.tags)
    return Card(
        description=spec.description,
        claim=verdict.headline(result),
        gap=comparison.gap_text(result) or formatting.reported_text(spec),
        facts=facts,
        curve=curve(result),
        progress=at,
    )


def curve(result: Result) -> Curve | None:
    """Return the plot of a search; None for other studies, and while no trial is
    complete.

    The width is the whole budget. The first half of the steps may lie below the plot.
    """
    spec, at, score = result.spec, result.progress, result.headline
    best = incumbents(result, clocks(result)[0]) if type(result) is Search else []
    if not best:
        return None
    confirmed, reported = None, reported_score(spec)
    if score is not None and score.confirmed:
        confirmed = (
            formatting.shown(spec, score.score),
            formatting.shown(spec, score.std or 0.0),
        )
    scores = [axis_score(spec, trial) for trial in best]
    shown = scores[len(scores) // 2 :]
    simplest = next(
        ((formatting.shown(spec, one.score), 0.0) for one in result.baselines), None
    )
    for centre, spread in filter(None, (reported, confirmed, simplest)):
        shown += [centre - spread, centre + spread]
    margin = 0.08 * (max(shown) - min(shown)) or 0.05 * abs(shown[0]) or 1.0
    low, high = min(shown) - margin, max(shown) + margin
    high = min(high, 100.0) if spec.is_accuracy else high

    def y(value: float) -> float:
        share = (high - value) / (high - low)
        return round(min(max(share, -1.0), 2.0) * HEIGHT, 1)

    def x(trials: int) -> float:
        return round(WIDTH * min(1.0, trials / max(1, at.trials)), 1)

    def heights(pair: tuple[float, float] | None) -> _Heights | None:
        return pair and (y(pair[0]), y(pair[0] + pair[1]), y(pair[0] - pair[1]))

    corners = [
        (x(trial.number + 1), y(value))
        for trial, value in zip(best, scores, strict=True)
    ]
    path = "".join(f"H{right}V{height}" for right, height in corners)
    end = x(max(at.settled, best[-1].number + 1))
    return Curve(
        high=f"{high:.3g}",
        low=f"{low:.3g}",
        best=f"M{corners[0][0]} {corners[0][1]}{path}H{end}",
        reported=heights(reported),
        confirmed=heights(confirmed),
        baseline=heights(simplest),
    )


# --- pages ---


@dataclass(frozen=True)
class _Shown:
    """A study on the home page: its card and its workers."""

    study: Listed
    card: Card | None
    workers: Sequence[WorkerInfo]

    @property
    def state(self) -> str:
        """Return the state in a word, with regard to the workers."""
        if self.study.state != StudyState.OPEN:
            return (
                "finished"
                if self.study.state == StudyState.DONE
                else str(self.study.state)
            )
        if not self.workers:
            return "waiting"
        searched = (
            self.card is not None and self.study.settled >= self.card.progress.trials
        )
        return "confirming" if searched else "running"

    @property
    def facts(self) -> Mapping[str, str]:
        study, reason = self.study, (self.study.reason or "").strip().partition("\n")[0]
        facts = dict(self.card.facts) if self.card else {}
        facts["Unreadable"] = formatting.cut(study.problem, _LONGEST)
        if study.state == StudyState.OPEN:
            facts |= {"Workers": self._at_work(), "Priority": str(study.priority or "")}
        if study.state in (StudyState.FAILED, StudyState.STOPPED):
            head = "Reason" if study.state == StudyState.FAILED else "Stopped by"
            facts[head] = formatting.cut(reason, _LONGEST)
        return {name: text for name, text in facts.items() if text}

    def _at_work(self) -> str:
        hosts = {worker.host for worker in self.workers}
        where = f"{len(hosts)} hosts" if len(hosts) > 1 else "".join(hosts)
        return f"{len(self.workers)} at work on {where}" if hosts else "none at work"


def home(
    studies: Sequence[Study],
    others: Sequence[tuple[int, str]],
    workers: Sequence[WorkerInfo],
    events: Sequence[Event],
) -> str:
    """Return the home page as HTML, which names its style sheet and its script.

    ``studies`` are sorted oldest first, ``others`` are numbers and names of Optuna's
    own studies, ``events`` are sorted newest last.
    """
    alive = [worker for worker in workers if worker.alive]
    shown = [
        _Shown(study, card, [worker for worker in alive if worker.study == study.name])
        for study, card in reversed(studies)
    ]
    running = sum(bool(one.workers) for one in shown)
    return template("home.html.j2").render(
        running=[one for one in shown if one.study.state != StudyState.DONE],
        finished=[one for one in shown if one.study.state == StudyState.DONE],
        others=others,
        events=events[::-1],
        heading=(
            f"{len(shown):,} {'study' if len(shown) == 1 else 'studies'}, {running}"
            f" running; {len(alive) or 'no'}"
            f" {'worker' if len(alive) < 2 else 'workers'} alive"
        ),
        width=WIDTH,
        height=HEIGHT,
    )


def no_study(option: str) -> str:
    """Return a page that says how to start a study.

    ``option``: options by which a command reaches this database, without a password;
    mostly empty.
    """
    return template("notice.html.j2").render(title="No study yet", option=option)


def notice(title: str, reason: str) -> str:
    """Return a page that says why something cannot be shown now; it reloads by
    itself."""
    return template("notice.html.j2").render(title=title, reason=reason, home=True)


def drawing(title: str) -> str:
    """Return a page that stands in for one that is being drawn for the first time."""
    return notice(title, "Reading trials and drawing figures.")


def now(
    name: str, number: int, workers: Sequence[WorkerInfo], events: Sequence[Event]
) -> str:
    """Return the part of a study's page with its workers and last events.

    ``number`` is Optuna's number of the study.
    """
    serving = [worker for worker in workers if worker.study == name and worker.alive]
    return template("now.html.j2").render(
        number=number, workers=serving, events=events[::-1]
    )


# --- Prometheus ---


def metrics(
    studies: Sequence[Study], workers: Sequence[WorkerInfo], age_s: float
) -> str:
    """Return every metric with its help; all are gauges, since a retry takes results
    back.

    ``age_s``: seconds since the values were read.
    """
    states = Counter(item.state for item, _ in studies)
    queues = [
        (
            {"study": item.name},
            max(0, card.progress.trials - item.settled - item.running),
        )
        for item, card in studies
        if card and item.state == StudyState.OPEN
    ]
    silent = [  # infinite if unknown, so that an alert fires
        (
            {"worker": w.name, "host": w.host},
            inf if (s := w.seconds_silent) is None else round(s, 1),
        )
        for w in workers
        if w.alive or w.state != WorkerState.ENDED
    ]
    families: dict[tuple[str, str], _Samples] = {
        ("age_seconds", "Seconds since these values were read."): [
            ({}, round(age_s, 1))
        ],
        ("studies", "Studies by state."): [
            ({"state": s}, states[s]) for s in StudyState
        ],
        ("trials", "Search trials by study and state."): _trials(studies),
        ("queue_length", "Trials of an open study that no worker has started."): queues,
        ("workers_alive", "Live workers."): [({}, sum(w.alive for w in workers))],
        (
            "worker_heartbeat_age_seconds",
            "Seconds since a worker's last heartbeat.",
        ): silent,
    }
    return "".join(
        _family(f"hpo_{name}", text, s) for (name, text), s in families.items()
    )


def _trials(studies: Sequence[Study]) -> _Samples:
    for item, card in studies:
        counts = Counter({SlotState.RUNNING: item.running})
        for (state, _), n in card.progress.ended.items() if card else ():
            counts[state] += n
        for state in SlotState:
            yield {"study": item.name, "state": state}, counts[state]


def _family(name: str, help_: str, samples: _Samples) -> str:
    lines = [f"# HELP {name} {help_}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        named = ",".join(
            f'{label}="{_escaped(text)}"' for label, text in labels.items()
        )
        lines.append(
            f"{name}{{{named}}} {value:.12g}" if named else f"{name} {value:.12g}"
        )
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

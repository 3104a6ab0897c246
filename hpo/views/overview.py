"""All studies of a database at one moment: the dashboard's home page, and Prometheus' text; and
what stands on a study's page beside its report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from hpo.study.result import Result, Search
from hpo.study.trials import Event, Listed, SlotState, StudyState, WorkerInfo, WorkerState
from hpo.views import caveats, formatting, verdict
from hpo.views.page import template
from hpo.views.scores import axis_score, clocks, incumbents, reported_score

WIDTH, HEIGHT = 260.0, 84.0
"""Of a small picture's plot, in its unit; labels and what is confirmed stand beside it."""
_LONGEST = 200
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""
_Samples = Iterable[tuple[Mapping[str, str], float]]
_Heights = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A picture of ``WIDTH`` by ``HEIGHT``; heights are measured from its top."""

    high: str
    """The score at its top."""
    low: str
    """The score at its bottom."""
    best: str
    """The best so far, as the path of an SVG."""
    reported: _Heights | None
    """Heights of the reported score, and of the ends of its band; None if nothing is reported."""
    confirmed: _Heights | None
    """Likewise of what was confirmed."""
    baseline: _Heights | None
    """Likewise of the best baseline."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the home page and the metrics show of a study's result."""

    description: str
    claim: str
    """Its score; empty as long as there is none."""
    gap: str
    """What that is, held against the reported one."""
    facts: Mapping[str, str]
    """What is said of it, by a heading of one or two words."""
    curve: Curve | None
    trials: int
    """How many there will be, as far as is known."""
    counts: Mapping[SlotState, int]
    """How many trials of the search are in which state."""


Study = tuple[Listed, Card | None]
"""A study in a list; no card of one that cannot be read here."""


def card(result: Result) -> Card:
    """What is shown of a result: little, so that it can be kept of every study."""
    spec, found, item, at = result.spec, result.headline, result.confirmed, result.progress
    ended = f": {counts}" if (counts := verdict.ended(result)) else ""
    facts = {"Trials": f"{at.settled:,} of {at.trials:,} settled{ended}; {at.epochs:,} epochs"}
    if not result.selects:
        facts["Points"] = verdict.verdict(result)
    if item is not None and found is not None:
        aside = caveats.aside(spec, item)
        facts["Confirmed"] = f"trial {item.source}, on {found.n} fresh seeds"
        facts["Confirmed"] += f"; {aside}" if aside else ""
        facts["Search"] = f"claimed {formatting.score_text(spec, item.search_score)}"
    facts["Baseline"] = verdict.beside(result).removeprefix("best baseline ")
    return Card(
        description=spec.description,
        claim=verdict.headline(result),
        gap=verdict.gap_text(result) or formatting.reported_text(spec),
        facts=facts,
        curve=curve(result),
        trials=at.trials,
        counts=Counter(trial.state for trial in result.search),
    )


def curve(result: Result) -> Curve | None:
    """The picture of a search; None of others, and as long as no trial is complete.

    The width stands for the whole budget. The first half of the steps may lie below: the line then
    comes into view later.
    """
    spec, at, found = result.spec, result.progress, result.headline
    best = incumbents(result, clocks(result)[0]) if type(result) is Search else []
    if not best:
        return None
    confirmed, known = None, reported_score(spec)
    if found is not None and found.confirmed:
        confirmed = formatting.shown(spec, found.score), formatting.shown(spec, found.std or 0.0)
    scores = [axis_score(spec, trial) for trial in best]
    shown = scores[len(scores) // 2 :]
    simplest = next(((formatting.shown(spec, one.score), 0.0) for one in result.baselines), None)
    for centre, spread in filter(None, (known, confirmed, simplest)):
        shown += [centre - spread, centre + spread]
    margin = 0.08 * (max(shown) - min(shown)) or 0.05 * abs(shown[0]) or 1.0
    low, high = min(shown) - margin, max(shown) + margin
    high = min(high, 100.0) if spec.is_accuracy else high

    def y(score: float) -> float:
        share = (high - score) / (high - low)
        return round(min(max(share, -1.0), 2.0) * HEIGHT, 1)

    def x(trials: int) -> float:
        return round(WIDTH * min(1.0, trials / max(1, at.trials)), 1)

    def heights(pair: tuple[float, float] | None) -> _Heights | None:
        return pair and (y(pair[0]), y(pair[0] + pair[1]), y(pair[0] - pair[1]))

    corners = [(x(trial.number + 1), y(score)) for trial, score in zip(best, scores, strict=True)]
    path = "".join(f"H{right}V{height}" for right, height in corners)
    end = x(max(at.settled, best[-1].number + 1))
    return Curve(
        high=f"{high:.3g}",
        low=f"{low:.3g}",
        best=f"M{corners[0][0]} {corners[0][1]}{path}H{end}",
        reported=heights(known),
        confirmed=heights(confirmed),
        baseline=heights(simplest),
    )


# --- pages ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    """A study as the home page shows it: its card, and who is at work on it."""

    study: Listed
    card: Card | None
    workers: Sequence[WorkerInfo]

    @property
    def state(self) -> str:
        """In a word: also whether anybody is at work."""
        if self.study.state != StudyState.OPEN:
            return "finished" if self.study.state == StudyState.DONE else str(self.study.state)
        if not self.workers:
            return "waiting"
        searched = self.card is not None and self.study.settled >= self.card.trials
        return "confirming" if searched else "running"

    @property
    def facts(self) -> Mapping[str, str]:
        study, reason = self.study, (self.study.reason or "").strip().partition("\n")[0]
        found = dict(self.card.facts) if self.card else {}
        found["Not read"] = formatting.cut(study.problem, _LONGEST)
        if study.state == StudyState.OPEN:
            found |= {"Workers": self._at_work(), "Priority": str(study.priority or "")}
        if study.state in (StudyState.FAILED, StudyState.STOPPED):
            said = "Why" if study.state == StudyState.FAILED else "Stopped by"
            found[said] = formatting.cut(reason, _LONGEST)
        return {name: text for name, text in found.items() if text}

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
    """The home page as HTML, which names its style sheet and its script.

    ``studies`` are given oldest first, ``others`` are number and name of those that Optuna alone
    knows, ``events`` are given newest last.
    """
    alive = [worker for worker in workers if worker.alive]
    shown = [
        _Shown(study, own, [worker for worker in alive if worker.study == study.name])
        for study, own in reversed(studies)
    ]
    running = sum(bool(one.workers) for one in shown)
    return template("home.html.j2").render(
        running=[one for one in shown if one.study.state != StudyState.DONE],
        finished=[one for one in shown if one.study.state == StudyState.DONE],
        others=others,
        events=events[::-1],
        heading=f"{len(shown):,} {'study' if len(shown) == 1 else 'studies'}, {running} running; "
        f"{len(alive) or 'no'} {'worker' if len(alive) < 2 else 'workers'} alive",
        width=WIDTH,
        height=HEIGHT,
    )


def no_study(option: str) -> str:
    """A page that says how to start a study.

    ``option``: options that lead a command to this database, without a password; mostly empty.
    """
    return template("notice.html.j2").render(title="No study yet", option=option)


def notice(title: str, reason: str) -> str:
    """A page that says why something cannot be shown now; it looks again by itself."""
    return template("notice.html.j2").render(title=title, reason=reason, home=True)


def drawing(title: str) -> str:
    """A page in place of one that is being made for the first time."""
    return notice(title, "Its trials are being read and its figures drawn.")


def now(name: str, number: int, workers: Sequence[WorkerInfo], events: Sequence[Event]) -> str:
    """The part of a study's page that says who is at work on it, and what happened to it lately.

    ``number`` is Optuna's of the study.
    """
    own = [worker for worker in workers if worker.study == name and worker.alive]
    return template("now.html.j2").render(number=number, workers=own, events=events[::-1])


# --- Prometheus -----------------------------------------------------------------------------------


def metrics(studies: Sequence[Study], workers: Sequence[WorkerInfo], age_s: float) -> str:
    """Every metric with its help; all are gauges, since a retry takes results back.

    ``age_s``: seconds since all that was read.
    """
    states = Counter(item.state for item, _ in studies)
    queues = [
        ({"study": item.name}, max(0, card.trials - item.settled - item.running))
        for item, card in studies
        if card and item.state == StudyState.OPEN
    ]
    silent = [  # unknown is endless: an alert on it fires
        (
            {"worker": w.name, "host": w.host},
            inf if (s := w.seconds_silent) is None else round(s, 1),
        )
        for w in workers
        if w.alive or w.state != WorkerState.ENDED
    ]
    families: dict[tuple[str, str], _Samples] = {
        ("age_seconds", "Since all this was read."): [({}, round(age_s, 1))],
        ("studies", "Studies by state."): [({"state": s}, states[s]) for s in StudyState],
        ("trials", "Trials of the search by study and state."): _trials(studies),
        ("queue_length", "Trials of an open study that no worker has taken up."): queues,
        ("workers_alive", "Workers that live."): [({}, sum(w.alive for w in workers))],
        ("worker_heartbeat_age_seconds", "Since a worker's last sign of life."): silent,
    }
    return "".join(_family(f"hpo_{name}", said, s) for (name, said), s in families.items())


def _trials(studies: Sequence[Study]) -> _Samples:
    for item, known in studies:
        counts = {**(known.counts if known else {}), SlotState.RUNNING: item.running}
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

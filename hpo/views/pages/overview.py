"""All studies of a database at one moment: the dashboard's home page; and the workers
and events on the page of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpo.study.progress import SearchProgress
from hpo.study.result import Result
from hpo.study.trials import Event, Listed, NativeStudy, StudyState, WorkerInfo
from hpo.views.figures.plotted import Plotted
from hpo.views.pages.page import template
from hpo.views.sentences import caveats, comparison, progress, refusals, verdict
from hpo.views.sentences.formatting import (
    cut,
    joined,
    native_text,
    plural,
    repeats_name,
    reported_text,
    score_text,
    shown,
)

WIDTH = 260.0
HEIGHT = 84.0
"""Size of a small plot, in its unit, without labels and the confirmed score beside
it."""
_LONGEST = 200
_Heights = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Sparkline:
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
    curve: Sparkline | None
    progress: SearchProgress


Study = tuple[Listed, Card | None]
"""A study in a list, and its card; None if the study is unreadable here."""


def card(result: Result) -> Card:
    """Return the card of a result: small, so that every study's can be cached."""
    spec = result.spec
    at = result.progress
    trials = f"{at.finished:,} of {at.trials:,} finished"
    ended = progress.ended(result)
    if ended:
        trials += f": {ended}"
    facts = {"Trials": trials}
    if spec.has_class:
        facts["Trials"] += f"; {at.epochs:,} epochs"
    facts["Points"] = verdict.of(result).points()
    item = None if result.snapshot.lacks_means else result.confirmed
    if item is not None:
        confirmed = f"trial {item.source}, on {len(item.scores)} {repeats_name(spec)}"
        facts["Confirmed"] = joined([confirmed, caveats.aside(spec, item)])
        facts["Search"] = f"claimed {score_text(spec, item.search_score)}"
    facts["Baseline"] = comparison.beside(result).removeprefix("best baseline ")
    facts["Tags"] = ", ".join(spec.tags)
    return Card(
        description=spec.description,
        claim=verdict.headline(result),
        gap=comparison.gap_text(result) or reported_text(spec),
        facts=facts,
        curve=curve(result),
        progress=at,
    )


@dataclass(frozen=True)
class _Scale:
    """The axes of a small plot."""

    low: float
    high: float
    trials: int

    def y(self, score: float) -> float:
        """Return the height of a score; it may lie a little outside."""
        share = (self.high - score) / (self.high - self.low)
        return round(min(max(share, -1.0), 2.0) * HEIGHT, 1)

    def x(self, trials: int) -> float:
        """Return the place of a number of trials."""
        return round(WIDTH * min(1.0, trials / max(1, self.trials)), 1)

    def heights(self, pair: tuple[float, float] | None) -> _Heights | None:
        """Return the heights of a score and the ends of its deviation."""
        if pair is None:
            return None
        score, std = pair
        return self.y(score), self.y(score + std), self.y(score - std)


def curve(result: Result) -> Sparkline | None:
    """Return the plot of a search; None for other studies, and while no trial is
    complete.

    The width is the whole budget. The first half of the steps may lie below the plot.
    """
    if not result.converges:
        return None
    spec = result.spec
    plotted = Plotted(result)
    best = plotted.best_so_far(plotted.clocks[0])
    if not best:
        return None
    confirmed = simplest = None
    score = result.headline
    if score is not None and score.confirmed:
        confirmed = shown(spec, score.score), shown(spec, score.std or 0.0)
    if result.baselines:
        simplest = shown(spec, result.baselines[0].score), 0.0
    scale = _scale(
        [spot.y for spot in best[len(best) // 2 :]],
        [pair for pair in (plotted.reported, confirmed, simplest) if pair],
        result,
    )
    x = [scale.x(int(spot.x) + 1) for spot in best]
    y = [scale.y(spot.y) for spot in best]
    path = "".join(f"H{right}V{height}" for right, height in zip(x, y, strict=True))
    end = scale.x(max(result.progress.finished, int(best[-1].x) + 1))
    return Sparkline(
        high=f"{scale.high:.3g}",
        low=f"{scale.low:.3g}",
        best=f"M{x[0]} {y[0]}{path}H{end}",
        reported=scale.heights(plotted.reported),
        confirmed=scale.heights(confirmed),
        baseline=scale.heights(simplest),
    )


def _scale(
    scores: list[float], marks: Sequence[tuple[float, float]], result: Result
) -> _Scale:
    """Return axes that show some scores, and others with their deviations."""
    for score, std in marks:
        scores += [score - std, score + std]
    margin = 0.08 * (max(scores) - min(scores)) or 0.05 * abs(scores[0]) or 1.0
    high = max(scores) + margin
    if result.spec.is_accuracy:
        high = min(high, 100.0)
    return _Scale(min(scores) - margin, high, result.progress.trials)


# --- pages ---


@dataclass(frozen=True)
class _Shown:
    """A study on the home page: its card and its workers."""

    study: Listed
    card: Card | None
    workers: Sequence[WorkerInfo]
    refusals: Sequence[str]
    """Why living workers refuse it, a sentence each."""

    @property
    def state(self) -> str:
        """Return the state in a word, with regard to the workers."""
        if self.study.state == StudyState.DONE:
            return "finished"
        if self.study.state != StudyState.OPEN:
            return str(self.study.state)
        if not self.workers:
            return "refused" if self.refusals else "waiting"
        if self.card and self.study.finished >= self.card.progress.trials:
            return "confirming"
        return "running"

    @property
    def facts(self) -> Mapping[str, str]:
        study = self.study
        facts: dict[str, str] = {}
        if study.state == StudyState.OPEN:
            facts["Refused"] = " ".join(self.refusals)
        if self.card is not None:
            facts |= self.card.facts
        facts["Unreadable"] = cut(study.problem, _LONGEST)
        reason = (study.reason or "").strip().partition("\n")[0]
        if study.state == StudyState.OPEN:
            facts["Workers"] = self._at_work()
            facts["Priority"] = str(study.priority or "")
        elif study.state == StudyState.FAILED:
            facts["Reason"] = cut(reason, _LONGEST)
        elif study.state == StudyState.STOPPED:
            facts["Stopped by"] = cut(reason, _LONGEST)
        return {name: text for name, text in facts.items() if text}

    def _at_work(self) -> str:
        hosts = {worker.host for worker in self.workers}
        if not hosts:
            return "none at work"
        where = f"{len(hosts)} hosts"
        if len(hosts) == 1:
            where = hosts.pop()
        return f"{len(self.workers)} at work on {where}"


def home(
    studies: Sequence[Study],
    others: Sequence[NativeStudy],
    workers: Sequence[WorkerInfo],
    events: Sequence[Event],
    troubles: Sequence[str] = (),
) -> str:
    """Return the home page as HTML, which names its style sheet and its script.

    ``studies`` are sorted oldest first, ``others`` are studies that Optuna has made,
    ``events`` are sorted newest last, ``troubles`` stop all work, as a full disk does.
    """
    alive = [worker for worker in workers if worker.alive]
    shown = []
    for study, own in reversed(studies):
        at_work = [worker for worker in alive if worker.study == study.name]
        refused = refusals.refusals(study.name, alive)
        shown.append(_Shown(study, own, at_work, refused))
    running = sum(bool(one.workers) for one in shown)
    many = "1 study" if len(shown) == 1 else f"{len(shown):,} studies"
    n_alive = plural(len(alive), "worker") if alive else "no worker"
    return template("home.html.j2").render(
        running=[one for one in shown if one.study.state != StudyState.DONE],
        finished=[one for one in shown if one.study.state == StudyState.DONE],
        others=[(one, native_text(one)) for one in others],
        events=events[::-1],
        troubles=troubles,
        heading=f"{many}, {running} running; {n_alive} alive",
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
        number=number,
        workers=serving,
        refusals=refusals.refusals(name, workers),
        events=events[::-1],
    )

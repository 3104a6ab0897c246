"""The pages that show all studies, and what stands on a study's page beside its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, Template

from hpo.study.result import Result
from hpo.study.trials import Event, Listed, SlotState, StudyState, WorkerInfo
from hpo.views import caveats, formatting, verdict
from hpo.views.overview.curve import HEIGHT, WIDTH, Curve, curve

_LONGEST = 200


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


def card(result: Result) -> Card:
    """What is shown of a result: little, so that it can be kept of every study."""
    spec, found, item, at = result.spec, result.headline, result.confirmed, result.progress
    ended = f": {counts}" if (counts := verdict.ended(result)) else ""
    facts = {"Trials": f"{at.settled:,} of {at.trials:,} settled{ended}"}
    facts["Trials"] += f"; {at.epochs:,} epochs" if at.epochs else ""
    if item is not None and found is not None:
        aside = caveats.aside(spec, item)
        facts["Confirmed"] = f"trial {item.source}, on {found.n} fresh seeds"
        facts["Confirmed"] += f"; {aside}" if aside else ""
        facts["Search"] = f"claimed {formatting.score_text(spec, item.search_score)}"
    facts["Reported"] = formatting.reported_text(spec).removeprefix("reported ")
    return Card(
        description=spec.description,
        claim=verdict.headline(result),
        gap=verdict.gap_text(spec, found.score) if found else "",
        facts={name: text for name, text in facts.items() if text},
        curve=curve(result),
        trials=at.trials,
        counts=Counter(trial.state for trial in result.search),
    )


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
        found = dict(self.card.facts) if self.card else {}
        study, reason = self.study, (self.study.reason or "").strip().partition("\n")[0]
        if study.problem:
            found["Not read"] = formatting.cut(study.problem, _LONGEST)
        if study.state == StudyState.OPEN:
            found |= {"Workers": _workers(self.workers), "Priority": str(study.priority or "")}
        if study.state in (StudyState.FAILED, StudyState.STOPPED):
            said = "Why" if study.state == StudyState.FAILED else "Stopped by"
            found[said] = formatting.cut(reason, _LONGEST)
        return {name: text for name, text in found.items() if text}


def page(
    studies: Sequence[tuple[Listed, Card | None]],
    others: Sequence[tuple[int, str]],
    workers: Sequence[WorkerInfo],
    events: Sequence[Event],
) -> str:
    """The home page as HTML, which names its style sheet and its script.

    ``studies`` are given oldest first, ``others`` are number and name of those that Optuna alone
    knows, ``events`` are given newest last.
    """
    shown = [
        _Shown(study, own, [w for w in workers if w.alive and w.study == study.name])
        for study, own in reversed(studies)
    ]
    return _template("home.html.j2").render(
        running=[one for one in shown if one.study.state != StudyState.DONE],
        finished=[one for one in shown if one.study.state == StudyState.DONE],
        others=others,
        events=events[::-1],
        heading=_heading(shown, sum(worker.alive for worker in workers)),
        width=WIDTH,
        height=HEIGHT,
    )


def no_study(option: str) -> str:
    """A page that says how to start a study.

    ``option``: options that lead a command to this database, without a password; mostly empty.
    """
    return _template("notice.html.j2").render(title="No study yet", option=option)


def notice(title: str, reason: str) -> str:
    """A page that says why something cannot be shown now; it looks again by itself."""
    return _template("notice.html.j2").render(title=title, reason=reason, home=True)


def drawing(title: str) -> str:
    """A page in place of one that is being made for the first time."""
    return notice(title, "Its trials are being read and its figures drawn.")


def now(name: str, number: int, workers: Sequence[WorkerInfo], events: Sequence[Event]) -> str:
    """The part of a study's page that says who is at work on it, and what happened to it lately.

    ``number`` is Optuna's of the study.
    """
    own = [worker for worker in workers if worker.study == name and worker.alive]
    return _template("now.html.j2").render(number=number, workers=own, events=events[::-1])


@cache
def _template(name: str) -> Template:
    loader = PackageLoader("hpo.views.overview", ".")
    found = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return found.get_template(name)


def _heading(shown: Sequence[_Shown], alive: int) -> str:
    """``5 studies, 1 of them running; 4 workers alive``."""
    n, running = len(shown), sum(bool(one.workers) for one in shown)
    text = "1 study" if n == 1 else f"{n:,} studies"
    text += f", {running} running" if running else ""
    return f"{text}; {alive or 'no'} {'worker' if alive < 2 else 'workers'} alive"


def _workers(workers: Sequence[WorkerInfo]) -> str:
    hosts = sorted({worker.host for worker in workers})
    if not workers:
        return "none at work"
    where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
    return f"{len(workers)} at work on {where}"

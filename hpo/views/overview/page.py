"""The home page: every study with its state, its progress and its best against the reported one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, Template

from hpo.study.snapshot import StudyState, WorkerInfo
from hpo.study.summary import LAST, Course, Event, Overview, StudySummary
from hpo.study.trials import SlotState
from hpo.views import caveats, formatting, verdict
from hpo.views.overview import curve as picture

FEWEST = 3
"""Trials that must have settled before the time left is told."""
_ENDED = {
    SlotState.COMPLETE: "complete",
    SlotState.PRUNED: "ended early",
    SlotState.FAILED: "failed",
    SlotState.EXCLUDED: "excluded",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """A study as the page shows it."""

    study: StudySummary
    number: int | None
    """Optuna's, which leads to its pages; None where there are none."""
    state: str
    """In a word: also whether anybody is at work."""
    claim: str
    """Its score; empty as long as there is none."""
    gap: str
    """What that is, held against the reported one."""
    facts: dict[str, str]
    """What is said of it, by a heading of one or two words."""
    curve: picture.Curve | None
    label: str
    """What the curve shows, in words."""


def page(overview: Overview) -> str:
    """The page as HTML, which names its style sheet and its script."""
    cards = [_card(overview, *entry) for entry in reversed(overview.studies)]
    return _template("home.html.j2").render(
        running=[card for card in cards if card.study.state != StudyState.DONE],
        finished=[card for card in cards if card.study.state == StudyState.DONE],
        others=overview.others,
        events=reversed(overview.events),
        numbers={study.name: number for number, study, _ in overview.studies},
        heading=_heading(overview),
        width=picture.WIDTH,
        height=picture.HEIGHT,
    )


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


def no_study(option: str) -> str:
    """A page that says how to start a study.

    ``option``: options that lead a command to this database, without a password; mostly empty.
    """
    return _template("notice.html.j2").render(title="No study yet", option=option)


def notice(title: str, reason: str) -> str:
    """A page that says why something cannot be shown now; it looks again by itself."""
    return _template("notice.html.j2").render(title=title, reason=reason, home=True)


def _heading(overview: Overview) -> str:
    """``5 studies, 1 of them running; 4 workers alive``."""
    n = len(overview.studies)
    alive = sum(worker.alive for worker in overview.workers)
    named = {study.name for _, study, _ in overview.studies if at_work(overview, study)}
    text = "1 study" if n == 1 else f"{n:,} studies"
    text += f", {len(named)} running" if named else ""
    return f"{text}; {alive or 'no'} {'worker' if alive < 2 else 'workers'} alive"


def at_work(overview: Overview, study: StudySummary) -> list[WorkerInfo]:
    """The living workers that hold a trial of a study."""
    return [w for w in overview.workers if w.alive and w.study == study.name]


def seconds_left(overview: Overview, study: StudySummary, course: Course) -> float | None:
    """Until the search is settled, at the pace of its last trials; None while that says little.

    The pace is that of the workers at work: what was settled before the first of them started
    says nothing of it.
    """
    workers = at_work(overview, study)
    if not workers:
        return None
    began = min(worker.started_at for worker in workers)
    if len(course.settled_at) == LAST:
        began = max(began, course.settled_at[-1])
    done = sum(at > began for at in course.settled_at)
    elapsed = (overview.now - began).total_seconds()
    return None if done < FEWEST else (study.trials - study.settled) * elapsed / done


def _card(overview: Overview, number: int | None, study: StudySummary, course: Course) -> Card:
    spec, workers = study.spec, at_work(overview, study)
    drawn = None
    if spec is not None and spec.selects and not spec.costs:
        drawn = picture.curve(spec, study, course)
    claim, gap, more = _scores(study)
    facts = {"Trials": _progress(study, course), **more}
    if study.state == StudyState.OPEN:
        facts["Workers"] = _workers(workers)
        facts["Priority"] = str(study.priority or "")
    left = seconds_left(overview, study, course)
    if left is not None and left > 0:
        facts["Time left"] = f"about {formatting.duration_text(left)} for the search"
    if study.reason and study.state in (StudyState.FAILED, StudyState.STOPPED):
        said = "Why" if study.state == StudyState.FAILED else "Stopped by"
        facts[said] = formatting.cut(study.reason.strip().splitlines()[0], 200)
    return Card(
        study=study,
        number=number,
        state=_state(study, bool(workers)),
        claim=claim,
        gap=gap,
        facts={name: text for name, text in facts.items() if text},
        curve=drawn,
        label=f"The best score so far over the trials; best: {claim}{f', {gap}' * bool(gap)}",
    )


def _state(study: StudySummary, running: bool) -> str:
    if study.state != StudyState.OPEN:
        return "finished" if study.state == StudyState.DONE else str(study.state)
    if not running:
        return "waiting"
    return "running" if study.settled < study.trials else "confirming"


def _progress(study: StudySummary, course: Course) -> str:
    counts = [f"{n:,} {_ENDED[s]}" for s in _ENDED if (n := course.counts.get(s, 0))]
    text = f"{study.settled:,} of {study.trials:,} settled"
    text += f": {', '.join(counts)}" if len(counts) > 1 else ""
    return f"{text}; {study.epochs:,} epochs" if study.epochs else text


def _workers(workers: list[WorkerInfo]) -> str:
    hosts = sorted({worker.host for worker in workers})
    if not workers:
        return "none at work"
    where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
    return f"{len(workers)} at work on {where}"


def _scores(study: StudySummary) -> tuple[str, str, dict[str, str]]:
    """What is claimed, what that is held against the reported result, and further facts.

    Claimed is what was confirmed, else the best of the search.
    """
    spec, best, confirmed = study.spec, study.best_score, study.confirmed
    if spec is None:
        note = f"its objective {study.objective} is not installed here"
        return ("" if best is None else f"{best:.4g} in the search"), note, {}
    searched = "" if best is None else formatting.point_text(spec, best, None, study.best_costs)
    reported = {"Reported": formatting.reported_text(spec).removeprefix("reported ")}
    if confirmed is None:
        said = f"{searched} in the search" if searched else ""
        return said, "" if best is None else verdict.gap_text(spec, best), reported
    text = formatting.point_text(spec, confirmed.mean, confirmed.std, confirmed.costs)
    gap = verdict.gap_text(spec, confirmed.mean)
    found = {"Confirmed": f"trial {confirmed.source}, on {confirmed.n} fresh seeds"}
    found["Confirmed"] += f"; {said}" if (said := caveats.aside(spec, confirmed)) else ""
    return f"{text} confirmed", gap, {**found, "Search": f"best {searched}", **reported}

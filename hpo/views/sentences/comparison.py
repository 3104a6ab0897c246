"""Sentences that compare a score with a reported one, a baseline, or another study."""

from __future__ import annotations

from hpo.statistics import intervals
from hpo.statistics.intervals import Comparison, Estimate
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.sentences.formatting import (
    NOTHING,
    baseline_text,
    per_cent,
    plural,
    reported_text,
)

ENOUGH = 3
"""Fewer seeds are never called level with a score: they cannot tell even a large
difference."""


def gap_text(result: Result, what: str = "") -> str:
    """Compare the headline score with the reported one; see ``against``.

    ``3.7 points above the reported 89.83 ± 2.91 % (arXiv:2408.02835)``. Empty if either
    score is missing; ``what`` is another name for the reported score.
    """
    spec = result.spec
    score = result.headline
    if score is None or score.reported is None:
        return ""
    what = what or f"the {reported_text(spec)}"
    return against(spec, score.estimate, score.reported, what) + direction(spec)


def against(
    spec: StudySpec, score: Estimate, other: Estimate, what: str, n: float = ENOUGH
) -> str:
    """Compare a score with another one, which ``what`` names, by ``intervals.compare``.

    ``3.7 points below the reported 89.83 ± 2.91 %``, ``level with the reported 89.83 %
    (0.7 points less)``; without standard errors, ``0.7 points less than the reported
    89.83 %``. Two seeds are too few to be level: ``27.6 points less than the reported
    89.83 % (2 seeds cannot decide)``. So are ``n`` of the other score, where they
    count.
    """
    difference = score.mean - other.mean
    size = _size(spec, difference)
    more = "more" if difference > 0 else "less"
    relation = intervals.compare(score, other, maximize=spec.maximize).relation
    n_seeds = min(n, score.n_seeds)
    if relation == "level" and n_seeds < ENOUGH:
        seeds = plural(round(n_seeds), "seed")
        return f"{size} {more} than {what} ({seeds} cannot decide)"
    if float(size.split()[0]) == 0:
        return f"level with {what}"
    if relation == "level":
        return f"level with {what} ({size} {more})"
    if relation is None:
        return f"{size} {more} than {what}"
    where = "above" if difference > 0 else "below"
    return f"{size} {where} {what}"


def _size(spec: StudySpec, difference: float) -> str:
    """Return the size of a difference: ``3.7 points`` of accuracy, else ``0.019``."""
    size = abs(difference)
    if not spec.is_accuracy:
        return f"{size:.3g}"
    number = per_cent(size)
    if number == "1.0":
        return "1.0 point"
    return f"{number} points"


def direction(spec: StudySpec) -> str:
    """Return what follows the comparison of errors or losses; empty for accuracies."""
    if spec.maximize:
        return ""
    return "; less is better"


def beside(result: Result) -> str:
    """Compare the confirmed score with ``Result.rivals``; without one, name the best
    baseline.

    ``2.1 points above the best baseline, ESN of 96 units (91.0 ± 0.7 %)``; or ``no
    better than chance, majority class (10.1 %)``.
    """
    spec = result.spec
    if not result.baselines:
        return ""
    if result.confirmed is None:
        return f"best baseline {baseline_text(spec, result.baselines[0])}"
    rivals = result.rivals
    first = "the best baseline, "
    if result.at_chance and result.chance is not None:
        rivals = [result.chance]
        first = "chance, "
        if result.chance.name == "chance":
            first = ""
        difference = result.confirmed.mean - result.chance.score
        if result.sign * difference <= 0:
            return f"no better than {first}{baseline_text(spec, result.chance)}"
    score = result.confirmed.estimate(spec)
    texts = []
    for one in rivals:
        name = first + baseline_text(spec, one)
        texts.append(against(spec, score, intervals.published(*one.published), name))
        first = ""
    return ", ".join(texts) + direction(spec)


def difference_text(result: Result, other: Estimate) -> str:
    """Return the confirmed score minus another one: ``3.7 (2.4 to 5.0), ahead``; or a
    dash."""
    margin = result.compared(other)
    if margin is None or result.confirmed is None:
        return NOTHING
    relation = margin.relation
    text = margin_text(result.spec, margin)
    if relation is None:
        return text
    n_seeds = result.confirmed.estimate(result.spec).n_seeds
    if relation == "level" and n_seeds < ENOUGH:
        return f"{text}, undecided"
    return f"{text}, {relation}"


def margin_text(spec: StudySpec, margin: Comparison) -> str:
    """Return a difference, in points of an accuracy, with its 95 % interval: ``+3.7
    (…)``."""

    def signed(value: float) -> str:
        if spec.is_accuracy:
            sign = "-" if value < 0 else "+"
            return f"{sign}{per_cent(abs(value))}"
        return f"{value:+.3g}"

    text = signed(margin.difference)
    if margin.low is None or margin.high is None:
        return text
    return f"{text} ({signed(margin.low)} to {signed(margin.high)})"

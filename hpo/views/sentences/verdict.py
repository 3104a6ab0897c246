"""Sentences on a study that terminal, report and figures share: progress, verdict, gap.

All texts are plain; code that puts one into HTML escapes it.
"""

from __future__ import annotations

import statistics

from hpo.contract import Baseline, Protocol
from hpo.statistics import intervals
from hpo.statistics.intervals import Comparison, Estimate
from hpo.study import edges as study_edges
from hpo.study import pareto
from hpo.study.dimensions import split
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, Sweep
from hpo.study.spec import VARIABILITY, StudySpec
from hpo.study.trials import StudyState
from hpo.views.sentences import caveats, formatting

ENOUGH = 3
"""Fewer seeds are never called level with a score: they cannot tell even a large
difference."""
PAPER_PROTOCOL = "searched on the test set, as the paper does"


def gap_text(result: Result, what: str = "") -> str:
    """Compare the headline score with the reported one; see ``against``.

    ``3.7 points above the reported 89.83 ± 2.91 % (arXiv:2408.02835)``. Empty if either
    score is missing; ``what`` is another name for the reported score.
    """
    score = result.headline
    if score is None or score.reported is None:
        return ""
    what = what or f"the {formatting.reported_text(result.spec)}"
    return against(result.spec, score.estimate, score.reported, what) + direction(
        result.spec
    )


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
    size = f"{formatting.shown(spec, abs(difference)):{'.1f' if spec.is_accuracy else '.3g'}}"
    same, points = not float(size), f" point{'s' * (size != '1.0')}" * spec.is_accuracy
    relation = intervals.compare(score, other, maximize=spec.maximize).relation
    where, more = ("above", "more") if difference > 0 else ("below", "less")
    text = f"{size}{points} {where} {what}"
    few = relation == "level" and (n := min(n, score.n_seeds)) < ENOUGH
    if not few and (same or relation == "level"):
        text = f"level with {what}" + f" ({size}{points} {more})" * (not same)
    elif relation is None or few:
        text = f"{size}{points} {more} than {what}"
    seeds = f"{n:.0f} seed{'s' * (n != 1)}"
    return f"{text} ({seeds} cannot decide)" if few else text


def direction(spec: StudySpec) -> str:
    """Return what follows the comparison of errors or losses; empty for accuracies."""
    return "" if spec.maximize else "; less is better"


def headline(result: Result, aside: str = "") -> str:
    """Return the headline score: ``89.1 ± 1.2 % confirmed``, or ``90.5 % in the
    search``.

    Empty while there is none. ``aside`` follows the score in brackets.
    """
    score = result.headline
    if score is None:
        return ""
    text = formatting.point_text(
        result.spec, score.score, score.std, [*score.costs.values()]
    )
    text += f" ({aside})" if aside else ""
    return f"{text} confirmed" if score.confirmed else f"{text} in the search"


def progress(result: Result) -> str:
    """Describe the progress of the search.

    ``57 of 60 trials settled: 41 complete, 14 curves cut short; 1,960 epochs of
    training``
    """
    at, counts = result.progress, ended(result)
    text = f"{at.settled:,} of {at.trials:,} trials settled"
    text += f": {counts}" if counts else ""
    text += f"; {at.epochs:,} epochs of training" if at.epochs else ""
    text += f"; ended by {why}" if (why := result.snapshot.search_end_reason) else ""
    text += f"; {at.held} running" if at.held else ""
    text += f"; {at.begun} begun, waiting for a worker" if at.begun else ""
    text += f"; {at.enqueued} enqueued, not begun" if at.enqueued else ""
    return "; ".join(filter(None, (text, *remarks(result))))


def remarks(result: Result) -> list[str]:
    """Return remarks on unusual trials: enqueued by hand, other code, other numerics,
    foreign."""
    lines = []
    if by_hand := sum(bool(trial.enqueued) for trial in result.search):
        lines.append(f"{by_hand:,} enqueued by hand (hpo enqueue)")
    if since := ", ".join(map(str, result.snapshot.code_changes)):
        lines.append(
            f"source of the objective changed at trial {since} (hpo resume --accept-code)"
        )
    n, total = result.other_numerics
    if n:
        lines.append(
            f"{n:,} of {total:,} trials and confirmations ran on another type of CPU,"
            " or with other package versions or thread counts (lineage)"
        )
    if foreign := result.snapshot.foreign_trials:
        trials = f"{foreign:,} trial{'s' * (foreign > 1)} that other programs added"
        where = "to Optuna's tables; Optuna's best_trial may be one of them"
        lines.append(f"not counted: {trials} {where}")
    return lines


def ended(result: Result) -> str:
    """Count the settled trials by how they ended.

    ``41 complete, 10 curves cut short, 4 not replicated further, 2 failed``
    """
    return ", ".join(
        f"{n:,} {name.replace('curve', 'curves') if n > 1 else name}"
        for (_, name), n in result.progress.ended.items()
    )


def edges(result: Result) -> list[str]:
    """Name the bounds at which the best trials lie, and what to widen; see
    ``study.edges``.

    ``tau_ns: 4 of the best 5 trials lie at its lower bound 1 (within 2 % of the range):
    widen [space] tau_ns, low = 0.3``
    """
    lines = []
    for edge in result.edges:
        name, which = edge.parameter, "lower" if edge.bound == "low" else "upper"
        near = f" (within {study_edges.WITHIN:.0%} of the range)".replace("%", " %")
        near *= not study_edges.discrete(result.spec, name)
        value, widen = map(formatting.value_text, (edge.value, edge.widen))
        lines.append(
            f"{name}: {edge.trials} of the best {edge.of} trials lie at its {which}"
            f" bound {value}{near}: widen [space] {split(name)[0]}, {edge.bound} ="
            f" {widen}"
        )
    return lines


def verdict(result: Result) -> str:
    """Return the ``clauses`` on a study as one sentence."""
    return "; ".join(clauses(result))


def clauses(result: Result) -> list[str]:
    """Return the clauses of the verdict, the key number first; two lines of a
    traceback.

    ``confirmed 94.9 ± 0.7 % on 10 fresh seeds``, ``4.8 points above the best baseline,
    …``
    """
    parts, lines = (
        [],
        [line.strip() for line in (result.snapshot.reason or "").splitlines()],
    )
    reason = " ".join([*lines[:1], *list(filter(None, lines[1:]))[-1:]])
    if result.state == StudyState.FAILED:
        parts.append(f"study failed: {reason or 'no reason was stored'}")
    if result.state == StudyState.STOPPED:
        parts.append(f"stopped by {reason or 'an unknown user'}")
    if isinstance(result, Sweep):
        return [*filter(None, [*parts, _swept(result), beside(result)])]
    confirmed = result.confirmed
    parts += [_confirmed(result, confirmed)] if confirmed else _searched(result)
    if confirmed is not None:
        parts += _uncertainty(result, confirmed)
    parts += [gap_text(result) or formatting.reported_text(result.spec), beside(result)]
    if confirmed is not None:
        margin = result.chance and result.beside(result.chance)
        at_chance = bool(margin and margin.relation in ("level", "behind"))
        parts += caveats.assured(result.spec, confirmed, at_chance=at_chance)
        parts.append(caveats.of(result.spec, confirmed).remark.rstrip("."))
    return [part for part in parts if part]


def beside(result: Result) -> str:
    """Compare the confirmed score with ``Result.rivals``; without one, name the best
    baseline.

    ``2.1 points above the best baseline, ESN of 96 units (91.0 ± 0.7 %)``; or ``no
    better than chance, majority class (10.1 %)``.
    """
    spec, item = result.spec, result.confirmed
    best = next(iter(result.baselines), None)
    if best is None or item is None:
        return f"best baseline {formatting.baseline_text(spec, best)}" if best else ""
    chance = result.chance or best
    score, rivals, what = item.estimate(spec), result.rivals, "the best baseline, "
    margin = result.beside(chance)
    if chance.is_chance and margin and margin.relation in ("level", "behind"):
        rivals, what = [chance], "chance, " * (chance.name != "chance")
        if (margin.difference > 0.0) != spec.maximize or not margin.difference:
            return f"no better than {what}{formatting.baseline_text(spec, chance)}"
    names = [formatting.baseline_text(spec, one) for one in rivals]
    names[0] = what + names[0]
    pairs = zip(rivals, names, strict=True)
    texts = [
        against(spec, score, intervals.published(*one.published), name)
        for one, name in pairs
    ]
    return ", ".join(texts) + direction(spec)


def difference(result: Result, baseline: Baseline) -> str:
    """Return the confirmed score minus a baseline's: ``3.7 (2.4 to 5.0), ahead``; or a
    dash."""
    margin, spec, item = result.beside(baseline), result.spec, result.confirmed
    if margin is None or item is None:
        return "–"
    few = margin.relation == "level" and item.estimate(spec).n_seeds < ENOUGH
    relation = "undecided" if few else margin.relation
    return margin_text(spec, margin) + (f", {relation}" if relation else "")


def margin_text(spec: StudySpec, margin: Comparison) -> str:
    """Return a difference, in points of an accuracy, with its 95 % interval: ``+3.7
    (…)``."""
    digits = "1f" if spec.is_accuracy else "3g"
    values = [x for x in (margin.difference, margin.low, margin.high) if x is not None]
    mean, *ends = (f"{formatting.shown(spec, x):+.{digits}}" for x in values)
    return f"{mean} ({' to '.join(ends)})" if ends else mean


def _swept(result: Sweep) -> str:
    """Return the verdict on a sweep, which has no best point."""
    spec, complete = result.spec, result.trained
    scores = [statistics.median(s.scores) for s in complete]
    points = f"{len(complete):,} of {spec.budget.trials:,} points measured"
    if not scores:
        return points
    low, high = (
        formatting.score_text(spec, min(scores)),
        formatting.score_text(spec, max(scores)),
    )
    n = spec.budget.members
    notes = caveats.of_points(spec, complete)
    how = ", ".join(filter(None, (protocol_text(spec), notes.basis)))
    text = f"{points}, medians of {n} networks from {low} to {high} ({how})"
    remark = notes.remark.replace(" of the points ", " of them ").rstrip(".")
    return "; ".join(filter(None, (text, remark)))


def protocol_text(spec: StudySpec) -> str:
    """Name the data for training and scoring: ``trained on the whole training set,
    …``."""
    return {
        Protocol.PAPER: (
            PAPER_PROTOCOL if spec.aim != "sweep" else "scored on the test set"
        ),
        Protocol.CONFIRM: (
            "trained on the whole training set, tested once on the held-out test set"
        ),
        Protocol.VALIDATION: "validation",
    }[spec.protocol]


def hardware_text(spec: StudySpec) -> str:
    """Say that scores are means over simulated chips; empty for ideal networks."""
    varied = any(
        name.startswith(VARIABILITY) for name in (*spec.varied, *spec.parameters)
    )
    return "mean over simulated chips" * varied


def _confirmed(result: Result, confirmed: Confirmation) -> str:
    spec = result.spec
    n = len(confirmed.scores)
    name = "" if spec.is_accuracy else f"{formatting.metric(spec)} "
    score = formatting.score_text(spec, confirmed.mean, confirmed.std)
    text = f"confirmed {name}{score}{_at_cost(spec, confirmed)} on {n}"
    if isinstance(result, Front) and spec.reported is not None:
        tested = sum(bool(item.scores) for item in result.confirmations)
        if not pareto.holds(spec, confirmed.mean):
            text = (
                f"none of {tested} confirmed trials holds the reported score; the best:"
                f" {text}"
            )
    text += (
        " fresh seeds"
        if n == confirmed.n_seeds
        else f" of {confirmed.n_seeds} fresh seeds"
    )
    if confirmed.failed:
        text += f" ({confirmed.failed} failed)"
    if not confirmed.complete:
        text += " so far"
    text += f", {where}" if (where := caveats.basis(spec, confirmed)) else ""
    text += _share_of_reported(spec, confirmed)
    best = result.best
    if best is not None and best.number != confirmed.source:
        text += f" for trial {confirmed.source}, not the best of the search"
    if spec.protocol == Protocol.PAPER:
        text += f", {PAPER_PROTOCOL}"
    return text


def _uncertainty(result: Result, item: Confirmation) -> list[str]:
    """Return the interval of a confirmed score, and the search's claim where it
    differs.

    ``95 % interval 92.2 to 95.3 % (standard errors: seeds 0.2 points, 899 series 0.8
    points)``. Empty if the number of scored series is unknown.
    """
    spec, score = result.spec, item.estimate(result.spec)
    if score.interval is None or score.n_series is None:
        return []
    low, high = (100 * end for end in score.interval)
    parts = {"seeds": score.seeds, f"{score.n_series:,.0f} series": score.sampling}
    errors = [
        f"{what} {100 * e:.1f} points" for what, e in parts.items() if e is not None
    ]
    texts = [
        f"95 % interval {low:.1f} to {high:.1f} % (standard errors:"
        f" {', '.join(errors)})"
    ]
    sources = (trial for trial in result.search if trial.number == item.source)
    claim = next(map(result.claim, sources), None)
    if claim is None or claim.n_series is None:
        return texts
    text = against(spec, score, claim, "what the search claimed")
    return texts + [text] * (not text.startswith("level"))


def _at_cost(spec: StudySpec, item: Confirmation) -> str:
    """`` at 12.3 pJ (1,010 synapses, 32 neurons, 64 ns)``: its costs, and further
    ones."""
    if not item.costs:
        return ""
    named = spec.named_costs(item.costs)
    text = f" at {formatting.quantities(named)}"
    others = {
        name: value for name, value in item.all_costs.items() if name not in named
    }
    return f"{text} ({formatting.quantities(others)})" if others else text


def _share_of_reported(spec: StudySpec, item: Confirmation) -> str:
    """``: 31 % of the reported 40 pJ, 50 % of the 24.7 pJ that it costs here``."""
    if not pareto.holds(spec, item.mean):
        return ""
    whole = [
        (spec.reported_costs("cost"), "the reported {}"),
        (
            spec.reported_costs("cost_here"),
            "the {} that the reported network takes here",
        ),
    ]
    shares = [
        f"{100.0 * cost / costs[name]:.0f} % of"
        f" {of.format(formatting.quantity(name, costs[name]))}"
        for name, cost in spec.named_costs(item.costs).items()
        for costs, of in whole
        if name in costs
    ]
    return f": {', '.join(shares)}" if shares else ""


def named(result: Result) -> str:
    """Return what the best trial of a search is called."""
    spec, best = result.spec, result.best
    if not isinstance(result, Front) or best is None or best.score is None:
        return "best" + " by posterior mean" * bool(result.snapshot.expected)
    if pareto.holds(spec, best.score):
        first = formatting.quantity_label(result.costs[0]).partition(" (")[0]
        by = f" by {first}" * (len(result.costs) > 1)
        return f"cheapest{by} that reaches the reported score"
    return "most accurate" if spec.is_accuracy else "best by score alone"


def best_text(result: Result) -> str:
    """Return the search's claim for its best trial: ``94.1 % at 12.3 pJ``; empty
    without one."""
    best = result.best
    if best is None or (claimed := result.claimed(best)) is None:
        return ""
    return formatting.point_text(result.spec, claimed, None, best.costs)


def _searched(result: Result) -> list[str]:
    spec, best, confirmations = result.spec, result.best, result.confirmations
    if best is None or not (score := best_text(result)):
        if result.progress.settled == 0:
            return ["no trial has finished yet"]
        return [f"no trial is complete: {ended(result)}"]
    members = (
        f"mean of {len(best.members)} members" if len(best.members) != 1 else "1 member"
    )
    how = protocol_text(spec)
    if best.number in result.snapshot.expected and best.score is not None:
        its = "its network" if spec.budget.members == 1 else "its networks"
        how += (
            f", posterior mean; {its} scored {formatting.score_text(spec, best.score)}"
        )
    claim = result.claim(best)
    if claim is not None and claim.error is not None and claim.n_series is not None:
        how += (
            f"; standard error {100 * claim.error:.1f} points on {claim.n_series:,.0f}"
            " series"
        )
    name = "" if spec.is_accuracy else f"{formatting.metric(spec)} "
    so_far = " so far" if result.state == StudyState.OPEN else ""
    text = f"{named(result)}{so_far} {name}{score} ({members}, {how})"
    if isinstance(result, Front):
        text += f", of {len(result.front)} trials on the front"
    failed = sum(c.failed for c in confirmations)
    if spec.confirm is None:
        return [text, "no confirmation in the study file"]
    if confirmations and all(c.complete for c in confirmations):
        return [text, f"not confirmed: all {failed} confirmation trainings failed"]
    return [text, "not confirmed yet"]

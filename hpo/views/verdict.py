"""The sentences on a study that terminal, report and figures share: progress, verdict, gap.

Plain text throughout: whoever puts it into HTML escapes it there.
"""

from __future__ import annotations

import statistics

from hpo.objectives import intervals
from hpo.objectives.contract import Baseline, Protocol
from hpo.objectives.intervals import Estimate
from hpo.study import edges as study_edges
from hpo.study import pareto
from hpo.study.dimensions import split
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, Sweep
from hpo.study.spec import VARIABILITY, StudySpec
from hpo.study.trials import Phase, StudyState
from hpo.views import caveats, formatting

PAPER_PROTOCOL = "searched on the test set, as the paper does"


def gap_text(result: Result, what: str = "") -> str:
    """``3.7 points above the reported 89.83 ± 2.91 % (arXiv:2408.02835)``, see ``against``.

    Empty where there is no score, or nothing reported; ``what`` names that otherwise.
    """
    found = result.headline
    if found is None or found.reported is None:
        return ""
    what = what or f"the {formatting.reported_text(result.spec)}"
    return against(result.spec, found.estimate, found.reported, what) + _direction(result.spec)


def against(spec: StudySpec, own: Estimate, other: Estimate, what: str) -> str:
    """A score held against another one, which ``what`` names, by ``intervals.compare``.

    ``3.7 points below the reported 89.83 ± 2.91 %``, ``level with the reported 89.83 % (0.7 points
    less)``; where nothing is known of what varies, ``0.7 points less than the reported 89.83 %``.
    """
    difference = own.mean - other.mean
    size = f"{formatting.shown(spec, abs(difference)):{'.1f' if spec.is_accuracy else '.3g'}}"
    same, points = not float(size), f" point{'s' * (size != '1.0')}" * spec.is_accuracy
    relation = intervals.compare(own, other, maximize=spec.maximize).relation
    where, more = ("above", "more") if difference > 0 else ("below", "less")
    text = f"{size}{points} {where} {what}"
    if relation == "level" or same:
        text = f"level with {what}" + f" ({size}{points} {more})" * (not same)
    elif relation is None:
        text = f"{size}{points} {more} than {what}"
    return text


def _direction(spec: StudySpec) -> str:
    return "" if spec.maximize else "; less is better"


def headline(result: Result, aside: str = "") -> str:
    """The score that a study is named by: ``89.1 ± 1.2 % confirmed``, or ``90.5 % in the search``.

    Empty while there is none. ``aside`` is said of the score in brackets.
    """
    found = result.headline
    if found is None:
        return ""
    text = formatting.point_text(result.spec, found.score, found.std, [*found.costs.values()])
    text += f" ({aside})" if aside else ""
    return f"{text} confirmed" if found.confirmed else f"{text} in the search"


def progress(result: Result) -> str:
    """How far the search is.

    ``57 of 60 trials settled: 41 complete, 14 curves cut short; 1,960 epochs of training``
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


def utilisation(result: Result) -> str:
    """How long search and confirmation took, and how busy workers with trials were; else empty.

    ``search 3 min 12 s on 2 workers that had trials, 99.4 % of their time training and scoring``
    """
    search = "search" if result.selects else "measurement"
    names = {Phase.SEARCH: search, Phase.CONFIRM: "confirmation"}
    texts = [
        f"{names[phase]} "
        f"{formatting.duration_text(found.seconds)} on {found.workers} "
        f"worker{'s' * (found.workers > 1)} that had trials, {100 * found.training:.1f} %"
        for phase, found in result.utilisation.items()
    ]
    texts[:1] = [f"{text} of their time training and scoring" for text in texts[:1]]
    rest = ["the rest is suggesting, writing and waiting (lineage)"]
    return "; ".join(texts + rest * bool(texts))


def remarks(result: Result) -> list[str]:
    """What is not as one would expect of a study's trials; mostly nothing."""
    found = []
    if by_hand := len(result.enqueued):
        found.append(f"{by_hand:,} enqueued by hand (hpo enqueue)")
    if since := ", ".join(map(str, result.snapshot.code_changes)):
        found.append(f"another source of the objective from trial {since} on (hpo accept-code)")
    n, known = result.other_numerics
    if n:
        found.append(
            f"{n:,} of {known:,} trials and confirmations were computed on another processor, or "
            "with other packages or threads (lineage)"
        )
    if foreign := result.snapshot.foreign_trials:
        trials = f"{foreign:,} trial{'s' * (foreign > 1)} that others have added"
        where = "in Optuna's tables, whose best_trial may be one of them"
        found.append(f"not counted: {trials} {where}")
    return found


def ended(result: Result) -> str:
    """How the settled trials ended, in the order of the states.

    ``41 complete, 10 curves cut short, 4 not replicated further, 2 failed``
    """
    return ", ".join(
        f"{n:,} {name.replace('curve', 'curves') if n > 1 else name}"
        for (_, name), n in result.progress.ended.items()
    )


def edges(result: Result) -> list[str]:
    """At which bounds of the space the best trials lie, and what to widen; see ``study.edges``.

    ``tau_ns: 4 of the best 5 trials lie at its lower bound 1 (within 2 % of the range): widen
    [space] tau_ns, low = 0.3``
    """
    lines = []
    for edge in result.edges:
        name, which = edge.parameter, "lower" if edge.bound == "low" else "upper"
        near = f" (within {study_edges.WITHIN:.0%} of the range)".replace("%", " %")
        near *= not study_edges.discrete(result.spec, name)
        value, widen = map(formatting.value_text, (edge.value, edge.widen))
        lines.append(
            f"{name}: {edge.trials} of the best {edge.of} trials lie at its {which} bound {value}"
            f"{near}: widen [space] {split(name)[0]}, {edge.bound} = {widen}"
        )
    return lines


def verdict(result: Result) -> str:
    """The study in one sentence: its ``clauses``."""
    return "; ".join(clauses(result))


def clauses(result: Result) -> list[str]:
    """What is to say of a study, its key number first; of a failure with its traceback, two lines.

    ``confirmed 94.9 ± 0.7 % on 10 fresh seeds``, ``4.8 points above the best baseline, …``
    """
    parts, lines = [], [line.strip() for line in (result.snapshot.reason or "").splitlines()]
    reason = " ".join([*lines[:1], *list(filter(None, lines[1:]))[-1:]])
    if result.state == StudyState.FAILED:
        parts.append(f"study failed: {reason or 'no reason was stored'}")
    if result.state == StudyState.STOPPED:
        parts.append(f"stopped by {reason or 'somebody'}")
    if isinstance(result, Sweep):
        return [*filter(None, [*parts, _swept(result), beside(result)])]
    confirmed = result.confirmed
    parts += [_confirmed(result, confirmed)] if confirmed else _searched(result)
    if confirmed is not None:
        parts += _known(result, confirmed)
    parts += [gap_text(result) or formatting.reported_text(result.spec), beside(result)]
    if confirmed is not None:
        parts += caveats.assured(result.spec, confirmed)
        parts.append(caveats.of(result.spec, confirmed).remark.rstrip("."))
    return [part for part in parts if part]


def beside(result: Result) -> str:
    """The confirmed score held against ``Result.rivals``; without one, what the best scores.

    ``2.1 points above the best baseline, ESN of 96 units (91.0 ± 0.7 %)``; or ``no better than
    chance, majority class (10.1 %)``.
    """
    spec, item = result.spec, result.confirmed
    best = next(iter(result.baselines), None)
    if best is None or item is None:
        return f"best baseline {formatting.baseline_text(spec, best)}" if best else ""
    chance = next((one for one in result.baselines if one.is_chance), best)
    own, rivals, what = item.estimate(spec), result.rivals, "the best baseline, "
    known = result.beside(chance)
    if chance.is_chance and known and known.relation in ("level", "behind"):
        rivals, what = [chance], "chance, " * (chance.name != "chance")
        if (known.difference > 0.0) != spec.maximize or not known.difference:
            return f"no better than {what}{formatting.baseline_text(spec, chance)}"
    names = [formatting.baseline_text(spec, one) for one in rivals]
    names[0] = what + names[0]
    held = zip(rivals, names, strict=True)
    texts = [against(spec, own, intervals.published(*one.published), name) for one, name in held]
    return ", ".join(texts) + _direction(spec)


def difference(result: Result, baseline: Baseline) -> str:
    """The confirmed score minus a baseline's: ``3.7 (2.4 to 5.0), ahead``; a dash without."""
    found, spec = result.beside(baseline), result.spec
    if found is None:
        return "–"
    known, digits = (found.difference, found.low, found.high), "1f" if spec.is_accuracy else "3g"
    own, *ends = (f"{formatting.shown(spec, x):+.{digits}}" for x in known if x is not None)
    return f"{own} ({' to '.join(ends)}), {found.relation}" if ends else own


def _swept(result: Sweep) -> str:
    """A study that selects nothing in one sentence; no point of it is called the best."""
    spec, complete = result.spec, result.trained
    scores = [statistics.median(s.scores) for s in complete]
    points = f"{len(complete):,} of {spec.budget.trials:,} points measured"
    if not scores:
        return points
    low, high = formatting.score_text(spec, min(scores)), formatting.score_text(spec, max(scores))
    n = spec.budget.members
    found = caveats.of_points(spec, complete)
    how = ", ".join(filter(None, (protocol_text(spec), found.basis)))
    text = f"{points}, medians of {n} networks from {low} to {high} ({how})"
    remark = found.remark.replace(" of the points ", " of them ").rstrip(".")
    return "; ".join(filter(None, (text, remark)))


def protocol_text(spec: StudySpec) -> str:
    """Which data trained and scored: ``trained on the whole training part, tested once …``."""
    return {
        Protocol.PAPER: PAPER_PROTOCOL if spec.aim != "sweep" else "scored on the test part",
        Protocol.CONFIRM: "trained on the whole training part, tested once on the test part",
        Protocol.VALIDATION: "validation",
    }[spec.protocol]


def hardware_text(spec: StudySpec) -> str:
    """What scores are the mean over, if not of ideal networks; else empty."""
    varied = any(name.startswith(VARIABILITY) for name in (*spec.varied, *spec.parameters))
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
            text = f"none of {tested} confirmed trials holds the reported score; the best: {text}"
    text += " fresh seeds" if n == confirmed.wanted else f" of {confirmed.wanted} fresh seeds"
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


def _known(result: Result, item: Confirmation) -> list[str]:
    """How well a confirmed score is known, and what the search claimed if that is another one.

    ``95 % interval 92.2 to 95.3 % (standard errors: seeds 0.2 points, 899 series 0.8 points)``.
    Nothing is said where it is not known how many series scored.
    """
    spec, own = result.spec, item.estimate(result.spec)
    if own.interval is None or own.n_series is None:
        return []
    low, high = (100 * end for end in own.interval)
    known = {"seeds": own.seeds, f"{own.n_series:,.0f} series": own.sampling}
    errors = [f"{what} {100 * e:.1f} points" for what, e in known.items() if e is not None]
    texts = [f"95 % interval {low:.1f} to {high:.1f} % (standard errors: {', '.join(errors)})"]
    own_trials = (trial for trial in result.search if trial.number == item.source)
    claim = next(map(result.claim, own_trials), None)
    if claim is None or claim.n_series is None:
        return texts
    told = against(spec, own, claim, "what the search claimed")
    return texts + [told] * (not told.startswith("level"))


def _at_cost(spec: StudySpec, item: Confirmation) -> str:
    """`` at 12.3 pJ (1,010 synapses, 32 neurons, 64 ns)``: the costs, and others that are told."""
    if not item.costs:
        return ""
    named = spec.named_costs(item.costs)
    text = f" at {formatting.quantities(named)}"
    others = {name: value for name, value in item.told.items() if name not in named}
    return f"{text} ({formatting.quantities(others)})" if others else text


def _share_of_reported(spec: StudySpec, item: Confirmation) -> str:
    """``: 31 % of the reported 40 pJ, 50 % of the 24.7 pJ that it costs here``."""
    if not pareto.holds(spec, item.mean):
        return ""
    whole = [
        (spec.reported_costs("cost"), "the reported {}"),
        (spec.reported_costs("cost_here"), "the {} that the reported network takes here"),
    ]
    shares = [
        f"{100.0 * cost / known[name]:.0f} % of {of.format(formatting.quantity(name, known[name]))}"
        for name, cost in spec.named_costs(item.costs).items()
        for known, of in whole
        if name in known
    ]
    return f": {', '.join(shares)}" if shares else ""


def named(result: Result) -> str:
    """What the best trial of a search is called."""
    spec, best = result.spec, result.best
    if not isinstance(result, Front) or best is None or best.score is None:
        return "best"
    if pareto.holds(spec, best.score):
        first = formatting.quantity_label(result.costs[0]).partition(" (")[0]
        by = f" by {first}" * (len(result.costs) > 1)
        return f"cheapest{by} that reaches the reported score"
    return "most accurate" if spec.is_accuracy else "best by score alone"


def best_text(result: Result) -> str:
    """What the search claims of its best trial: ``94.1 % at 12.3 pJ``; empty without one."""
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
    members = f"mean of {len(best.members)} members" if len(best.members) != 1 else "1 member"
    how = protocol_text(spec)
    if best.number in result.snapshot.expected and best.score is not None:
        its = "its network" if spec.budget.members == 1 else "its networks"
        how += f", expected; {its} scored {formatting.score_text(spec, best.score)}"
    claim = result.claim(best)
    if claim is not None and claim.error is not None and claim.n_series is not None:
        how += f"; standard error {100 * claim.error:.1f} points on {claim.n_series:,.0f} series"
    name = "" if spec.is_accuracy else f"{formatting.metric(spec)} "
    so_far = " so far" if result.state == StudyState.OPEN else ""
    text = f"{named(result)}{so_far} {name}{score} ({members}, {how})"
    if isinstance(result, Front):
        text += f", of {len(result.front)} trials on the front"
    failed = sum(c.failed for c in confirmations)
    if spec.confirm is None:
        return [text, "no confirmation was asked for"]
    if confirmations and all(c.complete for c in confirmations):
        return [text, f"not confirmed: all {failed} confirmation trainings failed"]
    return [text, "not confirmed yet"]

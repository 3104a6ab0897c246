"""A study in words: scores, parameters and the verdict, as terminal, report and figures say them.

Plain text throughout: whoever puts it into HTML escapes it there.
"""

from __future__ import annotations

import statistics

from hpo.study import effort, pareto
from hpo.study.confirmation import Confirmation
from hpo.study.score_text import is_percent as is_percent
from hpo.study.score_text import score_text as score_text
from hpo.study.score_text import shown as shown
from hpo.study.sections import ParamValue
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.spec import VARIABILITY, StudySpec
from hpo.study.time_step import AT_STEP as AT_STEP
from hpo.study.time_step import SOLVED as SOLVED
from hpo.study.time_step import SOLVED_MEANS as SOLVED_MEANS
from hpo.study.time_step import basis as basis
from hpo.study.time_step import beside as beside
from hpo.study.time_step import measured as measured
from hpo.study.time_step import remark as remark
from hpo.study.time_step import steps_text as steps_text
from hpo.study.time_step import sweep_basis as sweep_basis
from hpo.study.time_step import sweep_remark as sweep_remark
from hpo.study.time_step import sweep_warning as sweep_warning
from hpo.study.time_step import warning as warning
from hpo.study.trials import SlotState
from objectives.contract import Protocol

_UNITS = {
    **{unit: unit for unit in ("ps", "ns", "us", "ms", "s", "min", "h", "nm", "um", "mm")},
    **{"hz": "Hz", "khz": "kHz", "mhz": "MHz", "ghz": "GHz", "thz": "THz"},
    **{"aj": "aJ", "fj": "fJ", "pj": "pJ", "nj": "nJ", "uw": "µW", "mw": "mW", "mv": "mV"},
    **{"ua": "µA", "ma": "mA", "mt": "mT", "ohm": "Ω", "um2": "µm²"},
}

PAPER_PROTOCOL = "searched on the test set, as the paper does"
CONFIRM_PROTOCOL = "trained on the whole training half, tested once on the test half"


def metric(spec: StudySpec) -> str:
    """What a score axis is called."""
    return "accuracy (%)" if is_percent(spec) else spec.objective_impl.metric


def difference_text(spec: StudySpec, score: float) -> str:
    """A score minus the reported one, with its sign; empty where nothing is reported."""
    if spec.reported is None:
        return ""
    difference = score - spec.reported.score
    return f"{100.0 * difference:+.1f}" if is_percent(spec) else f"{difference:+.3g}"


def gap_text(spec: StudySpec, score: float, what: str = "the reported ") -> str:
    """A score held against the reported one; empty where nothing is reported.

    ``0.7 points below the reported 89.83 ± 2.91 %``; of a metric that is no accuracy:
    ``0.0041 below the reported 0.0312 (less is better)``. ``what`` stands before the number.
    """
    if spec.reported is None:
        return ""
    size = difference_text(spec, score).lstrip("+-")
    reported = f"{what}{reported_number(spec)}"
    where = "above" if score > spec.reported.score else "below"
    if float(size) == 0.0:
        text = f"level with {reported}"
    elif is_percent(spec):
        text = f"{size} {'point' if size == '1.0' else 'points'} {where} {reported}"
    else:
        text = f"{size} {where} {reported}"
    return text if spec.maximize else f"{text} (less is better)"


def reported_text(spec: StudySpec) -> str:
    """``reported 89.83 ± 2.91 % (arXiv:2408.02835)``; empty where nothing is reported."""
    if spec.reported is None:
        return ""
    cost = spec.reported.cost
    at = "" if cost is None else f" at {quantity(spec.cost_name, cost)}"
    return f"reported {reported_number(spec)}{at} ({spec.reported.source})"


def reported_number(spec: StudySpec) -> str:
    """``89.83 ± 2.91 %``, with the digits of the source; empty where nothing is reported."""
    reported = spec.reported
    if reported is None:
        return ""
    if not is_percent(spec):
        return score_text(spec, reported.score, reported.std)
    std = "" if reported.std is None else f" ± {100.0 * reported.std:.2f}"
    return f"{100.0 * reported.score:.2f}{std} %"


def quantity(name: str, value: float) -> str:
    """A cost by its name, which carries its unit.

    Examples:
        >>> quantity("energy_pj", 12.345), quantity("n_synapses", 1010), quantity("loss", 0.5)
        ('12.3 pJ', '1,010 synapses', '0.5 loss')
    """
    if name.startswith("n_"):
        return f"{value:,.4g} {name[2:]}" if value != round(value) else f"{value:,.0f} {name[2:]}"
    shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{shown} {unit(name) or name}"


def cost_text(spec: StudySpec, cost: float) -> str:
    """A cost of a study that has one: ``12.3 pJ``."""
    return quantity(spec.cost_name, cost)


def quantity_label(name: str) -> str:
    """What a cost is called at an axis or in the head of a table.

    Examples:
        >>> quantity_label("energy_pj"), quantity_label("n_synapses"), quantity_label("loss")
        ('energy (pJ)', 'synapses', 'loss')
    """
    if name.startswith("n_"):
        return name[2:].replace("_", " ")
    found = unit(name)
    stem = name.rpartition("_")[0] if found else name
    return f"{stem.replace('_', ' ')} ({found})" if found else name


def cost_label(spec: StudySpec) -> str:
    """``energy (pJ)``: what the cost axis is called."""
    return quantity_label(spec.cost_name)


def point_text(spec: StudySpec, score: float, std: float | None, cost: float | None) -> str:
    """A score, and where there is one, what it costs: ``90.6 ± 0.9 % at 12.3 pJ``."""
    text = score_text(spec, score, std)
    return text if spec.cost is None or cost is None else f"{text} at {cost_text(spec, cost)}"


def value_text(value: ParamValue) -> str:
    """A parameter's value: four digits, ``true`` and ``false`` as in a study file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def unit(parameter: str) -> str:
    """The unit in a parameter's name, or an empty text.

    Examples:
        >>> unit("tau_ns"), unit("f_cut_per_ns"), unit("steps_per_point"), unit("s")
        ('ns', '1/ns', '', '')
    """
    stem, _, last = parameter.rpartition("_")
    name = _UNITS.get(last, "") if stem else ""
    return f"1/{name}" if name and stem.endswith("_per") else name


def duration_text(seconds: float) -> str:
    """A duration in the two largest units that fit: ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def progress(snapshot: StudySnapshot) -> str:
    """How far the search is.

    ``57 of 60 trials settled: 41 complete, 14 pruned, 2 failed; 1,960 epochs of training``
    """
    states = [s for s in SlotState if s != SlotState.RUNNING and snapshot.count(s)]
    counts = ", ".join(f"{snapshot.count(state):,} {state}" for state in states)
    unsettled = snapshot.count(SlotState.RUNNING)
    held = sum(slot.held for slot in snapshot.search)
    text = f"{snapshot.settled:,} of {snapshot.trials:,} trials settled"
    text += f": {counts}" if counts else ""
    text += f"; {epochs:,} epochs of training" if (epochs := effort.of_search(snapshot)) else ""
    text += f"; ended by {why}" if (why := snapshot.search_end_reason) else ""
    text += f"; {held} running" if held else ""
    return text + (f"; {unsettled - held} begun, waiting for a worker" if unsettled > held else "")


def racing_text(spec: StudySpec) -> str:
    """``racing: after 1 and 3 networks, the best 3 go on``; empty without racing."""
    if spec.racing is None:
        return ""
    *first, last = map(str, spec.racing.rungs)
    rungs = f"{', '.join(first)} and {last}" if first else last
    networks = "network" if rungs == "1" else "networks"
    keep = f"the best {spec.racing.keep} go on" if spec.racing.keep > 1 else "the best one goes on"
    return f"racing: after {rungs} {networks}, {keep}"


def verdict(snapshot: StudySnapshot) -> str:
    """The study in one sentence: its key number, held against the reported one.

    ``confirmed 94.9 ± 0.7 % on 10 fresh seeds; reported 89.83 ± 2.91 % (arXiv:2408.02835)``
    """
    parts = []
    if snapshot.state == StudyState.FAILED:
        parts.append(f"study failed: {snapshot.reason or 'no reason was stored'}")
    if snapshot.state == StudyState.STOPPED:
        parts.append(f"stopped by {snapshot.reason or 'somebody'}")
    confirmations = snapshot.confirmations
    if not snapshot.spec.selects:
        return "; ".join([*parts, swept(snapshot)])
    confirmed = snapshot.confirmed
    if confirmed is not None:
        parts.append(_confirmed(snapshot, confirmed))
    else:
        parts += _searched(snapshot, confirmations)
    parts.append(reported_text(snapshot.spec))
    if confirmed is not None:
        parts.append(remark(snapshot.spec, confirmed).rstrip("."))
    return "; ".join(part for part in parts if part)


def swept(snapshot: StudySnapshot) -> str:
    """A study that selects nothing in one sentence; no point of it is called the best."""
    spec, complete = snapshot.spec, measured(snapshot)
    scores = [statistics.median(s.claimed) for s in complete]
    points = f"{len(complete):,} of {spec.budget.trials:,} points measured"
    if not scores:
        return points
    low, high = score_text(spec, min(scores)), score_text(spec, max(scores))
    n = spec.budget.members
    how = ", ".join(filter(None, (protocol_text(spec), sweep_basis(spec, complete))))
    text = f"{points}, medians of {n} networks from {low} to {high} ({how})"
    return "; ".join(filter(None, (text, sweep_remark(spec, complete).rstrip("."))))


def protocol_text(spec: StudySpec) -> str:
    """Which data trained and scored, in words."""
    return {
        Protocol.PAPER: PAPER_PROTOCOL if spec.sweep is None else "scored on the test half",
        Protocol.CONFIRM: CONFIRM_PROTOCOL,
        Protocol.VALIDATION: "validation",
    }[spec.protocol]


def hardware_text(spec: StudySpec) -> str:
    """What scores are the mean over, if not of ideal networks; else empty."""
    if not any(name.startswith(VARIABILITY) for name in (*spec.varied, *spec.parameters)):
        return ""
    table = " ".join(f"{name}={value_text(v)}" for name, v in (spec.variability or {}).items())
    return f"mean over simulated chips{f' ({table})' * bool(table)}"


def _confirmed(snapshot: StudySnapshot, confirmed: Confirmation) -> str:
    spec = snapshot.spec
    n = len(confirmed.scores)
    name = "" if is_percent(spec) else f"{metric(spec)} "
    score = score_text(spec, confirmed.mean, confirmed.std)
    text = f"confirmed {name}{score}{_at_cost(spec, confirmed)} on {n}"
    if spec.cost is not None and spec.reported is not None:
        tested = sum(bool(item.scores) for item in snapshot.confirmations)
        if not pareto.holds(spec, confirmed.mean):
            text = f"none of {tested} confirmed trials holds the reported score; the best: {text}"
    text += " fresh seeds" if n == confirmed.wanted else f" of {confirmed.wanted} fresh seeds"
    if confirmed.failed:
        text += f" ({confirmed.failed} failed)"
    if not confirmed.complete:
        text += " so far"
    text += f", {where}" if (where := basis(spec, confirmed)) else ""
    text += _share_of_reported(spec, confirmed)
    best = snapshot.best
    if best is not None and best.number != confirmed.source:
        text += f" for trial {confirmed.source}, not the best of the search"
    if spec.protocol == Protocol.PAPER:
        text += f", {PAPER_PROTOCOL}"
    return text


def _at_cost(spec: StudySpec, item: Confirmation) -> str:
    """`` at 12.3 pJ (1,010 synapses, 32 neurons, 64 ns)``: the cost, and others that are told."""
    if spec.cost is None or item.cost is None:
        return ""
    others = [quantity(k, v) for k, v in item.costs.items() if k != spec.cost_name]
    return f" at {cost_text(spec, item.cost)}" + (f" ({', '.join(others)})" if others else "")


def _share_of_reported(spec: StudySpec, item: Confirmation) -> str:
    """``: 31 % of the reported 40 pJ, 50 % of the 24.7 pJ that it costs here``."""
    reported = spec.reported
    if reported is None or item.cost is None or not pareto.holds(spec, item.mean):
        return ""
    shares = []
    if reported.cost is not None:
        share = 100.0 * item.cost / reported.cost
        shares.append(f"{share:.0f} % of the reported {cost_text(spec, reported.cost)}")
    if reported.cost_here is not None:
        share = 100.0 * item.cost / reported.cost_here
        what = f"{cost_text(spec, reported.cost_here)} that the reported network takes here"
        shares.append(f"{share:.0f} % of the {what}")
    return f": {', '.join(shares)}" if shares else ""


def confirmed_of(spec: StudySpec) -> str:
    """Which trials of a study with a cost are confirmed; see ``front.order``."""
    top = spec.confirm.top if spec.confirm else 0
    if spec.reported is None:
        which = "most accurate" if is_percent(spec) else "best by score"
        return f"Of the front the {top} {which}" if top > 1 else f"The {which} trial of the front"
    if top == 1:
        return "The cheapest trial of the front that reached the reported score"
    others = f"{top - 1} cheapest that" if top > 2 else "cheapest that"
    last = "the most accurate one" if is_percent(spec) else "the one with the best score"
    return f"Of the front the {others} reached the reported score, and {last}"


def named(snapshot: StudySnapshot) -> str:
    """What the best trial of a search is called."""
    spec, best = snapshot.spec, snapshot.best
    if spec.cost is None or best is None or best.score is None:
        return "best"
    if pareto.holds(spec, best.score):
        return "cheapest that reaches the reported score"
    return "most accurate" if is_percent(spec) else "best by score alone"


def _searched(snapshot: StudySnapshot, confirmations: list[Confirmation]) -> list[str]:
    spec, best = snapshot.spec, snapshot.best
    if best is None or best.score is None:
        if snapshot.settled == 0:
            return ["no trial has finished yet"]
        others = (SlotState.PRUNED, SlotState.FAILED, SlotState.EXCLUDED)
        counts = [f"{snapshot.count(s):,} {s}" for s in others if snapshot.count(s)]
        return [f"no trial is complete: {', '.join(counts)}"]
    members = f"mean of {len(best.members)} members" if len(best.members) != 1 else "1 member"
    how = protocol_text(spec)
    name = "" if is_percent(spec) else f"{metric(spec)} "
    so_far = " so far" if snapshot.state == StudyState.OPEN else ""
    score = point_text(spec, best.score, None, best.cost)
    text = f"{named(snapshot)}{so_far} {name}{score} ({members}, {how})"
    if spec.cost is not None:
        text += f", of {len(snapshot.front)} trials on the front"
    failed = sum(c.failed for c in confirmations)
    if spec.confirm is None:
        return [text, "no confirmation was asked for"]
    if confirmations and all(c.complete for c in confirmations):
        return [text, f"not confirmed: all {failed} confirmation trainings failed"]
    return [text, "not confirmed yet"]

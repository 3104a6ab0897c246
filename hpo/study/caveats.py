"""What limits a confirmed score: the integration step, the thermal power, simulated chips.

Plain text throughout, as of ``views``, which hands all of it on.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hpo.study import thermal_power
from hpo.study.confirmation import Confirmation
from hpo.study.score_text import differs, score_text
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.summary import ConfirmedSummary
from hpo.study.trials import SlotState, Trial
from objectives.contract import Protocol, Solved, Thermal

SOLVED, AT_STEP = "on the solved equation", "at the study's step"
"""Where a confirmed score was measured: what is claimed, and what stands beside it."""
SOLVED_MEANS = (
    "On the solved equation: the same networks, their integration step refined until the score "
    "no longer changes."
)
_TEST_ALL = "To test them all, launch the study under another name: --name NEW."


def basis(spec: StudySpec, item: Confirmation) -> str:
    """Whether a score is that of the equation; empty where the objective integrates none."""
    if item.checked:
        return SOLVED
    if item.checks:
        return f"{len(item.checks):,} of {len(item.step_scores):,} tested {SOLVED}"
    return f"not tested {SOLVED}" if spec.integrates else ""


def beside(spec: StudySpec, item: Confirmation) -> str:
    """What stands beside a confirmed score: its basis, and the score at the study's step."""
    score = score_text(spec, item.step_mean, item.step_std)
    return f"{SOLVED}, {score} {AT_STEP}" if item.checked else basis(spec, item)


def assured(spec: StudySpec, item: Confirmation) -> list[str]:
    """What else is known of a confirmed score: that it holds for warm oscillators; its yield."""
    found = thermal_power.chip_yield(spec, item.simulated)
    texts = (
        thermal_power.holds(spec, item.mean, item.thermal),
        thermal_power.yield_text(spec, found),
    )
    return [text for text in texts if text]


def aside(spec: StudySpec, item: ConfirmedSummary) -> str:
    """The same networks' scores that are other results than the claimed one; mostly empty."""
    step = f"{score_text(spec, item.step_mean)} {AT_STEP}"
    warm = thermal_power.brief(spec, item.mean, item.thermal)
    return ", ".join([step] * differs(spec, item.step_mean, item.mean) + [warm] * bool(warm))


def cells(spec: StudySpec, items: Sequence[Confirmation | None]) -> list[dict[str, str]]:
    """All these scores for a table: of each item one by what it is, a dash where there is none."""
    found = []
    for item in items:
        own = {AT_STEP: step_cell(spec, item)} if item and item.checked else {}
        if item is not None:
            known = thermal_power.chip_yield(spec, item.simulated)
            own |= thermal_power.cells(spec, item.thermal, known)
        found.append(own)
    names = dict.fromkeys(name for own in found for name in own)
    return [{name: own.get(name, "–") for name in names} for own in found]


def step_cell(spec: StudySpec, item: Confirmation | None) -> str:
    """The score at the study's step where it is not the one that is claimed, else a dash."""
    if item is None or not item.checked:
        return "–"
    return score_text(spec, item.step_mean, item.step_std)


def meanings(items: Sequence[Confirmation]) -> str:
    """What the words mean, in a sentence each, that stand beside confirmed scores."""
    texts = [SOLVED_MEANS] * any(item.checks for item in items)
    return " ".join(texts + [thermal_power.MEANING] * any(item.thermal for item in items))


def steps_text(steps: int | None) -> str:
    """``one step per point``, or ``4 steps per point``."""
    return "one step per point" if steps == 1 else f"{steps} steps per point"


def remark(spec: StudySpec, item: Confirmation) -> str:
    """What is wrong with a confirmed result beside its ``basis``, and what to do; mostly empty."""
    return _sentence(*_findings(spec, item), partly=_is_partly(item))


def warning(spec: StudySpec, item: Confirmation) -> str:
    """Why a confirmed result may not be one of the device, and what to do; mostly empty."""
    untested = [] if item.checked else [basis(spec, item)]
    return _warning(untested, *_findings(spec, item), partly=_is_partly(item))


def record(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """What records tell of other thermal powers and of chips; None where nothing is known."""
    found = thermal_power.chip_yield(spec, item.simulated)
    low, high = found.interval if found else (None, None)
    share = found and {**asdict(found), "share": found.share, "low": low, "high": high}
    return {"thermal": thermal_record(item.thermal), "chips": item.chips or None, "yield": share}


def thermal_record(thermal: Thermal | None) -> dict[str, Any] | None:
    """Scores at other thermal powers as records tell them, with mean and deviation of the chips."""
    if thermal is None:
        return None
    noisy = thermal.noisy
    mean = statistics.fmean(noisy) if noisy else None
    std = statistics.stdev(noisy) if len(noisy) > 1 else None
    return {**asdict(thermal), "noisy_mean": mean, "noisy_std": std}


def told(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """What Optuna's user attribute ``hpo:confirmed`` says of a confirmed result."""
    facts: dict[str, Any] = {"trial": item.source, "mean": item.mean, "std": item.std}
    facts |= {"scores": item.scores, "failed": item.failed}
    facts |= {"cost": spec.told_costs(item.costs)} if item.costs else {}
    facts |= {"step_scores": item.step_scores} if item.checked else {}
    facts |= {name: known for name, known in record(spec, item).items() if known}
    return facts | ({"warning": said} if (said := warning(spec, item)) else {})


def _is_partly(item: Confirmation) -> bool:
    """Whether some networks were checked, and others were not."""
    return item.partly or (item.thermal is None and any(item.thermals))


def _findings(spec: StudySpec, item: Confirmation) -> tuple[list[str], str]:
    """What is wrong with the networks that were checked, and what to do."""
    step = _of_step(spec, item)
    warm = thermal_power.findings(spec, item.mean, item.thermal)
    remedies = [item.remedy] * bool(step)
    remedies += [item.thermal.remedy] if warm and item.thermal else []
    if item.thermal is None and (tested := sum(map(bool, item.thermals))):
        warm = [f"{tested:,} of {len(item.thermals):,} networks tested at other thermal powers"]
    return [*step, *warm], " ".join(filter(None, remedies))


def _of_step(spec: StudySpec, item: Confirmation) -> list[str]:
    """Of the networks that were tested on the solved equation."""
    found = []
    step_mean, mean = item.compared
    if item.checks and differs(spec, step_mean, mean):
        what = "oscillator" if spec.objective_impl.name == "spintronic" else "equation"
        step, solved = score_text(spec, step_mean), score_text(spec, mean)
        text = f"{step} with {steps_text(item.trained_steps_per_point)}, {solved} solved"
        found.append(f"a result of the integration step, not of the {what}: {text}")
    return [*found, *_unsettled(item.checks)]


def _unsettled(checks: Sequence[Solved]) -> list[str]:
    """How many networks have no score of the equation, though it was looked for."""
    unsettled = sum(not solved.converged for solved in checks)
    if not unsettled:
        return []
    finest = steps_text(max(solved.steps_per_point for solved in checks))
    of = f"{unsettled:,} of {len(checks):,}"
    return [f"{of} networks do not settle as the step is refined up to {finest}"]


def _sentence(found: Sequence[str], remedy: str, *, partly: bool) -> str:
    advice = [remedy] * bool(found and remedy) + [_TEST_ALL] * partly
    if not found:
        return "".join(f"{text[0].lower()}{text[1:]}" for text in advice)
    return f"{'; '.join(found)}. {' '.join(advice)}".strip()


def _warning(basis: Sequence[str], found: Sequence[str], remedy: str, *, partly: bool) -> str:
    """The whole of it, to stand alone."""
    untested = [f"{text[0].upper()}{text[1:]}" for text in basis if text]
    return _sentence([*untested, *found], remedy, partly=partly)


# --- a study that selects nothing -----------------------------------------------------------------


def sweep_basis(spec: StudySpec, points: Sequence[Trial]) -> str:
    """Whether the scores of measured points are those of the equation; see ``basis``."""
    checked = sum(slot.checked for slot in points)
    if checked == len(points):
        return SOLVED
    if any(slot.checks for slot in points):
        return f"{checked:,} of {len(points):,} points tested {SOLVED}"
    tested = spec.integrates and spec.protocol == Protocol.CONFIRM
    return f"not tested {SOLVED}" if tested else ""


def sweep_remark(spec: StudySpec, points: Sequence[Trial]) -> str:
    """What is wrong with measured points, and what to do; mostly empty: see ``remark``."""
    return _sentence(*_sweep_findings(spec, points, "them"), partly=_partly(points))


def sweep_warning(snapshot: StudySnapshot) -> str:
    """Why points of a sweep may not be those of the device; empty of any other study."""
    spec, points = snapshot.spec, measured(snapshot)
    if spec.selects or not points:
        return ""
    where = sweep_basis(spec, points)
    found, remedy = _sweep_findings(spec, points, "the points")
    return _warning([where] * (where != SOLVED), found, remedy, partly=_partly(points))


def measured(snapshot: StudySnapshot) -> list[Trial]:
    """The points that a study has measured."""
    return [s for s in snapshot.search if s.state == SlotState.COMPLETE and s.members]


def _partly(points: Sequence[Trial]) -> bool:
    return any(s.checks for s in points) and not all(s.checked for s in points)


def _cold(spec: StudySpec, slot: Trial) -> bool:
    """Whether the score of a measured point is not that of a warm oscillator."""
    claimed = statistics.fmean(slot.claimed)
    return bool(thermal_power.findings(spec, claimed, slot.thermal))


def _sweep_findings(spec: StudySpec, points: Sequence[Trial], them: str) -> tuple[list[str], str]:
    checks = [solved for slot in points for solved in slot.checks]
    of_step = [s for s in points if s.checks and differs(spec, *s.compared)]
    found = []
    if claimed := sum(s.checked for s in of_step):
        others = "was another" if claimed == 1 else "were others"
        found.append(f"{claimed:,} of {them} {others} at the study's own step")
    if rest := len(of_step) - claimed:
        results = "is a result" if rest == 1 else "are results"
        found.append(f"{rest:,} of {them} {results} of the integration step")
    found += _unsettled(checks)
    remedies = [solved.remedy for solved in checks[:1] if found]
    cold = [s.thermal for s in points if _cold(spec, s)]
    if cold:
        hold = "does not hold" if len(cold) == 1 else "do not hold"
        found.append(
            f"{len(cold):,} of {them} {hold} at other thermal powers or with thermal noise"
        )
    remedies += [thermal.remedy for thermal in cold[:1] if thermal]
    return found, " ".join(filter(None, remedies))

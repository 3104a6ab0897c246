"""Whether scores are those of the differential equation or of the integration step.

Plain text throughout, as of ``views``, which hands all of it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpo.study.confirmation import Confirmation, is_of_step
from hpo.study.score_text import score_text
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Slot, SlotState
from objectives.contract import Protocol, Solved

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


def steps_text(steps: int | None) -> str:
    """``one step per point``, or ``4 steps per point``."""
    return "one step per point" if steps == 1 else f"{steps} steps per point"


def remark(spec: StudySpec, item: Confirmation) -> str:
    """What is wrong with a confirmed result beside its ``basis``, and what to do; mostly empty."""
    return _sentence(_findings(spec, item), item.remedy, partly=item.partly)


def warning(spec: StudySpec, item: Confirmation) -> str:
    """Why a confirmed result may not be one of the equation, and what to do; mostly empty."""
    untested = [] if item.checked else [basis(spec, item)]
    return _warning(untested, _findings(spec, item), item.remedy, partly=item.partly)


def told(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """What Optuna's user attribute ``hpo:confirmed`` says of a confirmed result."""
    facts: dict[str, Any] = {"trial": item.source, "mean": item.mean, "std": item.std}
    facts |= {"scores": item.scores, "failed": item.failed}
    facts |= {"cost": spec.told_costs(item.costs)} if item.costs else {}
    facts |= {"step_scores": item.step_scores} if item.checked else {}
    return facts | ({"warning": said} if (said := warning(spec, item)) else {})


def _findings(spec: StudySpec, item: Confirmation) -> list[str]:
    """Of the networks that were tested on the solved equation."""
    found = []
    step_mean, mean = item.compared
    if item.checks and is_of_step(spec, step_mean, mean):
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
    return _sentence([*untested, *found], remedy * bool(found), partly=partly)


# --- a study that selects nothing -----------------------------------------------------------------


def sweep_basis(spec: StudySpec, points: Sequence[Slot]) -> str:
    """Whether the scores of measured points are those of the equation; see ``basis``."""
    checked = sum(slot.checked for slot in points)
    if checked == len(points):
        return SOLVED
    if any(slot.checks for slot in points):
        return f"{checked:,} of {len(points):,} points tested {SOLVED}"
    tested = spec.integrates and spec.protocol == Protocol.CONFIRM
    return f"not tested {SOLVED}" if tested else ""


def sweep_remark(spec: StudySpec, points: Sequence[Slot]) -> str:
    """What is wrong with measured points, and what to do; mostly empty: see ``remark``."""
    return _sentence(*_sweep_findings(spec, points, "them"), partly=_partly(points))


def sweep_warning(snapshot: StudySnapshot) -> str:
    """Why points of a sweep may not be those of the equation; empty of any other study."""
    spec, points = snapshot.spec, measured(snapshot)
    if spec.selects or not points:
        return ""
    where = sweep_basis(spec, points)
    found, remedy = _sweep_findings(spec, points, "the points")
    return _warning([where] * (where != SOLVED), found, remedy, partly=_partly(points))


def measured(snapshot: StudySnapshot) -> list[Slot]:
    """The points that a study has measured."""
    return [s for s in snapshot.search if s.state == SlotState.COMPLETE and s.members]


def _partly(points: Sequence[Slot]) -> bool:
    return any(s.checks for s in points) and not all(s.checked for s in points)


def _sweep_findings(spec: StudySpec, points: Sequence[Slot], them: str) -> tuple[list[str], str]:
    checks = [solved for slot in points for solved in slot.checks]
    of_step = [s for s in points if s.checks and is_of_step(spec, *s.compared)]
    found = []
    if claimed := sum(s.checked for s in of_step):
        others = "was another" if claimed == 1 else "were others"
        found.append(f"{claimed:,} of {them} {others} at the study's own step")
    if rest := len(of_step) - claimed:
        results = "is a result" if rest == 1 else "are results"
        found.append(f"{rest:,} of {them} {results} of the integration step")
    remedy = next((solved.remedy for solved in checks), "")
    return [*found, *_unsettled(checks)], remedy

"""What limits a confirmed score: the integration step, the thermal power, simulated chips.

Plain text throughout, as of ``views``, which hands all of it on.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from hpo.study import thermal_power
from hpo.study.confirmation import Confirmation
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.thermal_power import Yield
from hpo.study.trials import Trial
from hpo.views.formatting import score_text
from objectives.contract import Protocol, Solved, Thermal

SOLVED, AT_STEP = "on the solved equation", "at the study's step"
"""Where a confirmed score was measured: what is claimed, and what stands beside it."""
SOLVED_MEANS = (
    "On the solved equation: the same networks, their integration step refined until the score "
    "no longer changes."
)
THERMAL_MEANS = (
    "Thermal power: the power at which an oscillator rests without a drive, over that at which it "
    "saturates."
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
        _holds(spec, item.mean, item.thermal),
        _yield_text(spec, found),
    )
    return [text for text in texts if text]


def aside(spec: StudySpec, item: Confirmation) -> str:
    """The same networks' scores that are other results than the claimed one; mostly empty."""
    step = f"{score_text(spec, item.step_mean)} {AT_STEP}"
    warm = _brief(spec, item.mean, item.thermal)
    return ", ".join([step] * spec.differs(item.step_mean, item.mean) + [warm] * bool(warm))


def cells(spec: StudySpec, items: Sequence[Confirmation | None]) -> list[dict[str, str]]:
    """All these scores for a table: of each item one by what it is, a dash where there is none."""
    found = []
    for item in items:
        own = {AT_STEP: step_cell(spec, item)} if item and item.checked else {}
        if item is not None:
            known = thermal_power.chip_yield(spec, item.simulated)
            own |= _thermal_cells(spec, item.thermal, known)
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
    return " ".join(texts + [THERMAL_MEANS] * any(item.thermal for item in items))


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


def _is_partly(item: Confirmation) -> bool:
    """Whether some networks were checked, and others were not."""
    return item.partly or (item.thermal is None and any(item.thermals))


def _findings(spec: StudySpec, item: Confirmation) -> tuple[list[str], str]:
    """What is wrong with the networks that were checked, and what to do."""
    step = _of_step(spec, item)
    warm = _of_thermal(spec, item.mean, item.thermal)
    remedies = [item.remedy] * bool(step)
    remedies += [item.thermal.remedy] if warm and item.thermal else []
    if item.thermal is None and (tested := sum(map(bool, item.thermals))):
        warm = [f"{tested:,} of {len(item.thermals):,} networks tested at other thermal powers"]
    return [*step, *warm], " ".join(filter(None, remedies))


def _of_step(spec: StudySpec, item: Confirmation) -> list[str]:
    """Of the networks that were tested on the solved equation."""
    found = []
    step_mean, mean = item.compared
    if item.checks and spec.differs(step_mean, mean):
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


# --- thermal power and chips ----------------------------------------------------------------------


def _of_thermal(spec: StudySpec, mean: float, thermal: Thermal | None) -> list[str]:
    """Why a score is not that of a warm oscillator; mostly nothing.

    A warm network may score otherwise without thermal power: there is no such oscillator.
    """
    wrong = _wrong(spec, mean, thermal)
    if thermal is None or not wrong:
        return []
    at, noise = _power_text(thermal.device_power), _noise_text(spec, thermal)
    cold = wrong.get("at_device")
    if cold and thermal.holds_below < thermal.device_power:
        needs = "oscillators without thermal power; that of a warm oscillator is"
        if below := thermal.holds_below:
            needs = f"oscillator powers below {_power_text(below)}; those of a warm oscillator are"
        noise = f", {noise} with thermal noise" if noise else ""
        return [f"needs {needs} about {at}: {cold} there{noise}"]
    if cold:
        return [f"depends on the thermal power: {cold} at {at}, {noise} with thermal noise"]
    if "third" not in wrong and "triple" not in wrong:
        return [f"changes with thermal noise: {noise} on {len(thermal.noisy):,} chips"]
    noise = f"{noise} with thermal noise ({len(thermal.noisy):,} chips)" if noise else ""
    third, triple = (score_text(spec, score) for score in (thermal.third, thermal.triple))
    power = f"depends on the thermal power: {third} at a third of {at}, {triple} at three times"
    return [power, *([noise] if noise else [])]


def _holds(spec: StudySpec, mean: float, thermal: Thermal | None) -> str:
    """That a score is that of a warm oscillator; empty if it is not, or was not tested."""
    if thermal is None or _wrong(spec, mean, thermal):
        return ""
    at = _power_text(thermal.device_power)
    text = f"holds from a third to three times the thermal power {at}"
    noise = _noise_text(spec, thermal, spread=True)
    return f"{text}, and with thermal noise ({noise})" if noise else text


def _brief(spec: StudySpec, mean: float, thermal: Thermal | None) -> str:
    """The first score that speaks against the claimed one: ``41.0 % with thermal noise``."""
    wrong = _wrong(spec, mean, thermal)
    if thermal is None or not wrong:
        return ""
    name, score = next(iter(wrong.items()))
    at = {"third": "a third of the", "triple": "three times the"}.get(name, "the")
    at = f"at {at} thermal power {_power_text(thermal.device_power)}"
    return f"{score} with thermal noise" if name == "noisy" else f"{score} {at}"


def _wrong(spec: StudySpec, mean: float, thermal: Thermal | None) -> dict[str, str]:
    """The scores that are others than the claimed one, by field, the worst kind first."""
    found = thermal_power.others(spec, mean, thermal)
    return {name: score_text(spec, score) for name, score in found.items()}


def _yield_text(spec: StudySpec, found: Yield | None) -> str:
    """``yield 95 % (38 of 40 chips at or above 89.83 %; 95 % interval 83 to 99 %)``, or nothing."""
    if found is None:
        return ""
    of = f"{found.passed:,} of {found.chips:,} chips {_reach(spec, found)}"
    return f"yield {100 * found.share:.3g} % ({of}; 95 % interval {_interval(found)})"


def _thermal_cells(spec: StudySpec, thermal: Thermal | None, found: Yield | None) -> dict[str, str]:
    """The same numbers for a table, by what they are."""
    known: dict[str, str] = {}
    if thermal is not None:
        trained = thermal.power != thermal.device_power
        known["thermal power"] = _power_text(thermal.device_power)
        known["thermal power"] += f", trained with {_power_text(thermal.power)}" if trained else ""
        for name, where in (("third", "a third of it"), ("at_device", "it"), ("triple", "3 times")):
            known[f"at {where}"] = score_text(spec, getattr(thermal, name))
        known["without any"] = score_text(spec, thermal.none)
    if thermal is not None and thermal.noisy:
        known["with thermal noise"] = _noise_text(spec, thermal, spread=True)
    if found is not None:
        share = f"{100 * found.share:.3g} % of {found.chips:,} chips"
        known[f"yield {_reach(spec, found)}"] = f"{share} ({_interval(found)})"
    return known


def _power_text(power: float) -> str:
    """A thermal power: ``1e-3``, or ``none``."""
    digits, _, exponent = f"{power:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}" if power else "none"


def _noise_text(spec: StudySpec, thermal: Thermal, *, spread: bool = False) -> str:
    """The mean score with thermal noise, ``spread``: ``93.0 ± 0.5 % on 40 chips``; or nothing."""
    if not thermal.noisy:
        return ""
    mean = statistics.fmean(thermal.noisy)
    if not spread:
        return score_text(spec, mean)
    std = statistics.stdev(thermal.noisy) if len(thermal.noisy) > 1 else None
    return f"{score_text(spec, mean, std)} on {len(thermal.noisy):,} chips"


def _reach(spec: StudySpec, found: Yield) -> str:
    least = 100 * found.threshold if spec.is_accuracy else found.threshold
    unit = " %" if spec.is_accuracy else ""
    return f"at or {'above' if spec.maximize else 'below'} {least:.4g}{unit}"


def _interval(found: Yield) -> str:
    low, high = (f"{100 * end:.0f}" for end in found.interval)
    return f"{low} to {high} %"


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


def sweep_warning(result: Result) -> str:
    """Why points of a sweep may not be those of the device; empty of any other study."""
    spec, points = result.spec, result.trained
    if not points:
        return ""
    where = sweep_basis(spec, points)
    found, remedy = _sweep_findings(spec, points, "the points")
    return _warning([where] * (where != SOLVED), found, remedy, partly=_partly(points))


def _partly(points: Sequence[Trial]) -> bool:
    return any(s.checks for s in points) and not all(s.checked for s in points)


def _cold(spec: StudySpec, slot: Trial) -> bool:
    """Whether the score of a measured point is not that of a warm oscillator."""
    claimed = statistics.fmean(slot.claimed)
    return bool(_of_thermal(spec, claimed, slot.thermal))


def _sweep_findings(spec: StudySpec, points: Sequence[Trial], them: str) -> tuple[list[str], str]:
    checks = [solved for slot in points for solved in slot.checks]
    of_step = [s for s in points if s.checks and spec.differs(*s.compared)]
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


def warnings(result: Result, *, but: int | None = None) -> list[str]:
    """A line for each confirmed trial, but for one, whose result may not be one of the device.

    Of a study that selects nothing, one for all its points.
    """
    if not result.selects:
        return [text] if (text := sweep_warning(result)) else []
    found = [c for c in result.confirmations if c.scores and c.source != but]
    texts = [(c.source, warning(result.spec, c)) for c in found]
    return [f"trial {source}: {text}" for source, text in texts if text]

"""Limits of a measured score: the integration step, the thermal power, simulated chips.

All texts are plain.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.contract import Protocol, Solved, Thermal
from hpo.study import networks
from hpo.study.networks import Confirmation, Yield
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views.sentences import failed_trainings
from hpo.views.sentences.formatting import capital, joined, score_text, shown

SOLVED = "on the solved equation"
AT_STEP = "at the study's time step"
"""Where a confirmed score was measured: the claim, and the score for comparison."""
SOLVED_MEANS = (
    "On the solved equation: the same networks, with the integration step refined until"
    " the score no longer changes."
)
THERMAL_MEANS = (
    "Thermal power: the power of an oscillator at rest without a drive, divided by its"
    " power at saturation."
)
_NOISE = "with thermal noise"
_POWERS = {"at_device": "the", "third": "a third of the", "triple": "three times the"}


@dataclass(frozen=True, kw_only=True)
class Caveats:
    """The caveats of a confirmed result, or of the points of a sweep."""

    basis: str
    """Says if the score is on the solved equation; empty if the objective integrates
    none."""
    wrong: Sequence[str]
    """Faults of the networks that were checked."""
    advice: str
    """How to mend them."""

    @property
    def remark(self) -> str:
        """Return the faults without the ``basis``, and the advice; mostly empty."""
        if not self.wrong:
            return self.advice[:1].lower() + self.advice[1:]
        return self._advised(self.wrong)

    @property
    def warning(self) -> str:
        """Say why it may not be a result of the device, and what to do; mostly
        empty."""
        if self.basis in ("", SOLVED):
            return self.remark
        return self._advised([capital(self.basis), *self.wrong])

    def _advised(self, faults: Sequence[str]) -> str:
        return f"{'; '.join(faults)}. {self.advice}".strip()


def of(spec: StudySpec, item: Confirmation) -> Caveats:
    """Return the caveats of a confirmed result."""
    step = _of_step(spec, item)
    warm = _of_thermal(spec, item.mean, item.thermal)
    remedies = []
    if step:
        remedies += [solved.remedy for solved in item.checks[:1]]
    if warm and item.thermal is not None:
        remedies.append(item.thermal.remedy)
    return Caveats(
        basis=basis(spec, item), wrong=[*step, *warm], advice=joined(remedies, " ")
    )


def of_points(spec: StudySpec, points: Sequence[Trial]) -> Caveats:
    """Return the caveats of the points of a sweep."""
    checks = [check for point in points for check in point.checks]
    of_step = sum(spec.differs(point.step_mean, point.mean) for point in points)
    step = _count(of_step, "was another", "were others", "at the study's own step")
    step += _not_converged(checks)
    cold = [
        point.thermal
        for point in points
        if point.thermal and _of_thermal(spec, point.mean, point.thermal)
    ]
    warm = f"at other thermal powers or {_NOISE}"
    remedies = [check.remedy for check in checks[:1] if step]
    remedies += [thermal.remedy for thermal in cold[:1]]
    expected = bool(checks) or (spec.integrates and spec.protocol == Protocol.CONFIRM)
    return Caveats(
        basis=_basis(all(point.checked for point in points), expected=expected),
        wrong=[*step, *_count(len(cold), "does not hold", "do not hold", warm)],
        advice=joined(remedies, " "),
    )


def _count(n: int, one: str, several: str, what: str) -> list[str]:
    if n == 0:
        return []
    return [f"{n:,} of the points {one if n == 1 else several} {what}"]


def warning(result: Result) -> str:
    """Return the warning of the headline confirmation, or of the points of a sweep."""
    if result.confirmed is not None:
        return of(result.spec, result.confirmed).warning
    if result.points:
        return of_points(result.spec, result.points).warning
    return ""


def warnings(result: Result, *, but: int | None = None) -> list[str]:
    """Return a warning per confirmed trial except ``but``; for a sweep one for all its
    points."""
    if result.points:
        return [text for text in [warning(result)] if text]
    texts = []
    for item in result.tested:
        text = of(result.spec, item).warning
        if text and item.source != but:
            texts.append(f"trial {item.source}: {text}")
    return texts


def further(result: Result) -> list[str]:
    """Return the warnings that the verdict does not have."""
    named = result.confirmed
    return warnings(result, but=named.source if named else None)


# --- the integration step ---


def basis(spec: StudySpec, item: Confirmation) -> str:
    """Say if a score is on the solved equation; empty if the objective integrates
    none."""
    return _basis(item.checked, expected=spec.integrates or bool(item.checks))


def _basis(checked: bool, *, expected: bool) -> str:
    if checked:
        return SOLVED
    if expected:
        return f"not tested {SOLVED}"
    return ""


def beside(spec: StudySpec, item: Confirmation) -> list[str]:
    """Return basis, score at the study's step, thermal check and yield of a confirmed
    score."""
    first = basis(spec, item)
    if item.checked:
        first += f", {score_text(spec, item.step_mean, item.step_std)} {AT_STEP}"
    texts = assured(spec, item)
    return [first, *texts] if first else texts


def steps_text(steps: int | None) -> str:
    """``one step per point``, or ``4 steps per point``."""
    if steps == 1:
        return "one step per point"
    return f"{steps} steps per point"


def _of_step(spec: StudySpec, item: Confirmation) -> list[str]:
    """Return the faults that the solved equation has shown."""
    faults = _not_converged(item.checks)
    if not spec.differs(item.step_mean, item.mean):
        return faults
    step = score_text(spec, item.step_mean)
    steps = steps_text(item.trained_steps_per_point)
    error = (
        "a discretisation error, not a result of the"
        f" {spec.about.system}: {step} with {steps},"
        f" {score_text(spec, item.mean)} solved"
    )
    return [error, *faults]


def _not_converged(checks: Sequence[Solved]) -> list[str]:
    """Count the networks whose score does not converge as the step is refined."""
    not_converged = sum(not solved.converged for solved in checks)
    if not_converged == 0:
        return []
    finest = steps_text(max(solved.steps_per_point for solved in checks))
    text = f"networks do not settle as the step is refined up to {finest}"
    return [f"{not_converged:,} of {len(checks):,} {text}"]


# --- thermal power and chips ---


def assured(
    spec: StudySpec, item: Confirmation, *, at_chance: bool = False
) -> list[str]:
    """Say if a confirmed score above chance holds for warm oscillators, and its
    yield."""
    texts = []
    thermal = item.thermal
    changes = networks.others(spec, item.mean, thermal)
    if thermal is not None and not at_chance and not changes:
        text = "holds from a third to three times the thermal power "
        text += power_text(thermal.device_power)
        if thermal.noisy:
            text += f", and {_NOISE} ({_noise(spec, thermal)})"
        texts.append(text)
    share = networks.chip_yield(spec, item.simulated)
    if share is not None:
        low, high = (f"{100 * end:.0f}" for end in share.interval)
        texts.append(
            f"yield {_share(share)}: {share.passed:,} of {share.chips:,} simulated"
            f" chips {_reach(spec, share)} (95 % interval {low} to {high} %)"
        )
    return texts


def _of_thermal(spec: StudySpec, mean: float, thermal: Thermal | None) -> list[str]:
    """Say why a score is not that of a warm oscillator; mostly empty.

    The score without thermal power does not matter: no such oscillator exists.
    """
    wrong = networks.others(spec, mean, thermal)
    if thermal is None or not wrong:
        return []
    power = power_text(thermal.device_power)
    there = score_text(spec, thermal.at_device)
    noise = noisy = ""
    if thermal.noisy:
        noise = score_text(spec, statistics.fmean(thermal.noisy))
        noisy = f"{noise} {_NOISE}"
    if "at_device" in wrong and thermal.holds_below < thermal.device_power:
        needs = f"needs {_needs(thermal)} about {power}: {there} there"
        return [joined([needs, noisy], ", ")]
    if "at_device" in wrong:
        return [f"changes with thermal power: {there} at {power}, {noisy}"]
    chips = f"{len(thermal.noisy):,} chips"
    if "third" not in wrong and "triple" not in wrong:
        return [f"changes with thermal noise: {noise} on {chips}"]
    third = score_text(spec, thermal.third)
    triple = score_text(spec, thermal.triple)
    changes = f"{third} at a third of {power}, {triple} at three times"
    texts = [f"changes with thermal power: {changes}"]
    if noisy:
        texts.append(f"{noisy} ({chips})")
    return texts


def _needs(thermal: Thermal) -> str:
    if not thermal.holds_below:
        return "oscillators without thermal power; that of a warm oscillator is"
    below = power_text(thermal.holds_below)
    return f"oscillator powers below {below}; those of a warm oscillator are"


def aside(spec: StudySpec, item: Confirmation) -> str:
    """Return scores of the same networks that differ from the claim; mostly empty.

    Only the first of several at other thermal powers.
    """
    texts = []
    if spec.differs(item.step_mean, item.mean):
        texts.append(f"{score_text(spec, item.step_mean)} {AT_STEP}")
    for name, score in networks.others(spec, item.mean, item.thermal).items():
        where = _NOISE
        if name != "noisy" and item.thermal is not None:
            power = power_text(item.thermal.device_power)
            where = f"at {_POWERS[name]} thermal power {power}"
        texts.append(f"{score_text(spec, score)} {where}")
        break
    return ", ".join(texts)


def cells(spec: StudySpec, item: Confirmation) -> dict[str, str]:
    """Return these scores as cells of a table, by column."""
    columns = {}
    thermal = item.thermal
    found = item.failed_trainings
    if found is not None:
        n = len(item.members)
        columns["failed trainings"] = failed_trainings.cell(spec, found, n)
    if item.checked:
        columns[AT_STEP] = score_text(spec, item.step_mean, item.step_std)
    if thermal is not None:
        columns |= {
            "thermal power": power_text(thermal.device_power),
            "at a third of it": score_text(spec, thermal.third),
            "at this power": score_text(spec, thermal.at_device),
            "at 3 times": score_text(spec, thermal.triple),
            "without any": score_text(spec, thermal.none),
        }
        if thermal.noisy:
            columns[_NOISE] = _noise(spec, thermal)
    share = networks.chip_yield(spec, item.simulated)
    if share is not None:
        of_chips = f"{_share(share)} of {share.chips:,} chips"
        columns[f"yield {_reach(spec, share)}"] = of_chips
    return columns


def power_text(power: float) -> str:
    """Format a thermal power.

    Examples:
        >>> [power_text(power) for power in (1e-3, 3.3e-4, 0.25, 1.0, 0.0)]
        ['1e-3', '3.3e-4', '2.5e-1', '1e0', 'none']
    """
    if not power:
        return "none"
    digits, _, exponent = f"{power:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def _noise(spec: StudySpec, thermal: Thermal) -> str:
    """Format the score with thermal noise: ``93.0 ± 0.5 % on 40 chips``."""
    noisy = thermal.noisy
    score = score_text(spec, statistics.fmean(noisy), networks.std_of(noisy))
    return f"{score} on {len(noisy):,} chips"


def _reach(spec: StudySpec, share: Yield) -> str:
    least = f"{shown(spec, share.threshold):.4g}"
    if spec.is_accuracy:
        least += " %"
    side = "above" if spec.maximize else "below"
    return f"at or {side} {least}"


def _share(chips: Yield) -> str:
    return f"{100 * chips.share:.3g} %"

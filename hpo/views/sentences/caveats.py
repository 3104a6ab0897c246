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
from hpo.views.sentences.formatting import capital, score_text, shown

SOLVED, AT_STEP = "on the solved equation", "at the study's time step"
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
        return f"{'; '.join(self.wrong)}. {self.advice}".strip()

    @property
    def warning(self) -> str:
        """Say why it may not be a result of the device, and what to do; mostly
        empty."""
        if self.basis in ("", SOLVED):
            return self.remark
        return f"{'; '.join((capital(self.basis), *self.wrong))}. {self.advice}".strip()


def of(spec: StudySpec, item: Confirmation) -> Caveats:
    """Return the caveats of a confirmed result."""
    thermal = item.thermal
    step, warm = _of_step(spec, item), _of_thermal(spec, item.mean, thermal)
    remedies = [solved.remedy for solved in item.checks[:1] if step]
    remedies += [thermal.remedy for _ in warm[:1] if thermal]
    advice = " ".join(filter(None, remedies))
    return Caveats(basis=basis(spec, item), wrong=[*step, *warm], advice=advice)


def of_points(spec: StudySpec, points: Sequence[Trial]) -> Caveats:
    """Return the caveats of the points of a sweep."""
    checks = [c for p in points for c in p.checks]
    expected = (spec.integrates and spec.protocol == Protocol.CONFIRM) or bool(checks)
    of_step = sum(spec.differs(p.step_mean, p.mean) for p in points)
    cold = [
        p.thermal
        for p in points
        if _of_thermal(spec, statistics.fmean(p.scores), p.thermal)
    ]
    step = [
        *_count(of_step, "was another", "were others", "at the study's own step"),
        *_unsettled(checks),
    ]
    warm = f"at other thermal powers or {_NOISE}"
    remedies = [solved.remedy for solved in checks[:1] if step]
    remedies += [thermal.remedy for thermal in cold[:1] if thermal]
    return Caveats(
        basis=_basis(all(p.checked for p in points), expected=expected),
        wrong=[*step, *_count(len(cold), "does not hold", "do not hold", warm)],
        advice=" ".join(filter(None, remedies)),
    )


def _count(n: int, one: str, several: str, what: str) -> list[str]:
    return [f"{n:,} of the points {one if n == 1 else several} {what}"] * bool(n)


def warning(result: Result) -> str:
    """Return the warning of the headline confirmation, or of the points of a sweep."""
    if result.confirmed is not None:
        return of(result.spec, result.confirmed).warning
    points = () if result.selects else result.trained
    return of_points(result.spec, points).warning if points else ""


def warnings(result: Result, *, but: int | None = None) -> list[str]:
    """Return a warning per confirmed trial except ``but``; for a sweep one for all its
    points."""
    if not result.selects:
        return [*filter(None, [warning(result)])]
    items = [c for c in result.confirmations if c.scores and c.source != but]
    texts = {item.source: of(result.spec, item).warning for item in items}
    return [f"trial {source}: {text}" for source, text in texts.items() if text]


# --- the integration step ---


def basis(spec: StudySpec, item: Confirmation) -> str:
    """Say if a score is on the solved equation; empty if the objective integrates
    none."""
    return _basis(item.checked, expected=spec.integrates or bool(item.checks))


def _basis(checked: bool, *, expected: bool) -> str:
    if checked:
        return SOLVED
    return f"not tested {SOLVED}" if expected else ""


def beside(spec: StudySpec, item: Confirmation) -> list[str]:
    """Return basis, score at the study's step, thermal check and yield of a confirmed
    score."""
    score = score_text(spec, item.step_mean, item.step_std)
    first = f"{SOLVED}, {score} {AT_STEP}" if item.checked else basis(spec, item)
    return [*filter(None, [first]), *assured(spec, item)]


def steps_text(steps: int | None) -> str:
    """``one step per point``, or ``4 steps per point``."""
    return "one step per point" if steps == 1 else f"{steps} steps per point"


def _of_step(spec: StudySpec, item: Confirmation) -> list[str]:
    """Return the faults that the solved equation has shown."""
    faults = []
    if spec.differs(item.step_mean, item.mean):
        what = "oscillator" if spec.objective_impl.name == "spintronic" else "equation"
        step, solved = score_text(spec, item.step_mean), score_text(spec, item.mean)
        text = (
            f"{step} with {steps_text(item.trained_steps_per_point)}, {solved} solved"
        )
        faults.append(f"a discretisation error, not a result of the {what}: {text}")
    return [*faults, *_unsettled(item.checks)]


def _unsettled(checks: Sequence[Solved]) -> list[str]:
    """Count the networks whose score does not converge as the step is refined."""
    unsettled = sum(not solved.converged for solved in checks)
    finest = steps_text(max((solved.steps_per_point for solved in checks), default=1))
    text = f"networks do not settle as the step is refined up to {finest}"
    return [f"{unsettled:,} of {len(checks):,} {text}"] * bool(unsettled)


# --- thermal power and chips ---


def assured(
    spec: StudySpec, item: Confirmation, *, at_chance: bool = False
) -> list[str]:
    """Say if a confirmed score above chance holds for warm oscillators, and its
    yield."""
    thermal, share = item.thermal, networks.chip_yield(spec, item.simulated)
    texts = []
    if thermal is not None and not (
        at_chance or networks.others(spec, item.mean, thermal)
    ):
        power = power_text(thermal.device_power)
        noise = f", and {_NOISE} ({_noise(spec, thermal)})" if thermal.noisy else ""
        texts.append(
            f"holds from a third to three times the thermal power {power}{noise}"
        )
    if share is not None:
        low, high = (f"{100 * end:.0f}" for end in share.interval)
        of = (
            f"{share.passed:,} of {share.chips:,} simulated chips {_reach(spec, share)}"
        )
        texts.append(f"yield {_share(share)}: {of} (95 % interval {low} to {high} %)")
    return texts


def _of_thermal(spec: StudySpec, mean: float, thermal: Thermal | None) -> list[str]:
    """Say why a score is not that of a warm oscillator; mostly empty.

    The score without thermal power does not matter: no such oscillator exists.
    """
    wrong = networks.others(spec, mean, thermal)
    if thermal is None or not wrong:
        return []
    at = power_text(thermal.device_power)
    there, third, triple = (
        score_text(spec, score)
        for score in (thermal.at_device, thermal.third, thermal.triple)
    )
    noise = score_text(spec, statistics.fmean(thermal.noisy)) if thermal.noisy else ""
    noisy, chips = f"{noise} {_NOISE}" * bool(noise), f"{len(thermal.noisy):,} chips"
    if "at_device" in wrong and thermal.holds_below < thermal.device_power:
        needs = "oscillators without thermal power; that of a warm oscillator is"
        if below := thermal.holds_below:
            needs = (
                f"oscillator powers below {power_text(below)}; those of a warm"
                " oscillator are"
            )
        return [
            ", ".join(filter(None, (f"needs {needs} about {at}: {there} there", noisy)))
        ]
    if "at_device" in wrong:
        return [f"changes with thermal power: {there} at {at}, {noisy}"]
    if "third" not in wrong and "triple" not in wrong:
        return [f"changes with thermal noise: {noise} on {chips}"]
    power = (
        f"changes with thermal power: {third} at a third of {at}, {triple} at three"
        " times"
    )
    return [power, *[f"{noisy} ({chips})"] * bool(noise)]


def aside(spec: StudySpec, item: Confirmation) -> str:
    """Return scores of the same networks that differ from the claim; mostly empty.

    Only the first of several at other thermal powers.
    """
    texts = [f"{score_text(spec, item.step_mean)} {AT_STEP}"]
    texts *= spec.differs(item.step_mean, item.mean)
    power = power_text(item.thermal.device_power if item.thermal else 0.0)
    for name, score in [*networks.others(spec, item.mean, item.thermal).items()][:1]:
        where = {"third": "a third of the", "triple": "three times the"}.get(
            name, "the"
        )
        where = _NOISE if name == "noisy" else f"at {where} thermal power {power}"
        texts.append(f"{score_text(spec, score)} {where}")
    return ", ".join(texts)


def cells(spec: StudySpec, item: Confirmation) -> dict[str, str]:
    """Return these scores as cells of a table, by column."""
    columns, thermal = {}, item.thermal
    if item.checked:
        columns[AT_STEP] = score_text(spec, item.step_mean, item.step_std)
    if thermal is not None:
        columns["thermal power"] = power_text(thermal.device_power)
        scores = {
            "at a third of it": thermal.third,
            "at this power": thermal.at_device,
            "at 3 times": thermal.triple,
            "without any": thermal.none,
        }
        columns |= {name: score_text(spec, score) for name, score in scores.items()}
        columns |= {_NOISE: _noise(spec, thermal)} if thermal.noisy else {}
    if (share := networks.chip_yield(spec, item.simulated)) is not None:
        columns[f"yield {_reach(spec, share)}"] = (
            f"{_share(share)} of {share.chips:,} chips"
        )
    return columns


def power_text(power: float) -> str:
    """Format a thermal power.

    Examples:
        >>> [power_text(power) for power in (1e-3, 3.3e-4, 0.25, 1.0, 0.0)]
        ['1e-3', '3.3e-4', '2.5e-1', '1e0', 'none']
    """
    digits, _, exponent = f"{power:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}" if power else "none"


def _noise(spec: StudySpec, thermal: Thermal) -> str:
    """Format the score with thermal noise: ``93.0 ± 0.5 % on 40 chips``."""
    noisy = thermal.noisy
    std = statistics.stdev(noisy) if len(noisy) > 1 else None
    return f"{score_text(spec, statistics.fmean(noisy), std)} on {len(noisy):,} chips"


def _reach(spec: StudySpec, share: Yield) -> str:
    least = f"{shown(spec, share.threshold):.4g}{' %' * spec.is_accuracy}"
    return f"at or {'above' if spec.maximize else 'below'} {least}"


def _share(chips: Yield) -> str:
    return f"{100 * chips.share:.3g} %"

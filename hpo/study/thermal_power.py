"""Scores at other thermal powers and on simulated chips: how they are stored, and in words.

A thermal power is that of an oscillator without a drive over that at which it saturates.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpo.study.score_text import differs, is_percent, score_text
from hpo.study.spec import StudySpec
from objectives.contract import Thermal

MEANING = (
    "Thermal power: the power at which an oscillator rests without a drive, over that at which it "
    "saturates."
)
CHIP_SCORES = "chip_scores"
"""Where a member's ``info`` keeps the scores of the chips of ``[variability]``; a stored name."""
STORED = {
    "power": "thermal_trained_power",
    "device_power": "thermal_device_power",
    "at_device": "thermal_score",
    "third": "thermal_third",
    "triple": "thermal_triple",
    "none": "thermal_none",
    "noisy": "thermal_noisy",
    "holds_below": "thermal_holds_below",
    "remedy": "thermal_remedy",
}
"""Fields of ``Thermal``, each with its stored name in ``info``."""
MEANS = {
    **{name: STORED[name] for name in ("at_device", "third", "triple", "none")},
    "noisy_mean": "thermal_noisy_mean",
}
"""What tables tell of a trial: the names of records, each with that of its column."""
_SCORES = ("at_device", "third", "triple", "none")
"""The fields that are one score each."""
_POWERS = ("power", "device_power", "holds_below")


# --- what is stored -------------------------------------------------------------------------------


def thermal_info(thermal: Thermal | None, chips: Sequence[float] = ()) -> dict[str, Any]:
    """What a member's ``info`` keeps; ``thermal_of`` and ``chips_of`` invert it.

    Raises:
        ValueError: a number is not finite, or a thermal power is negative.
    """
    info: dict[str, Any] = {}
    for name, stored in STORED.items() if thermal is not None else ():
        value = getattr(thermal, name)
        if name == "noisy":
            info[stored] = [_number("Thermal.noisy", score) for score in value]
        else:
            info[stored] = str(value) if name == "remedy" else _number(f"Thermal.{name}", value)
    if min(info.get(STORED[name], 0.0) for name in _POWERS) < 0:
        raise ValueError(
            f"the objective's `Thermal` must have powers of at least 0, but got "
            f"{', '.join(f'{name}={info[STORED[name]]:g}' for name in _POWERS)}. Give each as a "
            f"share of the power at which an oscillator saturates."
        )
    return info | (
        {CHIP_SCORES: [_number("Outcome.chips", s) for s in chips]} if len(chips) > 0 else {}
    )


def _number(what: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(
            f"the objective's `{what}` must be finite, but got {value}. Score a network that "
            f"diverges as wrong instead."
        )
    return float(value)


def thermal_of(info: Mapping[str, Any]) -> Thermal | None:
    """The check of a member; None if there was none, or the names meant something else."""
    found: dict[str, Any] = {name: info.get(stored) for name, stored in STORED.items()}
    noisy, remedy = found.pop("noisy"), found.pop("remedy")
    if not (_are_finite([*found.values()]) and _are_finite(noisy) and isinstance(remedy, str)):
        return None
    return Thermal(**found, noisy=tuple(noisy), remedy=remedy)


def chips_of(info: Mapping[str, Any]) -> tuple[float, ...]:
    """The scores of a member on the chips of ``[variability]``; empty without."""
    found: Any = info.get(CHIP_SCORES)
    return tuple(found) if _are_finite(found) else ()


def _are_finite(values: Any) -> bool:
    """Whether it is a list of finite numbers."""
    return isinstance(values, list) and all(
        type(value) in (float, int) and math.isfinite(value) for value in values
    )


# --- several networks -----------------------------------------------------------------------------


def mean_of(checks: Sequence[Thermal | None]) -> Thermal | None:
    """The checks of several networks as one: mean scores, all chips. None if one was not checked.

    The score holds below the lowest power below which that of each network does.
    """
    known = [thermal for thermal in checks if thermal is not None]
    if not known or len(known) < len(checks):
        return None
    means: dict[str, Any] = {
        name: statistics.fmean(getattr(one, name) for one in known) for name in _SCORES
    }
    noisy = tuple(score for one in known for score in one.noisy)
    return replace(known[0], **means, noisy=noisy, holds_below=min(t.holds_below for t in known))


@dataclass(frozen=True, kw_only=True)
class Yield:
    """How many of the simulated chips reach a score."""

    threshold: float
    """That score."""
    passed: int
    chips: int

    @property
    def share(self) -> float:
        """The yield."""
        return self.passed / self.chips

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson's), as if chips were independent of each other."""
        n, p, z2 = self.chips, self.share, 1.959964**2
        half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2)))
        low, high = ((p + z2 / (2 * n) + side) / (1 + z2 / n) for side in (-half, half))
        return max(0.0, low), min(1.0, high)


def chip_yield(spec: StudySpec, chips: Sequence[float]) -> Yield | None:
    """The yield of scores on chips; None without chips, or where no score is asked of them."""
    least = spec.chip_threshold
    if least is None or not chips:
        return None
    passed = sum(score >= least if spec.maximize else score <= least for score in chips)
    return Yield(threshold=least, passed=passed, chips=len(chips))


# --- words ----------------------------------------------------------------------------------------


def findings(spec: StudySpec, mean: float, thermal: Thermal | None) -> list[str]:
    """Why a score is not that of a warm oscillator; mostly nothing.

    A warm network may score otherwise without thermal power: there is no such oscillator.
    """
    wrong = {} if thermal is None else _wrong(spec, mean, thermal)
    if thermal is None or not wrong:
        return []
    at, noise = power_text(thermal.device_power), noise_text(spec, thermal)
    cold = wrong.get("at_device")
    if cold and thermal.holds_below < thermal.device_power:
        needs = "oscillators without thermal power; that of a warm oscillator is"
        if below := thermal.holds_below:
            needs = f"oscillator powers below {power_text(below)}; those of a warm oscillator are"
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


def holds(spec: StudySpec, mean: float, thermal: Thermal | None) -> str:
    """That a score is that of a warm oscillator; empty if it is not, or was not tested."""
    if thermal is None or _wrong(spec, mean, thermal):
        return ""
    text = f"holds from a third to three times the thermal power {power_text(thermal.device_power)}"
    noise = noise_text(spec, thermal, spread=True)
    return f"{text}, and with thermal noise ({noise})" if noise else text


def brief(spec: StudySpec, mean: float, thermal: Thermal | None) -> str:
    """The first score that speaks against the claimed one: ``41.0 % with thermal noise``."""
    wrong = {} if thermal is None else _wrong(spec, mean, thermal)
    if thermal is None or not wrong:
        return ""
    name, score = next(iter(wrong.items()))
    at = {"third": "a third of the", "triple": "three times the"}.get(name, "the")
    at = f"at {at} thermal power {power_text(thermal.device_power)}"
    return f"{score} with thermal noise" if name == "noisy" else f"{score} {at}"


def _wrong(spec: StudySpec, mean: float, thermal: Thermal) -> dict[str, str]:
    """The scores that are others than the claimed one, by field, the worst kind first."""
    told = {"at_device": thermal.at_device} if thermal.power == 0 else {}
    told |= {"noisy": statistics.fmean(thermal.noisy)} if thermal.noisy else {}
    told |= {"third": thermal.third, "triple": thermal.triple}
    return {n: score_text(spec, score) for n, score in told.items() if differs(spec, score, mean)}


def yield_text(spec: StudySpec, found: Yield | None) -> str:
    """``yield 95 % (38 of 40 chips at or above 89.83 %; 95 % interval 83 to 99 %)``, or nothing."""
    if found is None:
        return ""
    of = f"{found.passed:,} of {found.chips:,} chips {_reach(spec, found)}"
    return f"yield {100 * found.share:.3g} % ({of}; 95 % interval {_interval(found)})"


def cells(spec: StudySpec, thermal: Thermal | None, found: Yield | None) -> dict[str, str]:
    """The same numbers for a table, by what they are."""
    known: dict[str, str] = {}
    if thermal is not None:
        trained = thermal.power != thermal.device_power
        known["thermal power"] = power_text(thermal.device_power)
        known["thermal power"] += f", trained with {power_text(thermal.power)}" if trained else ""
        for name, where in (("third", "a third of it"), ("at_device", "it"), ("triple", "3 times")):
            known[f"at {where}"] = score_text(spec, getattr(thermal, name))
        known["without any"] = score_text(spec, thermal.none)
    if thermal is not None and thermal.noisy:
        known["with thermal noise"] = noise_text(spec, thermal, spread=True)
    if found is not None:
        share = f"{100 * found.share:.3g} % of {found.chips:,} chips"
        known[f"yield {_reach(spec, found)}"] = f"{share} ({_interval(found)})"
    return known


def power_text(power: float) -> str:
    """A thermal power: ``1e-3``, or ``none``."""
    digits, _, exponent = f"{power:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}" if power else "none"


def noise_text(spec: StudySpec, thermal: Thermal, *, spread: bool = False) -> str:
    """The mean score with thermal noise, ``spread``: ``93.0 ± 0.5 % on 40 chips``; or nothing."""
    if not thermal.noisy:
        return ""
    mean = statistics.fmean(thermal.noisy)
    if not spread:
        return score_text(spec, mean)
    std = statistics.stdev(thermal.noisy) if len(thermal.noisy) > 1 else None
    return f"{score_text(spec, mean, std)} on {len(thermal.noisy):,} chips"


def _reach(spec: StudySpec, found: Yield) -> str:
    least = 100 * found.threshold if is_percent(spec) else found.threshold
    unit = " %" if is_percent(spec) else ""
    return f"at or {'above' if spec.maximize else 'below'} {least:.4g}{unit}"


def _interval(found: Yield) -> str:
    low, high = (f"{100 * end:.0f}" for end in found.interval)
    return f"{low} to {high} %"

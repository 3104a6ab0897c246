"""Scores at other thermal powers and on simulated chips: how they are stored and summed up.

A thermal power is that of an oscillator without a drive over that at which it saturates.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpo.study.spec import StudySpec
from objectives.contract import Thermal

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
_SCORES = ("at_device", "third", "triple", "none")
"""The fields that are one score each."""


# --- what is stored -------------------------------------------------------------------------------


def thermal_info(thermal: Thermal | None, chips: Sequence[float] = ()) -> dict[str, Any]:
    """What a member's ``info`` keeps; ``thermal_of`` and ``chips_of`` invert it."""
    told = {} if thermal is None else thermal.model_dump(mode="json")
    info = {stored: told[name] for name, stored in STORED.items() if told}
    return info | ({CHIP_SCORES: [*chips]} if chips else {})


def thermal_of(info: Mapping[str, Any]) -> Thermal | None:
    """The check of a member; None if there was none, or the names meant something else."""
    found: dict[str, Any] = {name: info.get(stored) for name, stored in STORED.items()}
    try:
        return Thermal(**found) if STORED["noisy"] in info else None
    except ValueError:
        return None


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
    return known[0].replace(**means, noisy=noisy, holds_below=min(t.holds_below for t in known))


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


def others(spec: StudySpec, mean: float, thermal: Thermal | None) -> dict[str, float]:
    """The scores that are other results than the claimed one, by field, the worst kind first.

    A warm network may score otherwise without thermal power: there is no such oscillator.
    """
    if thermal is None:
        return {}
    found = {"at_device": thermal.at_device} if thermal.power == 0 else {}
    found |= {"noisy": statistics.fmean(thermal.noisy)} if thermal.noisy else {}
    found |= {"third": thermal.third, "triple": thermal.triple}
    return {name: score for name, score in found.items() if spec.differs(score, mean)}


def thermal_record(thermal: Thermal | None) -> dict[str, Any] | None:
    """Scores at other thermal powers as records tell them, with mean and deviation of the chips."""
    if thermal is None:
        return None
    noisy = thermal.noisy
    mean = statistics.fmean(noisy) if noisy else None
    std = statistics.stdev(noisy) if len(noisy) > 1 else None
    return {**thermal.model_dump(), "noisy_mean": mean, "noisy_std": std}

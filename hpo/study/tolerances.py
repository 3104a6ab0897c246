"""Tolerances of a confirmed configuration: what its networks ask of hardware.

Each network has an amount of every imperfection that costs it a point of accuracy, or a
tenth of its error (``contract.Tolerances``). Their median has an interval by order
statistics: without an assumption on their distribution, and although an amount may lie
beyond those that were tried.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpo.contract import Tolerance, Tolerances
from hpo.objectives.hardware import imperfections, thermal
from hpo.objectives.hardware.imperfections import Imperfection
from hpo.study.networks import Confirmation
from hpo.study.result import Result

LEVEL = 0.95
"""Confidence of the interval of a median, where there are networks enough."""
_FIELDS = thermal.Oscillator.model_fields
DRIVES: tuple[float, float] = (
    _FIELDS["drive_low"].default,
    _FIELDS["drive_high"].default,
)
"""Drives at which oscillators are operated, over the damping."""
_BEYOND = {"lost": -1, "at": 0, "kept": 1}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much of one imperfection costs the loss, over the networks."""

    name: str
    about: Imperfection
    median: Tolerance
    low: Tolerance
    """The strict end of the interval of the median."""
    high: Tolerance
    """The other end."""

    @property
    def beyond_hardware(self) -> bool:
        """Whether good hardware has more of the imperfection than the networks
        tolerate."""
        if self.median.found == "kept":
            return False
        ratio = self.over_hardware(self.median.amount)
        return ratio is not None and ratio < 1.0

    def over_hardware(self, amount: float) -> float | None:
        """Return an amount over that of good hardware; None where that is unknown.

        Of bits, the ratio of the steps between two values.
        """
        if self.about.hardware is None:
            return None
        good = self.about.hardware[0]
        if self.about.fewer_is_worse:
            return float(2.0 ** (good - amount))
        return amount / good


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the networks of a configuration ask of hardware."""

    n: int
    """Number of networks."""
    loss: float
    """The loss of score that every limit costs, in the mean over the networks."""
    chips: int
    series: int
    drive_unit: str
    """Unit of drive and weights: ``gamma``, or ``1/ns``."""
    limits: Sequence[Limit]
    """One for each imperfection."""
    ranges: Mapping[str, tuple[float, ...]]
    """Medians over the networks of ``contract.QUANTILES``, by quantity; the least and
    the largest are those of all networks."""

    @property
    def operated(self) -> bool:
        """Whether oscillators are operated at all of its drives."""
        if self.drive_unit != "gamma" or "drive" not in self.ranges:
            return True
        least, *_, largest = self.ranges["drive"]
        low, high = DRIVES
        slack = 0.01 * (high - low)
        return low - slack <= least and largest <= high + slack

    @property
    def beyond_hardware(self) -> list[Limit]:
        """The limits that hardware exceeds."""
        return [limit for limit in self.limits if limit.beyond_hardware]


def of(item: Confirmation) -> Card | None:
    """Return the card of a confirmed configuration; None without any tolerances."""
    known = [m.tolerances for m in item.members if m.tolerances is not None]
    if not known:
        return None
    names = dict.fromkeys(name for one in known for name in one.limits)
    limits = [_limit(name, known) for name in names]
    quantities = dict.fromkeys(name for one in known for name in one.ranges)
    return Card(
        n=len(known),
        loss=statistics.fmean(one.loss for one in known),
        chips=known[0].chips,
        series=known[0].series,
        drive_unit=known[0].drive_unit,
        limits=limits,
        ranges={name: _range(name, known) for name in quantities},
    )


def of_result(result: Result) -> Card | None:
    """Return the card of the confirmed configuration of the verdict; None without
    one."""
    if result.confirmed is None:
        return None
    return of(result.confirmed)


def _limit(name: str, known: Sequence[Tolerances]) -> Limit:
    about = imperfections.find(name)
    amounts = [one.limits[name] for one in known if name in one.limits]
    amounts.sort(key=lambda one: _severity(about, one))
    first = _outside(len(amounts))
    return Limit(
        name=name,
        about=about,
        median=_median(about, amounts),
        low=amounts[first],
        high=amounts[-1 - first],
    )


def _severity(about: Imperfection, one: Tolerance) -> tuple[int, float]:
    """Return a key that is larger, the more of an imperfection is tolerated."""
    sign = -1.0 if about.fewer_is_worse else 1.0
    return _BEYOND[one.found], sign * one.amount


def _median(about: Imperfection, ordered: Sequence[Tolerance]) -> Tolerance:
    """Return the median; between two amounts their geometric mean, or the stricter."""
    low = ordered[(len(ordered) - 1) // 2]
    high = ordered[len(ordered) // 2]
    if {low.found, high.found} != {"at"}:
        return low
    if about.fewer_is_worse:
        return low.replace(amount=(low.amount + high.amount) / 2.0)
    return low.replace(amount=math.sqrt(low.amount * high.amount))


def _outside(n: int) -> int:
    """Return how many of n values lie outside each end of the interval of their median.

    The median lies below the smallest k + 1 of n values with the probability of at most
    k heads in n tosses.

    >>> _outside(3), _outside(10), _outside(20)
    (0, 1, 5)
    """
    heads = 0.0
    outside = 0
    for k in range(n // 2):
        heads += math.comb(n, k) / 2.0**n
        if heads <= (1.0 - LEVEL) / 2.0:
            outside = k
    return outside


def _range(name: str, known: Sequence[Tolerances]) -> tuple[float, ...]:
    rows = [one.ranges[name] for one in known if name in one.ranges]
    columns = list(zip(*rows, strict=True))
    inner = [statistics.median(column) for column in columns[1:-1]]
    return (min(columns[0]), *inner, max(columns[-1]))

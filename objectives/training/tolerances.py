"""Tolerances of a trained network: how much of each imperfection of hardware costs it a
point of accuracy, or a tenth of its error.

``hardware.imperfections`` has the amounts that are tried. The worst amount that keeps
the score, and the mildest that does not, are found by bisection: a network that loses
at one amount loses at worse ones, too. In between, the loss is interpolated over the
logarithm of the amount; over bits themselves. All scores are of the solved equation,
with the mean effect of the thermal power, on the same series and, where errors are
random, the same chips.

An error that is common to a chip (of gain, bias, clock, or input offset) is taken at
one standard deviation to either side. The mean of the two scores is that of the normal
distribution to the third order.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpo.contract import Tolerance, Tolerances

from ..data.examples import Examples
from ..hardware import imperfections
from ..hardware.imperfections import Imperfection
from ..hardware.variability import Variability
from ..networks.input_errors import InputErrors, draw_input_errors
from ..networks.integrators import Stepping
from ..networks.kernels.chips import Chip
from ..networks.layered import LayeredNetwork
from ..networks.programming import programmed
from ..networks.simulated_chips import draw_chip
from .ranges import measure_ranges
from .scoring import ChipMeasure
from .solved_equation import finer_steps

CHIPS = 2
"""Simulated chips for random errors."""
MAX_SERIES = 500
"""Series that are scored, evenly spread over the data."""
MAX_POWER = 0.5
"""Largest thermal power that is tried: half of saturation."""
_THERMAL = {"thermal_power_higher": 1.0, "thermal_power_lower": -1.0}
"""Sign of the exponent of the factor on the thermal power."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A trained network, and how its score is measured under an imperfection."""

    network: LayeredNetwork
    examples: Examples
    measure: ChipMeasure
    """Returns a score."""
    variability: Variability
    """Of the study: imperfections are added to it."""
    seed: int
    sign: float
    """1 if a larger score is better, else -1."""
    allowed: float
    """The loss of score that a tolerance allows."""
    n_series: int
    """Series, or points of a prediction, that are scored."""

    def base(self) -> float:
        """Return the score without imperfections."""
        return statistics.fmean(self._score(self.variability, n) for n in self._chips)

    @property
    def _chips(self) -> range:
        return range(CHIPS if self.variability.is_random else 1)

    def loss(self, base: float, name: str, about: Imperfection, amount: float) -> float:
        """Return how much worse the score is with an amount of an imperfection.

        No further chip is measured once the loss is certain to be above that allowed.
        """
        scores = self._scores(name, about, amount)
        n = 1 if about.chips == "one" else CHIPS
        n = max(n, len(self._chips))
        lost = []
        for score in scores:
            lost.append(self.sign * (base - score))
            if sum(lost) > 2 * n * self.allowed:
                break
        return statistics.fmean(lost)

    def _scores(self, name: str, about: Imperfection, amount: float) -> Iterator[float]:
        """Yield the score on each chip."""
        if about.chips == "signs":
            for number, signed in enumerate((amount, -amount)):
                own = number % len(self._chips)
                yield self._score(self.variability, own, (name, signed))
            return
        with parameters_changed(self.network, name, amount):
            variability = self.variability
            if name in type(variability).model_fields:
                value = int(amount) if about.fewer_is_worse else amount
                variability = variability.model_copy(update={name: value})
            chips = range(CHIPS) if about.chips == "drawn" else self._chips
            for number in chips:
                yield self._score(variability, number)

    def _score(
        self,
        variability: Variability,
        number: int,
        common: tuple[str, float] | None = None,
    ) -> float:
        """Return the score on a chip; ``common`` names an error of the whole chip."""
        chip = draw_chip(
            variability, self.seed, number, network=self.network, normals=None
        )
        errors = draw_input_errors(variability, self.seed, number)
        if common is not None:
            chip, errors = add_common_error(chip, errors, *common, self.network)
        with torch.no_grad(), programmed(self.network, chip.programming):
            return self.measure(self.network, self.examples, chip, errors)[0]


def add_common_error(
    chip: Chip, errors: InputErrors, name: str, error: float, network: LayeredNetwork
) -> tuple[Chip, InputErrors]:
    """Return a chip and the errors of its input with an error of the whole chip."""
    factor = 1.0 + error
    if name == "gain_error":
        s = np.ones(network.n_neurons) if chip.s is None else chip.s
        return replace(chip, s=factor * s), errors
    if name == "bias_error":
        return replace(chip, fixed_drive=factor * (chip.fixed_drive or 1.0)), errors
    if name == "clock_error":
        return replace(chip, clock=factor * (chip.clock or 1.0)), errors

    def shifted(u: Tensor) -> Tensor:
        return errors(u) + error

    return chip, shifted


@contextmanager
def parameters_changed(
    network: LayeredNetwork, name: str, amount: float
) -> Iterator[None]:
    """Give a network an imperfection that is a parameter, within a block; others leave
    it as it is."""
    trained = network.physics
    device = trained.device
    if name in _THERMAL:
        power = _thermal_power(network) * amount ** _THERMAL[name]
        network.physics = trained.with_device_values(thermal_power=power)
    elif name in {field.name for field in fields(Stepping)}:
        change: Any = {name: amount}
        network.physics = replace(trained, **change)
    elif name in device.choices():
        network.physics = trained.with_device_values(**{name: amount})
    try:
        yield
    finally:
        network.physics = trained


def imperfections_of(
    network: LayeredNetwork, variability: Variability
) -> dict[str, Imperfection]:
    """Return the imperfections that a network can have, by name.

    Left out are those that its kernels cannot compute (the reference takes minutes),
    and spreads whose place measured devices take.
    """
    device = network.physics.device
    keys = type(variability).model_fields
    by_column = {**variability.spreads, "s": "s_spread"}
    measured = variability.measured()
    columns = measured.columns if measured is not None else {}
    spreads = [key for name, key in by_column.items() if name not in columns]
    chosen: dict[str, Imperfection] = {}
    for name, about in imperfections.known().items():
        if name == imperfections.SPREAD:
            chosen |= {spread: imperfections.find(spread) for spread in spreads}
        elif name in _THERMAL:
            if _thermal_power(network) > 0.0:
                chosen[name] = about
        elif name == "bias_error":
            if device.of_layer(0).fixed_drive() != 0.0:
                chosen[name] = about
        elif name in keys or _has_parameter(network, name, about):
            chosen[name] = about
    return chosen


def _thermal_power(network: LayeredNetwork) -> float:
    """Return the largest thermal power of a layer; 0 without any."""
    return float(np.max(getattr(network.physics.device, "thermal_power", 0.0)))


def _has_parameter(network: LayeredNetwork, name: str, about: Imperfection) -> bool:
    """Return whether an imperfection is a parameter, which the kernels compute."""
    device = network.physics.device
    known = {field.name for field in fields(Stepping)}
    if device.system == "oscillator":  # another device may mean something else by q
        known |= device.choices().keys()
    if name not in known:
        return False
    with parameters_changed(network, name, about.levels[0]):
        return not network.beyond_kernel


def measure(bench: Bench, u: Tensor, finest: int) -> Tolerances:
    """Return the tolerances of a network, and the ranges of its drive and states.

    The coarsest step is taken that gives the score of the solved equation within half
    the loss that is allowed.

    Args:
        bench: the network; unchanged afterwards.
        u: input for the ranges, (batch, time, channels).
        finest: steps per point that solve its equation.
    """
    network = bench.network
    with finer_steps(network, finest):
        exact = bench.base()
    steps = network.physics.n_steps
    while steps < finest:
        with finer_steps(network, steps):
            if abs(bench.base() - exact) <= bench.allowed / 2.0:
                break
        steps *= 2
    with finer_steps(network, min(steps, finest)):
        base = bench.base()
        return Tolerances(
            score=base,
            loss=bench.allowed,
            chips=CHIPS,
            series=bench.n_series,
            limits=_limits(bench, base),
            ranges=measure_ranges(network, u),
            drive_unit="gamma" if "tau_ns" in network.physics.values() else "1/ns",
        )


def _limits(bench: Bench, base: float) -> dict[str, Tolerance]:
    """Return the tolerance of each imperfection, from the score ``base`` without
    any."""
    found = {}
    network = bench.network
    for name, about in imperfections_of(network, bench.variability).items():
        amounts = _amounts(network, name, about)
        if about.chips != "signs":
            amounts = worse_than(amounts, about, _own_amount(bench, name))
        if not amounts:
            continue

        def loss(amount: float, name: str = name, about: Imperfection = about) -> float:
            return bench.loss(base, name, about, amount)

        found[name] = find_tolerance(
            amounts, loss, bench.allowed, even=about.fewer_is_worse
        )
    return found


def _own_amount(bench: Bench, name: str) -> float | None:
    """Return the amount of an imperfection that the network was made for; None: none.

    Other amounts take its place, so milder ones are no imperfection: a network that has
    learned with a delay loses without it.
    """
    physics = bench.network.physics
    for place in (bench.variability, physics, physics.device):
        own = getattr(place, name, None)
        if own:
            return float(own)
    return None


def worse_than(
    amounts: Sequence[float], about: Imperfection, own: float | None
) -> list[float]:
    """Return the amounts that are worse than ``own``; None: all.

    >>> worse_than([8, 6, 4], Imperfection(label="bits", unit="bits"), 6.0)
    [4]
    """
    if own is None:
        return list(amounts)
    if about.fewer_is_worse:
        return [amount for amount in amounts if amount < own]
    return [amount for amount in amounts if amount > own]


def _amounts(network: LayeredNetwork, name: str, about: Imperfection) -> list[float]:
    """Return the amounts to try, from mild to severe."""
    if about.times:
        unit = float(getattr(network.physics, about.times))
        return [unit * level for level in about.levels]
    if name == "thermal_power_higher":
        most = MAX_POWER / _thermal_power(network)
        return [level for level in about.levels if level <= most]
    return list(about.levels)


def find_tolerance(
    amounts: Sequence[float],
    loss: Callable[[float], float],
    allowed: float,
    *,
    even: bool = False,
) -> Tolerance:
    """Return the amount at which a loss is reached, between two of ``amounts``.

    Args:
        amounts: from mild to severe.
        loss: measures the loss at an amount; larger at severe ones.
        allowed: the loss to look for.
        even: interpolate over the amounts, not over their logarithms.

    >>> round(find_tolerance([1.0, 4.0, 16.0], lambda amount: amount, 10.0).amount, 6)
    8.0
    >>> find_tolerance([1.0, 4.0], lambda amount: amount, 10.0)
    Tolerance(amount=4.0, found='kept')
    """
    losses: dict[int, float] = {}
    kept = -1
    lost = len(amounts)
    while lost - kept > 1:
        place = (kept + lost) // 2
        losses[place] = loss(amounts[place])
        if losses[place] > allowed:
            lost = place
        else:
            kept = place
    if kept < 0:
        return Tolerance(amount=amounts[0], found="lost")
    if lost == len(amounts):
        return Tolerance(amount=amounts[-1], found="kept")
    share = (allowed - losses[kept]) / (losses[lost] - losses[kept])
    mild = amounts[kept]
    severe = amounts[lost]
    if even:
        return Tolerance(amount=mild + share * (severe - mild))
    return Tolerance(amount=math.exp(math.log(mild) + share * math.log(severe / mild)))

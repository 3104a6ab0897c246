"""Several devices: mean and spread of a parameter, without the error of each estimate.

Logarithms θ_i of the estimates, with standard errors e_i, are normal about μ with the
variance e_i² + v, where v is that between devices. With the weights w_i = 1 / (e_i² +
v), the sum Q(v) = Σ w_i (θ_i - μ)² is that of n - 1 squared normal numbers. So v is
where Q is n - 1 (R. C. Paule and J. Mandel, J. Res. NBS 87, 377 (1982)), and its
interval reaches from quantile to quantile of Q (W. Viechtbauer, Stat. Med. 26, 37
(2007)). The interval of μ is that of G. Knapp and J. Hartung, Stat. Med. 22, 2693
(2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from .result import LEVEL, UNKNOWN, Estimate, Parameter

Values = NDArray[np.float64]

LARGEST = 1.0
"""Variance of the logarithm from which on no spread is told."""
_TAIL = (1.0 - LEVEL) / 2.0


def summarise(
    name: str, estimates: Sequence[Estimate], spread_key: str = ""
) -> Parameter:
    """Return a parameter of several devices from the estimate of each.

    A device whose data say nothing of it is left out. If one has a bound only, there is
    no mean: without those that lie low, the mean of the others would be too high.
    """
    seen = [one for one in estimates if not one.is_unseen]
    known = [one for one in seen if one.is_determined]
    alone = seen[0] if len(seen) == 1 else None
    if len(seen) < 2:
        return Parameter(name=name, estimate=alone or UNKNOWN, n_devices=len(known))
    if len(known) < len(seen) or not all(one.is_log for one in known):
        bounds = _bounds(seen)
        return Parameter(name=name, estimate=bounds, n_devices=len(known))
    logs = np.log([one.value for one in known])
    errors = np.array([_log_error(one) for one in known])
    between = _between(logs, errors, len(known) - 1.0)
    mean, half = _mean(logs, errors, between)
    shift = between / 2.0  # from the median of a log-normal number to its mean
    mean_of_all = Estimate(
        value=math.exp(mean + shift),
        low=math.exp(mean - half + shift),
        high=math.exp(mean + half + shift),
    )
    low, high = [
        _between(logs, errors, float(stats.chi2.ppf(tail, len(known) - 1)))
        for tail in (1.0 - _TAIL, _TAIL)
    ]
    spread = Estimate(
        value=_relative(between),
        low=_relative(low) or None,
        high=_relative(high) if high < LARGEST else None,
    )
    return Parameter(
        name=name,
        estimate=mean_of_all,
        n_devices=len(known),
        spread=spread,
        spread_key=spread_key,
    )


def _bounds(estimates: Sequence[Estimate]) -> Estimate:
    """Return what holds of every device: the widest of their intervals."""
    lows = [one.low for one in estimates if one.low is not None]
    highs = [one.high for one in estimates if one.high is not None]
    return Estimate(
        value=float(np.median([one.value for one in estimates])),
        low=min(lows) if len(lows) == len(estimates) else None,
        high=max(highs) if len(highs) == len(estimates) else None,
        is_log=estimates[0].is_log,
    )


def _log_error(one: Estimate) -> float:
    """Return the standard error of a logarithm, from the interval."""
    assert one.low is not None
    assert one.high is not None
    return math.log(one.high / one.low) / (2.0 * float(stats.norm.ppf(1.0 - _TAIL)))


def _between(logs: Values, errors: Values, wanted: float) -> float:
    """Return the variance between devices at which Q has a value; 0 if none has."""

    def excess(between: float) -> float:
        weights = 1.0 / (errors**2 + between)
        mean = (weights * logs).sum() / weights.sum()
        return float((weights * (logs - mean) ** 2).sum() - wanted)

    if excess(0.0) <= 0.0:
        return 0.0
    largest = float(((logs - logs.mean()) ** 2).sum()) / wanted + 1e-12
    return float(optimize.brentq(excess, 0.0, 2.0 * largest, xtol=1e-12))


def _mean(logs: Values, errors: Values, between: float) -> tuple[float, float]:
    """Return the mean, and half its interval."""
    freedom = len(logs) - 1
    weights = 1.0 / (errors**2 + between)
    mean = float((weights * logs).sum() / weights.sum())
    scatter = float((weights * (logs - mean) ** 2).sum() / freedom)
    error = math.sqrt(scatter / weights.sum())
    return mean, float(stats.t.ppf(1.0 - _TAIL, freedom)) * error


def _relative(variance: float) -> float:
    """Return the relative standard deviation of a log-normal number."""
    return math.sqrt(math.expm1(variance))

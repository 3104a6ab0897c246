"""What confirmed networks ask of hardware, in words and rows of tables.

All texts are plain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpo.contract import QUANTILES, Tolerance
from hpo.objectives.hardware.imperfections import Imperfection
from hpo.study import tolerances
from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec
from hpo.study.tolerances import Card, Limit
from hpo.views.sentences.formatting import NOTHING, joined, plural

UNITS = {"gamma": "γ", "1/ns": "1/ns"}
QUANTITIES = {
    "drive": "drive that acts",
    "drive_asked": "drive asked for, before the limit",
    "input": "weights of the input",
    "between": "weights between layers",
    "within": "weights within layers",
    "bias": "trained biases",
    "x": "state x",
    "y": "output y",
}
"""Names of quantities; ``input`` to ``bias`` are S W."""
STATES = ("x", "y")
BETTER = "better than hardware has"
_MOST_NEEDS = 3


def remark(spec: StudySpec, item: Confirmation) -> str:
    """Say what the networks need that hardware does not have; mostly empty."""
    card = tolerances.of(item)
    if card is None:
        return ""
    return joined([drive_text(spec, card), _needs(spec, item, card)])


def drive_text(spec: StudySpec, card: Card) -> str:
    """Say that the oscillators are driven harder than any are; mostly empty."""
    if card.operated or spec.about.system != "oscillator":
        return ""
    least, *_, largest = card.ranges["drive"]
    low, high = tolerances.DRIVES
    return (
        f"drives its oscillators with {least:.2g} to {largest:.2g} times the threshold"
        f" current, which are operated at {low:g} to {high:g} times"
    )


def _needs(spec: StudySpec, item: Confirmation, card: Card) -> str:
    """Say what the networks need that hardware does not have; mostly empty."""
    needs = [need(spec, item, limit) for limit in card.beyond_hardware]
    if not needs:
        return ""
    text = f"needs {joined(needs[:_MOST_NEEDS], ', ')}"
    if len(needs) > _MOST_NEEDS:
        text += f" and {len(needs) - _MOST_NEEDS} more"
    return f"{text}: {BETTER} (hpo tolerances {spec.name})"


def need(spec: StudySpec, item: Confirmation, limit: Limit) -> str:
    """Return ``a coupling faster than 0.04 ns (4 % of a point)``."""
    text = limit.about.needs.format(amount_text(limit.about, limit.median.amount))
    point_ns = spec.all_values(item.params).get("point_ns")
    if limit.about.times != "point_ns" or point_ns is None:
        return text
    return f"{text} ({100 * limit.median.amount / point_ns:.2g} % of a point)"


def loss_text(spec: StudySpec) -> str:
    """Return what a tolerance costs: ``one point of accuracy``."""
    if spec.is_accuracy:
        return "one point of accuracy"
    return f"a tenth of the {spec.about.metric}"


def how(card: Card) -> str:
    """Say how the tolerances were measured."""
    return (
        f"Medians over {plural(card.n, 'network')} on the solved equation, on up to"
        f" {card.series:,} series or points, random errors on"
        f" {plural(card.chips, 'chip')} each; an interval of the median is at 95 % if"
        " there are six networks or more, else their range."
    )


def amount_text(about: Imperfection, amount: float) -> str:
    """Format an amount with its unit.

    >>> amount_text(Imperfection(label="gain", unit="%"), 0.0325)
    '3.2 %'
    """
    if about.unit == "%":
        amount *= 100.0
    digits = ".0f" if amount >= 100.0 else ".2g"
    return f"{amount:{digits}} {about.unit}".strip()


def tolerance_text(about: Imperfection, one: Tolerance) -> str:
    """Format a tolerance; ``> 64 %`` if the worst amount tried costs less.

    >>> bits = Imperfection(label="bits", unit="bits")
    >>> tolerance_text(bits, Tolerance(amount=2, found="kept"))
    '< 2 bits'
    """
    text = amount_text(about, one.amount)
    if one.found == "at":
        return text
    larger = (one.found == "kept") is not about.fewer_is_worse
    sign = ">" if larger else "<"
    return f"{sign} {text}"


def interval_text(limit: Limit) -> str:
    """Return the interval of a median: ``0.032 to 0.046 ns``."""
    about = limit.about
    low = tolerance_text(about, limit.low)
    high = tolerance_text(about, limit.high)
    if low == high:
        return low
    return f"{low.removesuffix(about.unit).strip()} to {high}"


def hardware_text(about: Imperfection) -> str:
    """Return what hardware has, from good to usual: ``0.1 to 1 ns``."""
    if about.hardware is None:
        return NOTHING
    good, usual = (amount_text(about, amount) for amount in about.hardware)
    return f"{good.removesuffix(about.unit).strip()} to {usual}"


def limit_rows(spec: StudySpec, card: Card) -> list[dict[str, str]]:
    """Return a row for each imperfection."""
    rows = []
    for limit in card.limits:
        about = limit.about
        row = {
            "imperfection": about.label,
            f"costs {loss_text(spec)}": tolerance_text(about, limit.median),
            "interval": interval_text(limit),
            "hardware has": hardware_text(about),
        }
        if card.beyond_hardware:
            row[""] = f"needs {BETTER}" if limit.beyond_hardware else ""
        rows.append(row)
    return rows


def range_rows(card: Card, threshold_ma: float | None = None) -> list[dict[str, str]]:
    """Return a row of quantiles for each quantity; of drive and weights in mA, too, if
    the threshold current is known."""
    rows = []
    for name, values in card.ranges.items():
        unit = "1" if name in STATES else UNITS[card.drive_unit]
        rows.append(_range_row(name, unit, values))
        if threshold_ma is not None and unit == UNITS["gamma"]:
            rows.append(_range_row("", "mA", [threshold_ma * one for one in values]))
    return rows


def _range_row(name: str, unit: str, values: Sequence[float]) -> dict[str, str]:
    row = {"quantity": QUANTITIES.get(name, name), "unit": unit}
    heads = ["least", *(f"{100 * q:g} %" for q in QUANTILES[1:-1]), "largest"]
    for head, value in zip(heads, values, strict=True):
        row[head] = f"{value:.3g}"
    return row


def currents_text(devices: Mapping[str, Any]) -> str:
    """Say which currents a drive of 1 γ stands for, by the tables of known devices."""
    known = {}
    for name, table in devices.items():
        if isinstance(table, dict) and "threshold_ma" in table:
            known[table["threshold_ma"]] = name
    if not known:
        return ""
    low = min(known)
    high = max(known)
    return (
        f"1 γ is the current at which the oscillation begins: {low:g} mA"
        f" ({known[low]}) to {high:g} mA ({known[high]})."
    )


def sources(card: Card) -> list[str]:
    """Return a line for each imperfection on where the number of hardware comes
    from."""
    lines = []
    for limit in card.limits:
        if limit.about.source:
            lines.append(f"{limit.about.label}: {limit.about.source}.")
    return lines

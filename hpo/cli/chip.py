"""``hpo export STUDY --chip FILE``: a trained network as values to programme."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli import devices, networks
from hpo.errors import StudyError
from hpo.files import check_ending, writing

if TYPE_CHECKING:
    from hpo.contract import ChipTable
    from hpo.views.records.kept_network import KeptNetwork

SAME_TAU = 0.05
"""Relative difference of relaxation times that counts as none."""
_LEVELS = {
    "bias": " γ",
    "input": " γ per unit",
    "below": " γ per unit of y",
    "within": " γ per unit of y",
    "readout": "",
}
"""Units of the values that have levels, by kind."""


def export(arguments: argparse.Namespace) -> int:
    """Write the table of a kept network, and print what it asks of a chip.

    Raises:
        HpoError: there is no such network, it has no table, or the file cannot be
            written.
    """
    from hpo.contract import ProgrammableMember
    from hpo.worker import network

    target: Path = arguments.chip
    check_ending(target, ".csv")
    threshold_ma = None
    if arguments.device is not None:
        threshold_ma = devices.threshold_ma("hpo export", arguments.device)
    kept = networks.choose(arguments)
    member = network.restore(kept)
    if not isinstance(member, ProgrammableMember):
        raise StudyError(
            f"{kept.result.name}: only networks of a device have a table, got objective"
            f" {kept.result.spec.objective!r}. Export its tensors: --network FILE."
        )
    if threshold_ma is not None and not member.has_threshold:
        raise StudyError(
            f"{kept.result.name}: only networks of oscillators have currents in mA, got"
            f" objective {kept.result.spec.objective!r}. Leave out --device."
        )
    with writing(target) as draft:
        table = member.chip_table(bits=arguments.bits, threshold_ma=threshold_ma)
        table.write(draft)
    lines = [_score(kept, score, how) for how, score in table.scores.items()]
    if arguments.bits is not None:
        lines.append(_levels(table))
    if arguments.device is not None:
        lines += _differences(arguments.device, kept.params, table)
    print(target, networks.origin(kept), *_sizes(table, threshold_ma), *lines, sep="\n")
    return 0


def _levels(table: ChipTable) -> str:
    """Return a line on the value of one level, by kind of weight."""
    shown = []
    for kind, unit in _LEVELS.items():
        steps = sorted(table.steps(kind))
        if steps:
            texts = dict.fromkeys([f"{steps[0]:.3g}", f"{steps[-1]:.3g}"])
            shown.append(f"{kind} {' to '.join(texts)}{unit}")
    return f"one level is: {', '.join(shown)}"


def _differences(name: str, params: Any, table: ChipTable) -> list[str]:
    """Return lines on what the network asks of a device beyond what it was driven with,
    and on the times of a device of another relaxation time."""
    device = devices.read("hpo export", name)
    lines = []
    low = device.drive_low
    high = device.drive_high
    remedy = f"Train one within them: hpo guide --device {name}"
    known = f"{name} was driven with {low:g} to {high:g} γ"
    if params.drive_limit == "none":
        lines.append(f"{known}; the drive of this network has no limit. {remedy}")
    elif params.drive_low < low or params.drive_high > high:
        lines.append(
            f"{known}; this network needs {params.drive_low:g} to"
            f" {params.drive_high:g} γ. {remedy}"
        )
    largest = table.largest("input", "below", "within")
    if largest > high:
        lines.append(
            f"one input or y of 1 drives with {largest:.3g} γ, above {high:g} γ: sum"
            " these currents before the oscillator, where the source can limit them"
        )
    tau_ns = getattr(params, "tau_ns", None)
    if device.tau_ns is not None and isinstance(tau_ns, float):
        ratio = device.tau_ns / tau_ns
        if abs(ratio - 1.0) > SAME_TAU:
            lines.append(
                f"{name} has τ = {device.tau_ns:g} ns, the network {tau_ns:.4g} ns:"
                f" present the points {params.point_ns * ratio:.4g} ns apart, and"
                f" divide frequencies by {ratio:.4g}; values in γ stay"
            )
    return lines


def _score(kept: KeptNetwork, score: float, how: str) -> str:
    """Return a line on the score of the test part."""
    from hpo.views.sentences import formatting

    spec = kept.result.spec
    shown = formatting.score_text(spec, score)
    return (
        f"{spec.about.metric} {shown} {how}, on the test part by the solved equation"
        " without noise"
    )


def _sizes(table: ChipTable, threshold_ma: float | None) -> list[str]:
    """Return lines on the number and the size of the values of a ``ChipTable``."""
    connections = table.count("input", "below", "within")
    largest = [
        f"bias {table.largest('bias'):.3g} besides the fixed"
        f" {table.largest('fixed'):.3g}",
        f"{table.largest('input'):.3g} per unit of input",
        f"{table.largest('below', 'within'):.3g} per unit of y",
    ]
    unit = ""
    if threshold_ma is not None:
        unit = f"; 1 γ is {threshold_ma:.4g} mA"
    return [
        f"{connections} connections, {table.count('bias')} biases and"
        f" {table.count('readout')} weights of the readout",
        f"largest drives, in γ: {', '.join(largest)}{unit}",
    ]

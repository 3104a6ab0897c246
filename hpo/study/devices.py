"""Devices by name: the presets of ``objectives/hardware/devices.toml``, and tables of
the user's, which ``hpo fit`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpo.errors import HpoError, SpecError
from hpo.objectives.hardware import thermal
from hpo.study.messages import did_you_mean, explained


def find_table(where: str, device: str, base: Path = Path()) -> dict[str, Any]:
    """Return the table of a device.

    Args:
        where: what names it, for errors.
        device: name of a preset, or ``FILE.toml:NAME``.
        base: directory in which a relative path begins.

    Raises:
        HpoError: there is no such file or table.
    """
    file, _, name = device.rpartition(":")
    with explained(where, thermal.Oscillator):
        if file:
            tables = thermal.read_tables(base / Path(file).expanduser())
        else:
            tables = thermal.read_tables()
    table = tables.get(name)
    if not isinstance(table, dict):
        raise HpoError(
            f"{where}: unknown device {device!r}. {did_you_mean(name, tables)}"
        )
    return dict(table)


def fill(tree: Mapping[str, Any], base: Path, where: str) -> dict[str, Any]:
    """Return the tables of a study with the values of its ``device``.

    What the study fixes, searches or sweeps itself stays.

    Args:
        tree: tables of a study file.
        base: directory in which a relative path begins.
        where: the study, for errors.

    Raises:
        SpecError: there is no such device, or its table is invalid.
    """
    device = tree.get("device")
    own = [tree.get(name, {}) for name in ("fixed", "variability", "space")]
    if not isinstance(device, str) or not all(isinstance(one, Mapping) for one in own):
        return dict(tree)
    try:
        table = find_table(f"{where}: device", device, base)
        with explained(f"{where}: device {device}", thermal.choose_kind(table)):
            fixed, variability = thermal.study_tables(table)
    except HpoError as error:
        raise SpecError(str(error)) from None
    varied = _varied(tree)
    filled = dict(tree)
    for name, values in (("fixed", fixed), ("variability", variability)):
        prefix = "" if name == "fixed" else f"{name}."
        kept = {k: v for k, v in values.items() if prefix + k not in varied}
        if kept:
            filled[name] = {**kept, **tree.get(name, {})}
    return filled


def _varied(tree: Mapping[str, Any]) -> set[str]:
    """Return the parameters that a study searches or sweeps, of any layer."""
    names = {str(name) for name in tree.get("space", {})}
    sweep = tree.get("sweep", {})
    curves: Any = ()
    if isinstance(sweep, Mapping) and isinstance(sweep.get("curves"), list):
        curves = sweep["curves"]
    for curve in curves:
        if isinstance(curve, Mapping):
            x = curve.get("x", [])
            names |= {x} if isinstance(x, str) else {*x}
            names |= {*curve.get("fixed", {})}
    layers = {name.rpartition(".")[0] for name in names if name[-1:].isdigit()}
    return names | layers

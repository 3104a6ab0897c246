"""Oscillators by name, for commands; ``hpo.study.devices`` finds their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.objectives.hardware.thermal import Oscillator


def read(
    command: str, device: str, changes: Mapping[str, float] | None = None
) -> Oscillator:
    """Return the device of this name.

    Args:
        command: the command that reads it, for errors.
        device: name of a preset, or ``FILE.toml:NAME``.
        changes: values that replace those of its table.

    Raises:
        HpoError: the name is unknown, or a value is invalid.
    """
    from hpo.objectives.hardware import thermal
    from hpo.study.devices import find_table
    from hpo.study.messages import explained

    changes = changes or {}
    base = find_table(command, device)
    kind = thermal.choose_kind(changes, base)
    where = f"{command}: {device}"
    if thermal.choose_kind(base) is not kind:
        base = {}  # a linewidth replaces a geometry
        where = command
    if base and changes and "source" in base:
        base["source"] += f"; {', '.join(changes)} by you"
    with explained(where, kind):
        return kind(**{**base, **changes})


def threshold_ma(command: str, device: str) -> float:
    """Return the current at which a device begins to oscillate, in mA: a drive of 1 γ.

    Raises:
        HpoError: the name is unknown, or its table has none.
    """
    current = read(command, device).threshold_ma
    if current is None:
        raise HpoError(
            f"{command}: device {device!r} has no `threshold_ma`, the current at which"
            " it begins to oscillate. Add it to a table of your own: --device"
            " FILE.toml:NAME."
        )
    return current

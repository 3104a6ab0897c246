"""Facts of a network by their stored names: the ``info`` of its ``Outcome``, and its
checks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from hpo.contract.outcome import Outcome, Tolerances

SOLVED = {
    "score": "solved_score",
    "converged": "solved_converged",
    "steps_per_point": "solved_steps_per_point",
    "trained_steps_per_point": "trained_steps_per_point",
    "remedy": "solved_remedy",
}
"""Fields of ``Solved``, each with its stored name in a member's ``info``."""
THERMAL = {
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
"""Fields of ``Thermal``, each with its stored name."""
ASKED_CONFIRMING = "asked_confirming"
"""The stored name of whether a function asked if its call confirms: then it may score
on data of its own."""
CHIP_SCORES = "chip_scores"
"""The stored name of the scores of the chips of ``[variability]``."""
TOLERANCES = "tolerances"
"""The stored name of the ``Tolerances``, a table."""
PER_EPOCH = "per_epoch"
"""The stored name of further values of each epoch, by their names."""
VALUE_SD = "value_sd"
"""The stored name of the standard deviation of a value that was told with one."""
_WHOLE = {"per_epoch": PER_EPOCH, "chips": CHIP_SCORES, "tolerances": TOLERANCES}
"""Fields of ``Outcome`` that are stored as they are, each with its stored name."""
RESERVED = {
    **dict.fromkeys(SOLVED.values(), ("check of the time step", "solved")),
    **dict.fromkeys(THERMAL.values(), ("check of the thermal power", "thermal")),
    CHIP_SCORES: ("scores of simulated chips", "chips"),
    TOLERANCES: ("tolerances", TOLERANCES),
    PER_EPOCH: ("values of each epoch", PER_EPOCH),
}
"""Stored names that an objective must not use, each with its check and the field of
``Outcome``."""


def member_info(outcome: Outcome) -> dict[str, Any]:
    """Return a member's stored ``info``: that of its outcome, and the checks.

    Raises:
        ValueError: the objective uses a name of ``RESERVED``.
    """
    for name in sorted(RESERVED.keys() & outcome.info.keys()):
        what, field = RESERVED[name]
        raise ValueError(
            f"the objective's info must not have {name!r}, a name of the {what}, "
            f"got {name}={outcome.info[name]!r}. Return it as `Outcome.{field}`."
        )
    info: dict[str, Any] = dict(outcome.info)
    stored = outcome.model_dump(mode="json", exclude={"info", "network"})
    for check, names in (("solved", SOLVED), ("thermal", THERMAL)):
        values = stored[check] or {}
        info |= {names[field]: value for field, value in values.items()}
    for field, name in _WHOLE.items():
        if stored[field]:
            info[name] = stored[field]
    return info


def user_info(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member's ``info`` from the user attributes of Optuna's trial.

    A value that JSON does not hold is stored as its text, a name of ``RESERVED`` as
    ``user_NAME``.
    """
    info = {}
    for name, value in attrs.items():
        own = name
        if name in RESERVED:
            own = f"user_{name}"
        info[own] = storable(value)
    return info


def storable(value: Any) -> Any:
    """Return a value that JSON holds; of another its text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return as_text(value)
    return value


def as_text(value: Any) -> str:
    """Return the text of an object without its address, which differs by process.

    Examples:
        >>> as_text(None), as_text(lambda: 0)
        ('None', '<function <lambda>>')
    """
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


Check = TypeVar("Check", bound=BaseModel)


def read_check(
    model: type[Check], names: Mapping[str, str], info: Mapping[str, Any]
) -> Check | None:
    """Return a check from a member's ``info``; None if it has none."""
    try:
        return model(**{field: info[stored] for field, stored in names.items()})
    except (KeyError, ValueError):
        return None


def read_tolerances(info: Mapping[str, Any]) -> Tolerances | None:
    """Return the tolerances from a member's ``info``; None if it has none."""
    if TOLERANCES not in info:
        return None
    return Tolerances(**info[TOLERANCES])

"""What one call of a function gave, as Optuna judges it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpo.contract import clip_score
from hpo.study.trials import SlotState, Suggestion


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one call of a function gave."""

    state: SlotState
    """``COMPLETE``, ``PRUNED`` or ``FAILED``, as Optuna judges the call."""
    values: tuple[float, ...] = ()
    """The values that it returned, infinities as +-1e100; of a pruned trial its last
    report, if there was one."""
    suggestion: Suggestion
    reports: Mapping[int, float]
    """Reported values by step, in the order of the reports; without NaN."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The user attributes of the trial; see ``contract.facts.user_info``."""
    asked_confirming: bool = False
    """Whether the function asked if the call confirms."""
    asked_to_prune: bool = False
    """Whether it called ``should_prune``."""
    message: str | None = None
    """Why it failed."""
    n_returned: int | None = None
    """How many values it returned, if the study has another number of directions."""


def read_values(value: Any, n: int) -> tuple[tuple[float, ...], str | None]:
    """Return what a function returned as floats, or why it is no result."""
    several = list_values(value)
    if len(several) != n:
        return (), (
            f"the function returned {len(several)} values, but the study has {n}. Start"
            " another study with a direction for each: --name NEW --direction minimize"
            " --direction maximize."
        )
    floats = []
    for one in several:
        try:
            number = float(one)
        except (TypeError, ValueError):
            return (), f"the function returned {one!r}, which is not a number."
        if math.isnan(number):
            return (), "the function returned NaN."
        floats.append(clip_score(number))
    return tuple(floats), None


def list_values(value: Any) -> Sequence[Any]:
    """Return what a function returned as a sequence; one value is one of length 1."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [value]
    return value


def plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    return value

"""A toy that declares its costs and does not tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toy_objective import ToyObjective

from objectives.contract import Outcome


class MuteObjective(ToyObjective):
    """Leaves its costs out of what it tells of a network."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Outcome:
        """See ``ToyObjective``."""
        return replace(super().evaluate(*args, **kwargs), info={})

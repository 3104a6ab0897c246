"""Toys that declare their costs and do not tell them, or tell one that is no number."""

from __future__ import annotations

import math
from typing import Any

from toy_objective import ToyObjective

from objectives.contract import Outcome


class MuteObjective(ToyObjective):
    """Leaves its costs out of what it tells of a network."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Outcome:
        """See ``ToyObjective``."""
        return super().evaluate(*args, **kwargs).replace(info={})


class InfiniteObjective(ToyObjective):
    """One of its costs has no bound."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Outcome:
        """See ``ToyObjective``."""
        outcome = super().evaluate(*args, **kwargs)
        return outcome.replace(info={**outcome.info, "n_synapses": math.inf})

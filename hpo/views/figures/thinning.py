"""Which trials a card of the dashboard shows, where all would be too many bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views.numbers.convergence import clocks, incumbents
from hpo.views.numbers.scores import scored

T = TypeVar("T")

MAX_TRIALS, MAX_NEWEST = 700, 60
"""So many trials a card shows at most; so many of them are the newest."""
MAX_STEPS, MAX_CONFIRMED = 200, 8
"""So many steps of the best so far, and so many confirmed configurations."""


def chosen(result: Result, limit: int = MAX_TRIALS) -> list[Trial]:
    """At most so many scored trials: every best so far, the newest, and an even sample.

    Should even those that were the best so far be more than the limit, they are sampled, too.
    """
    slots = scored(result)
    if len(slots) <= limit:
        return slots
    steps = {slot.number for clock in clocks(result) for slot in incumbents(result, clock)}
    steps |= {slot.number for slot in slots[-min(MAX_NEWEST, limit // 5) :]}
    kept = sample([s for s in slots if s.number in steps], limit)
    others = [s for s in slots if s.number not in steps]
    kept += sample(others, limit - len(kept))
    return sorted(kept, key=lambda slot: slot.number)


def share(result: Result, shown: Sequence[Trial]) -> str:
    """What a title says where not all scored trials are shown."""
    total = len(scored(result))
    return f" ({len(shown):,} of {total:,} trials)" if len(shown) < total else ""


def sample(items: Sequence[T], limit: int | None) -> list[T]:
    """At most so many of some items, evenly spread, the last among them; None for all."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[(i + 1) * len(items) // limit - 1] for i in range(limit)]

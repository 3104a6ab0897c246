"""Synthetic studies of a score and costs, for tests of everything that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import snapshots

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudyState

REPORTED = {
    "score": 0.8983,
    "std": 0.0291,
    "n": 10,
    "cost": 40.0,
    "cost_here": 24.68,
    "source": "arXiv:2408.02835",
    "params": {"x": 0.5},
}
TRIALS = [
    (0.60, 2.0),
    (0.85, 5.0),
    (0.91, 12.3),
    (0.92, 14.0),
    (0.95, 30.0),
    (0.90, 31.0),
]
"""Score and cost of each trial; the last one is off the front."""
BOTH = ["energy_pj", "n_synapses"]
TRIPLES = [
    (0.91, 12.3, 900.0),
    (0.92, 14.0, 400.0),  # dearer than the first in one cost, cheaper in the other
    (0.95, 30.0, 1200.0),
    (0.90, 31.0, 1300.0),  # beaten in all
    (0.91, 13.0, 900.0),  # as the first, but dearer
    (0.85, 5.0, 1000.0),
]
"""Likewise with two costs; trials 0, 1, 2 and 5 are on the front."""
BOTH_CONFIRMED = {
    0: [0.905, 0.907, 0.909],
    1: [0.91, 0.92, 0.915],
    2: [0.95, 0.96, 0.94],
}
CONFIRMED = {2: [0.89, 0.90, 0.895], 3: [0.905, 0.907, 0.909], 4: [0.95, 0.96, 0.94]}


def spec(**changes: Any) -> StudySpec:
    """A study of six trials with a score and a cost."""
    given = {
        "cost": {"name": "energy_pj"},
        "pruner": None,
        "budget": {"trials": len(TRIALS), "window": 2, "seeds": 2, "epochs": 30},
        "confirm": {"top": 3, "seeds": 3, "epochs": 60},
        "reported": REPORTED,
        **changes,
    }
    return snapshots.spec(**given)


def study(
    of: StudySpec | None = None,
    trials: Sequence[tuple[float, ...]] = TRIALS,
    confirmed: dict[int, list[float]] = CONFIRMED,
) -> Result:
    """A finished study: its trials, and the fresh-seed scores of some of them."""
    of = of or spec()
    search, fresh = [], []
    for number, (score, *costs) in enumerate(trials):
        info = {"energy_pj": costs[0], "n_synapses": round(100 * costs[0])}
        info |= dict(zip(of.costs, costs, strict=True))
        curve = (0.3, 0.5, score)
        members = tuple(
            replace(snapshots.member(i, curve), info=info) for i in range(2)
        )
        given = {"score": score, "costs": tuple(costs), "members": members}
        search.append(snapshots.slot(number, SlotState.COMPLETE, **given))
        for index, tested in enumerate(confirmed.get(number, ())):
            slot = snapshots.confirmation(number, index, tested, costs=tuple(costs))
            member = replace(slot.members[0], info=info)
            fresh.append(replace(slot, number=3 * number + index, members=(member,)))
    return snapshots.snapshot(of, tuple(search), tuple(fresh), state=StudyState.DONE)


def both(reported: dict[str, Any] | None = None, **how: Any) -> Result:
    """The same with two costs."""
    costs = {
        "cost": {"energy_pj": 40.0, "n_synapses": 1000.0},
        "cost_here": {"energy_pj": 24.68},
    }
    of = spec(cost={"name": BOTH}, reported={**REPORTED, **costs, **(reported or {})})
    return study(of, **{"trials": TRIPLES, "confirmed": BOTH_CONFIRMED, **how})

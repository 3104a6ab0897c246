"""In which way a trial ended early, and after how much training: from what is stored of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import snapshots

from hpo.study import effort
from hpo.study.effort import Ending
from hpo.study.trials import SlotState

CURVE = (0.1,) * 30
OTHERS = (SlotState.COMPLETE, SlotState.FAILED, SlotState.RUNNING)
NETWORKS = tuple(snapshots.member(i, CURVE) for i in range(2))


@pytest.mark.parametrize(
    ("changes", "facts", "ending", "after"),
    [
        *[({}, {"state": s, "steps": CURVE[:5]}, None, "") for s in OTHERS],
        ({}, {"steps": CURVE[:5]}, Ending.CURVE, "5 of 30 epochs"),
        (
            {"budget": {"trials": 60, "members": 3, "epochs": 30, "score_every": 4}},
            {"steps": CURVE[:8]},
            Ending.NETWORKS,
            "1 of 3 networks",
        ),
        ({}, {"steps": CURVE, "members": NETWORKS[:1]}, Ending.NETWORKS, "1 of 3 networks"),
        ({}, {"steps": (*CURVE, 0.1), "members": NETWORKS}, Ending.NETWORKS, "2 of 3 networks"),
        ({}, {"steps": CURVE}, Ending.NETWORKS, "1 of 3 networks"),
        ({}, {}, Ending.CURVE, ""),
    ],
)
def test_how_a_trial_ended_early(
    changes: dict[str, Any], facts: dict[str, Any], ending: Ending | None, after: str
) -> None:
    spec, state = snapshots.spec(**changes), facts.pop("state", SlotState.PRUNED)
    slot = snapshots.slot(0, state, score=0.1, **facts)
    assert (effort.ending(spec, slot), effort.after(spec, slot)) == (ending, after)


def test_an_excluded_trial_keeps_how_it_had_ended() -> None:
    spec, pruned = snapshots.spec(), snapshots.slot(0, SlotState.PRUNED, steps=CURVE[:5])
    amendment = snapshots.amendment(SlotState.PRUNED, steps=CURVE[:5])
    excluded = replace(pruned, state=SlotState.EXCLUDED, amendments=(amendment,))
    assert effort.ending(spec, excluded) == Ending.CURVE
    whole = replace(excluded, amendments=(replace(amendment, state=SlotState.COMPLETE),))
    assert effort.ending(spec, whole) is None

"""When a search has found enough."""

from __future__ import annotations

from typing import Any

import pytest
from workers import toy_spec

from hpo.search.history import why_over
from hpo.study.trials import Past, SlotState, Suggestion


def past(score: float | None, state: SlotState = SlotState.COMPLETE, n_steps: int = 7) -> Past:
    return Past(
        suggestion=Suggestion(params={"x": 0.5}), state=state, score=score, steps=(0.5,) * n_steps
    )


PRUNED, FAILED = SlotState.PRUNED, SlotState.FAILED
BEGUN = [past(0.5), past(0.7), past(0.7), past(None, FAILED)]
EARLY = [past(0.5), past(0.4, PRUNED, n_steps=3), past(0.1, FAILED, 6)]


@pytest.mark.parametrize(
    ("stop", "seen", "why"),
    [
        (None, [past(1.0)] * 20, None),
        ({"target": 0.9}, [], None),
        ({"target": 0.9}, [past(0.899), past(0.95, PRUNED)], None),
        ({"target": 0.9}, [past(0.5), past(0.9)], "target = 0.9: trial 1 has reached 0.9"),
        ({"patience": 3}, BEGUN, None),  # trials after the first of equals count
        (
            {"patience": 3},
            [*BEGUN, past(0.2, PRUNED)],
            "patience = 3: no trial was better than trial 1",
        ),
        ({"patience": 3}, [past(0.1, PRUNED)] * 9, None),  # nothing is complete yet
        ({"max_epochs": 26}, EARLY, None),  # two networks of six epochs, and what others took
        ({"max_epochs": 26}, [*EARLY, past(0.6)], "max_epochs = 26: 33 epochs were trained"),
    ],
)
def test_a_search_is_over(stop: dict[str, Any] | None, seen: list[Past], why: str | None) -> None:
    assert why_over(toy_spec(stop=stop), seen) == (why and f"stop.{why}")


def test_target_of_a_loss() -> None:
    loss = toy_spec(objective="toy_objective:ToyLossObjective", reported=None, stop={"target": 0.1})
    assert why_over(loss, [past(0.2)]) is None
    assert why_over(loss, [past(0.2), past(0.05)]) == "stop.target = 0.1: trial 1 has reached 0.05"

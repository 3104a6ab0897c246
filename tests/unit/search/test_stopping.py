"""When a search has found enough."""

from __future__ import annotations

import pytest
from workers import toy_spec

from hpo.search.history import why_over
from hpo.study.trials import Past, SlotState, Suggestion


def past(score: float | None, state: SlotState = SlotState.COMPLETE, n_steps: int = 7) -> Past:
    return Past(
        suggestion=Suggestion(params={"x": 0.5}), state=state, score=score, steps=(0.5,) * n_steps
    )


def test_without_the_table_a_search_goes_on() -> None:
    assert why_over(toy_spec(), [past(1.0)] * 20) is None


def test_target() -> None:
    spec = toy_spec(stop={"target": 0.9})
    assert why_over(spec, []) is None
    assert why_over(spec, [past(0.899), past(0.95, SlotState.PRUNED)]) is None
    assert why_over(spec, [past(0.5), past(0.9)]) == ("stop.target = 0.9: trial 1 has reached 0.9")


def test_target_of_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = toy_spec(stop={"target": 0.1})
    monkeypatch.setattr(type(spec.objective_impl), "direction", "minimize")
    assert why_over(spec, [past(0.2)]) is None
    assert why_over(spec, [past(0.2), past(0.05)]) == "stop.target = 0.1: trial 1 has reached 0.05"


def test_patience_counts_every_trial_after_the_first_best() -> None:
    spec = toy_spec(stop={"patience": 3})
    trials = [past(0.5), past(0.7), past(0.7), past(None, SlotState.FAILED)]
    assert why_over(spec, trials) is None
    assert why_over(spec, [*trials, past(0.2, SlotState.PRUNED)]) == (
        "stop.patience = 3: no trial was better than trial 1"
    )
    assert why_over(spec, [past(0.1, SlotState.PRUNED)] * 9) is None, "nothing is complete yet"


def test_epochs_count_early_ends_as_what_they_took() -> None:
    spec = toy_spec(stop={"max_epochs": 26})  # two networks of six epochs
    trials = [past(0.5), past(0.4, SlotState.PRUNED, n_steps=3), past(0.1, SlotState.FAILED, 6)]
    assert why_over(spec, trials) is None
    assert why_over(spec, [*trials, past(0.6)]) == "stop.max_epochs = 26: 33 epochs were trained"

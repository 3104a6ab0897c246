"""Trials report steps: their numbers of epochs may differ, and may be unknown."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from workers import toy_spec

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.result import Result
from hpo.study.trials import SlotState, Step, StudyState, Trial
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

TABLES: dict[str, Any] = {
    "budget": {"trials": 24, "window": 1, "seeds": 2, "epochs": 8},
    "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 1},
    "confirm": {"top": 1, "seeds": 2},
}


def searched(storage: Storage, objective: str, **tables: Any) -> Result:
    ledger = Ledger(storage)
    objective = f"odd_objectives:{objective}"
    ledger.register(toy_spec(objective=objective, **{**TABLES, **tables}))
    Worker(storage, WorkerOptions(study="toy")).run()
    result = ledger.result("toy")
    assert result.snapshot.state == StudyState.DONE
    assert result.best is not None
    assert len(result.confirmations[0].scores) == 2
    return result


@pytest.mark.parametrize("sampler", ["tpe", "kriging-believer"])
def test_trials_with_epochs_of_their_own(storage: Storage, sampler: str) -> None:
    result = searched(storage, "OwnEpochsObjective", sampler={"name": sampler})
    for slot in result.search:
        k = int(slot.params["k"])
        if slot.state == SlotState.COMPLETE:
            assert slot.epochs == 2 * k
            assert [step.epoch for step in slot.steps] == [*range(1, k + 1), k]
        else:
            assert slot.epochs == slot.steps[-1].epoch <= k
    pruned = [slot for slot in result.search if slot.state == SlotState.PRUNED]
    assert pruned
    for slot in pruned:
        assert is_below_median(slot, result.search[: slot.number])
    assert result.progress.epochs == sum(slot.epochs for slot in result.search)


def is_below_median(slot: Trial, earlier: tuple[Trial, ...]) -> bool:
    """Whether the best score so far is below the median of complete trials then."""
    place = slot.steps[-1].place
    others = [
        step.score
        for trial in earlier
        for step in trial.steps
        if trial.state == SlotState.COMPLETE and step.place == place
    ]
    best = max(step.score for step in slot.steps)
    return best < statistics.median(others)


def test_a_search_ends_after_the_epochs_that_were_reported(storage: Storage) -> None:
    result = searched(storage, "OwnEpochsObjective", stop={"max_epochs": 60})
    epochs = [slot.epochs for slot in result.search]
    assert sum(epochs[:-1]) < 60 <= sum(epochs)


def test_trials_that_report_nothing_on_the_way(storage: Storage) -> None:
    budget = {**TABLES["budget"], "seeds": 3}
    result = searched(storage, "SilentObjective", budget=budget)
    states = [slot.state for slot in result.search]
    assert {*states} == {SlotState.COMPLETE, SlotState.PRUNED}
    for slot in result.search:
        first, *others = slot.steps
        assert first == Step(0, 0, first.score)
        assert [step.network for step in others] == [1, 2][: len(others)]
        assert slot.epochs == 0
        if slot.state == SlotState.PRUNED:
            assert (slot.message or "").startswith("pruned after ")


def test_the_only_network_of_a_trial_is_kept_once_it_is_trained(
    storage: Storage,
) -> None:
    budget = {**TABLES["budget"], "seeds": 1}
    pruner = {"name": "median", "n_startup_trials": 4}
    result = searched(storage, "SilentObjective", budget=budget, pruner=pruner)
    assert {slot.state for slot in result.search} == {SlotState.COMPLETE}

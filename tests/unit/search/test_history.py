"""The past as a storage: decisions are those that fall on Optuna's own in-memory storage."""

from __future__ import annotations

import random
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from workers import toy_spec

from hpo.search import history, suggest
from hpo.search.history import HistoryStorage
from hpo.search.pruning import TrialProgress
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

SAMPLERS = ["tpe", "random", "qmc", "gp", "cmaes", "kriging-believer"]
PRUNERS = ["median", "percentile", "wilcoxon", "successive-halving"]
OPTIONS: dict[str, dict[str, Any]] = {
    "percentile": {"percentile": 60.0},
    "successive-halving": {"min_resource": 2, "reduction_factor": 2},
    "wilcoxon": {"p_threshold": 0.4, "n_startup_steps": 1},
}


def on_optunas_own(storage: HistoryStorage, directions: list[StudyDirection]) -> InMemoryStorage:
    """The same history in Optuna's in-memory storage."""
    own = InMemoryStorage()
    study = own.create_new_study(directions, study_name="history")
    for trial in storage.get_all_trials(0, deepcopy=False):
        own.create_new_trial(study, template_trial=trial)
    return own


def past(spec: StudySpec, count: int) -> list[Past]:
    """Suggested trials that ended in every way."""
    draw = random.Random(1)
    trials: list[Past] = []
    for number in range(count):
        suggestion = suggest.suggest(spec, number, trials)
        steps = tuple(draw.random() for _ in range(6))
        rung = {"completed_rung_0": draw.random()}  # the memory of successive halving
        suggestion = Suggestion(params=suggestion.params, attrs={**suggestion.attrs, **rung})
        state = draw.choices([*SlotState][1:4], [6, 3, 1])[0]
        score = None if state == SlotState.FAILED else steps[-1]
        trials.append(Past(suggestion=suggestion, state=state, score=score, steps=steps))
    return trials


@pytest.fixture
def optunas_own(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function after which views are built on Optuna's in-memory storage."""

    def switch() -> None:
        def build(trials: list[FrozenTrial], directions: list[StudyDirection]) -> InMemoryStorage:
            return on_optunas_own(HistoryStorage(trials, directions), directions)

        monkeypatch.setattr(history, "HistoryStorage", build)

    return switch


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_suggest_the_same(sampler: str, optunas_own: Any) -> None:
    spec = toy_spec(sampler={"name": sampler}, budget={"trials": 40})
    trials = past(spec, 16)
    ours = [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)]
    optunas_own()
    assert [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)] == ours


@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_decide_the_same(pruner: str, optunas_own: Any) -> None:
    spec = toy_spec(pruner={"name": pruner, **OPTIONS.get(pruner, {})})
    trials = past(spec, 20)
    own = Suggestion(params=trials[0].suggestion.params)
    curves = [[level + 0.1 * step for step in range(6)] for level in (0.0, 0.3, 0.6)]

    def decisions() -> list[Any]:
        found: list[Any] = []
        for curve in curves:
            judge = TrialProgress(spec, 20, trials, own)
            found += [[judge.report(value) for value in curve], judge.attrs]
        return found

    ours = decisions()
    optunas_own()
    assert decisions() == ours
    assert any(map(any, ours[::2])), "nothing was pruned: no test"


def test_past_trials_are_not_copied_and_cannot_be_written_to() -> None:
    frozen = optuna.trial.create_trial(value=1.0)
    storage = HistoryStorage([frozen], [StudyDirection.MAXIMIZE])
    number = storage.create_new_trial(0)
    assert number == 1
    assert storage.get_all_trials(0, deepcopy=False)[0] is frozen
    assert storage.get_all_trials(0, states=(TrialState.RUNNING,))[0].number == 1
    assert storage.get_trial(0) is frozen
    with pytest.raises(RuntimeError, match="trial 0 is past, and cannot be changed"):
        storage.set_trial_user_attr(0, "a", 1)
    with pytest.raises(RuntimeError, match="one open trial"):
        storage.create_new_trial(0)


def test_what_was_remembered_of_another_past_is_not_used() -> None:
    """Outcomes never change; if they did, the memory of a process must not hide it."""
    spec = toy_spec(budget={"window": 1})
    trials = past(spec, 12)
    first = suggest.suggest(spec, 12, trials)
    changed = [*trials[:5], Past(suggestion=trials[5].suggestion, state=SlotState.FAILED)]
    changed += trials[6:]
    other = suggest.suggest(spec, 12, changed)
    history._memory.cache_clear()
    assert suggest.suggest(spec, 12, changed) == other
    assert suggest.suggest(spec, 12, trials) == first

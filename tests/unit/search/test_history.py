"""The past as a storage: decisions are those on Optuna's own, told trial by trial."""

from __future__ import annotations

import random
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from workers import toy_spec

from hpo.search import history, suggest
from hpo.search.pruning import TrialProgress
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

SAMPLERS = ["tpe", "random", "qmc", "gp", "cmaes", "kriging-believer"]
PRUNERS: dict[str, dict[str, Any]] = {
    "median": {},
    "percentile": {"percentile": 60.0},
    "successive-halving": {"min_resource": 2, "reduction_factor": 2},
    "wilcoxon": {"p_threshold": 0.4, "n_startup_steps": 1},
}


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


def told(trials: list[FrozenTrial], directions: list[StudyDirection]) -> InMemoryStorage:
    """The same history, told trial by trial."""
    own = InMemoryStorage()
    study = own.create_new_study(directions, study_name=history.STUDY)
    for trial in trials:
        own.create_new_trial(study, template_trial=trial)
    return own


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_suggest_the_same(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = toy_spec(sampler={"name": sampler}, budget={"trials": 40})
    trials = past(spec, 16)
    ours = [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)]
    monkeypatch.setattr(history, "History", told)
    assert [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)] == ours


@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_decide_the_same(pruner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = toy_spec(pruner={"name": pruner, **PRUNERS[pruner]})
    trials = past(spec, 20)
    own = Suggestion(params=trials[0].suggestion.params)

    def decisions() -> list[Any]:
        found: list[Any] = []
        for level in (0.0, 0.3, 0.6):
            judge = TrialProgress(spec, 20, trials, own)
            found += [[judge.report(level + 0.1 * step) for step in range(6)], judge.attrs]
        return found

    ours = decisions()
    monkeypatch.setattr(history, "History", told)
    assert decisions() == ours
    assert any(map(any, ours[::2])), "nothing was pruned: no test"


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

"""The past as a storage: decisions are those on Optuna's own, told trial by trial."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from searches import reported
from workers import toy_spec

from hpo.search import history, memory, optuna_adapter, suggest
from hpo.search.comparison import extrapolate
from hpo.search.pruners import PRUNERS as PRUNED_BY
from hpo.search.pruning import TrialProgress
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    RUNG,
    Past,
    SlotState,
    Step,
    Suggestion,
)

SAMPLERS = ["tpe", "random", "qmc", "gp", "cmaes", "kriging-believer"]
CURVES = {
    "n_startup_trials": [0, 4],
    "n_warmup_steps": [0, 2],
    "interval_steps": [1, 3],
}
PRUNERS: dict[str, dict[str, list[Any]]] = {
    "median": {**CURVES, "n_min_trials": [1, 4]},
    "percentile": {**CURVES, "percentile": [0.0, 25.0, 60.0, 100.0]},
    "successive-halving": {"min_resource": [1, 2, "auto"], "reduction_factor": [2, 3]},
}


def past(spec: StudySpec, count: int) -> list[Past]:
    """Suggested trials that ended in every way."""
    draw = random.Random(1)
    trials: list[Past] = []
    for number in range(count):
        suggestion = suggest.suggest(spec, number, trials)
        steps = reported(*[draw.random() for _ in range(6)])
        rung = {"completed_rung_0": draw.random()}  # the memory of successive halving
        suggestion = Suggestion(
            params=suggestion.params, attrs={**suggestion.attrs, **rung}
        )
        state = draw.choices([*SlotState][1:4], [6, 3, 1])[0]
        score = None if state == SlotState.FAILED else steps[-1].score
        trials.append(
            Past(suggestion=suggestion, state=state, score=score, steps=steps)
        )
    return trials


def told(
    trials: list[FrozenTrial], directions: list[StudyDirection]
) -> InMemoryStorage:
    """The same history, told trial by trial."""
    own = InMemoryStorage()
    study = own.create_new_study(directions, study_name=optuna_adapter.STUDY)
    for trial in trials:
        own.create_new_trial(study, template_trial=trial)
    return own


@pytest.mark.parametrize("sampler", SAMPLERS[:-1])  # the last reads no view
def test_samplers_suggest_the_same(
    sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = toy_spec(sampler={"name": sampler}, budget={"trials": 40})
    trials = past(spec, 16)
    ours = [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)]
    monkeypatch.setattr(history, "History", told)
    assert [suggest.suggest(spec, k, trials[:k]) for k in (0, 7, 16)] == ours


RANDOM = {"name": "random"}


def curve(draw: random.Random, length: int, epochs: int) -> tuple[Step, ...]:
    """Scores with ties."""
    scores = draw.choices([0.1, 0.3, 0.5, 0.7, 0.9], k=length)
    return reported(*scores, epochs=epochs)


@pytest.mark.parametrize("objective", ["ToyObjective", "ToyLossObjective"])
@pytest.mark.parametrize("name", PRUNERS)
def test_pruners_decide_as_optunas(name: str, objective: str) -> None:
    """Curves of all lengths, tried with random options."""
    draw, decisions = random.Random(1), list[bool]()
    for count in 2 * [*range(20)]:
        options = {key: draw.choice(values) for key, values in PRUNERS[name].items()}
        budget = {"seeds": 9, "window": 1}
        known = {
            "objective": f"toy_objective:{objective}",
            "budget": budget,
            "sampler": RANDOM,
        }
        spec = toy_spec(pruner={"name": name, **options}, **known)
        epochs = spec.budget.epochs
        length = epochs + spec.budget.seeds - 1
        trials: list[Past] = []
        for own in past(toy_spec(**known, pruner={"name": "none"}), count):
            steps = curve(draw, draw.randint(1, length), epochs)
            trials.append(replace(own, steps=steps))
        study = history.view(
            spec, extrapolate(spec, trials), optuna.samplers.RandomSampler()
        )
        optunas, trial = PRUNED_BY[name](**options), study.ask()
        judge = TrialProgress(spec, count, trials, Suggestion(params={}))
        steps = curve(draw, length, epochs)
        for step, number in zip(steps, effort.step_numbers(steps), strict=True):
            trial.report(step.score, number)
            decisions.append(optunas.prune(study, study.trials[-1]))
            assert judge.report(step) == decisions[-1], (options, trials)
        attrs = study.trials[-1].system_attrs
        assert judge.attrs == {key: attrs[key] for key in attrs if key.startswith(RUNG)}
    assert 4 < sum(decisions) < len(decisions) - 4


def test_what_was_remembered_of_another_past_is_not_used() -> None:
    """Outcomes never change; if they did, the memory of a process must not hide it."""
    spec = toy_spec(budget={"window": 1})
    trials = past(spec, 12)
    first = suggest.suggest(spec, 12, trials)
    changed = [
        *trials[:5],
        Past(suggestion=trials[5].suggestion, state=SlotState.FAILED),
    ]
    changed += trials[6:]
    other = suggest.suggest(spec, 12, changed)
    memory.kept.cache_clear()
    assert suggest.suggest(spec, 12, changed) == other
    assert suggest.suggest(spec, 12, trials) == first

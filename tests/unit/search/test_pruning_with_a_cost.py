"""A pruner beside a ``[cost]`` compares a trial with those that cost no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from searches import SAMPLERS, ended
from workers import toy_spec

from hpo.search import options
from hpo.search.comparison import clip_outliers, extrapolate
from hpo.search.history import view
from hpo.search.pruning import EndedError, TrialProgress
from hpo.search.suggest import suggest
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState

EPOCHS, MEMBERS = 8, 4
PRUNERS: list[dict[str, Any]] = [
    {"name": "median", "n_startup_trials": 3, "n_warmup_steps": 1},
    {"name": "percentile", "percentile": 40.0, "n_startup_trials": 3},
    {"name": "successive-halving", "min_resource": 2, "reduction_factor": 2},
]


def two(**tables: Any) -> StudySpec:
    """The toy study with a cost that is known before training, and a pruner."""
    given = {
        "objective": "costly_objective:CostlyObjective",
        "cost": {"name": "energy_pj"},
        "budget": {"seeds": MEMBERS, "epochs": EPOCHS, "window": 1},
        "pruner": PRUNERS[0],
        **tables,
    }
    return toy_spec(**given)


def values(level: float) -> list[float]:
    """What the networks of a trial score, epoch by epoch: a line that ends at
    ``level``."""
    return [level * epoch / EPOCHS for epoch in range(1, EPOCHS + 1)]


def train(
    spec: StudySpec, past: list[Past], k: int, level: float, x: float = 0.5
) -> Past:
    """A trial with ``k`` units, whose networks all end at ``level``: as a worker runs
    it."""
    own = ended(0.0, k=k, x=x).suggestion
    course = TrialProgress(spec, len(past), past, own)
    state = SlotState.COMPLETE
    scores: list[float] = []
    try:
        for member in range(MEMBERS):
            for epoch, value in enumerate(values(level), start=1):
                course.report_epoch(member, epoch, value)
            scores.append(level + 1e-3 * member)
            course.report_networks(scores, EPOCHS)
        score = sum(scores) / MEMBERS
    except EndedError:
        state, score = SlotState.PRUNED, course.steps[-1].score
    costs = (0.5 * k * (0.2 + x), 100.0 * k)[: len(spec.costs)]
    told = {
        "state": state,
        "score": score,
        "costs": costs,
        "steps": tuple(course.steps),
    }
    return Past(suggestion=replace(own, attrs=course.attrs), **told)


def after(spec: StudySpec, *trials: tuple[int, float]) -> list[Past]:
    """What becomes of trials of so many units and such an end, one by one."""
    past: list[Past] = []
    for k, level in trials:
        past.append(train(spec, past, k, level))
    return past


BOTH = {"name": ["energy_pj", "n_synapses"]}
DEAR = [(8, 0.7), (8, 0.8), (8, 0.9)]
CHEAP = [(2, 0.3), (2, 0.4), (2, 0.5)]


@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: str(p["name"]))
def test_a_cheap_network_need_not_be_better_than_a_dear_one(
    pruner: dict[str, Any],
) -> None:
    spec = two(pruner=pruner)
    options.check(spec, "f.toml")
    dear, cheap = after(spec, *DEAR), after(spec, *CHEAP)
    for past, k, ends in [
        (dear, 8, True),  # worse than equals
        (dear, 7, False),  # worse, and cheaper than all
        (cheap, 2, True),
        (cheap, 8, True),  # worse than cheaper ones: it is on no front
        ([*dear, *cheap], 5, True),
        ([*dear, *cheap], 1, False),
    ]:
        found = train(spec, past, k, 0.1)
        assert (found.state == SlotState.PRUNED) == ends, (k, found.steps)
        assert train(spec, past, k, 0.95).state == SlotState.COMPLETE


@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: str(p["name"]))
def test_dearer_trials_decide_nothing(pruner: dict[str, Any]) -> None:
    """Whatever they scored, and whether they were pruned: steps and end are the
    same."""
    spec = two(pruner=pruner)
    cheap = after(spec, *CHEAP)
    others = [
        after(spec, *CHEAP, *more)[3:]
        for more in (DEAR, [(8, 0.01)], [(6, 0.6), (8, 0.01)])
    ]
    for level in (0.1, 0.35, 0.45, 0.6):
        alone = train(spec, cheap, 3, level)
        for dear in others:
            assert train(spec, [*cheap, *dear], 3, level) == alone
            wrong = [replace(past, costs=(0.0,)) for past in dear]
            assert train(spec, [*cheap, *wrong], 3, level) == alone, (
                "known before, not stored"
            )


@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: str(p["name"]))
def test_of_several_costs_each_may_excuse_a_trial(pruner: dict[str, Any]) -> None:
    """Fewer synapses and more energy: nobody costs no more in both, and nothing is
    compared."""
    one, both = two(pruner=pruner), two(pruner=pruner, cost=BOTH)
    for spec, ends in ((one, True), (both, False)):
        past = [train(spec, [], 6, level, x=0.2) for level in (0.7, 0.8, 0.9)]
        found = train(
            spec, past, 5, 0.1, x=0.9
        )  # 2.75 pJ and 500, after 1.2 pJ and 600
        assert (found.state == SlotState.PRUNED) == ends, found.steps
        assert train(spec, past, 6, 0.1, x=0.9).state == SlotState.PRUNED, (
            "no less in either"
        )


@pytest.mark.parametrize("sampler", ["kriging-believer", "gp"])
def test_a_trial_pruned_after_a_network_moves_no_fence(sampler: str) -> None:
    other = {"objective": "costly_objective:CostlyReturnObjective", "reported": None}
    spec = two(sampler={"name": sampler}, **other)
    levels = (0.5, 0.51, 0.52, 0.53, 0.54, 900.0)
    whole = [train(spec, [], 3, level, x=0.1 * n) for n, level in enumerate(levels)]
    pruned = replace(train(spec, [], 3, 1e6), state=SlotState.PRUNED)
    alone = clip_outliers(spec, extrapolate(spec, whole))
    known = clip_outliers(spec, extrapolate(spec, [*whole, *[pruned] * 9]))
    assert alone.changed.any()
    assert (known.scores[:6] == alone.scores).all()
    assert (known.complete.sum(), known.scores[-1]) == (15, pruned.score)


@pytest.mark.parametrize("cost", [{"name": "energy_pj"}, BOTH], ids=["one", "both"])
@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: str(p["name"]))
@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc", "kriging-believer"])
def test_samplers_learn_from_what_was_pruned(
    sampler: str, pruner: dict[str, Any], cost: dict[str, Any]
) -> None:
    spec = two(sampler=SAMPLERS[sampler], pruner=pruner, cost=cost)
    past = after(spec, *DEAR, (8, 0.1), *CHEAP, (3, 0.2), (3, 0.25), (4, 0.1))
    assert {p.state for p in past} == {SlotState.COMPLETE, SlotState.PRUNED}
    study = view(spec, extrapolate(spec, past), None)  # type: ignore[arg-type]
    seen = study.get_trials(deepcopy=False)
    assert {trial.state.name for trial in seen} == {"COMPLETE"}
    assert all(len(trial.values) == 1 + len(spec.costs) for trial in seen)
    assert suggest(spec, len(past), past).params.keys() == spec.space.keys()

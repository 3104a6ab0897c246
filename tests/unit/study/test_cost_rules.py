"""A score and a cost: suggestions as pure functions, the front and its order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import optuna
import pytest
from workers import as_first_stored, toy_spec

from hpo.errors import SpecError
from hpo.search import history as search_history
from hpo.search import options as search_options
from hpo.search import suggest
from hpo.search.space import directions
from hpo.study import pareto
from hpo.study.file import load
from hpo.study.spec import StudySpec
from hpo.study.trials import Amendment, Past, SlotState, Suggestion

COST = {"name": "energy_pj"}
REPORTED = {"score": 0.9, "cost": 40.0, "source": "a paper"}
SAMPLERS: list[dict[str, Any]] = [
    {"name": "tpe", "n_startup_trials": 4},
    {"name": "tpe", "n_startup_trials": 4, "multivariate": True},
    {"name": "nsga2", "population_size": 6},
    {"name": "random"},
    {"name": "qmc"},
    {"name": "gp", "n_startup_trials": 4},
]


def two(name: str = "two", **tables: Any) -> StudySpec:
    """The toy study with a cost."""
    given = {"cost": COST, "pruner": {"name": "none"}, "sampler": SAMPLERS[0], **tables}
    return toy_spec(name, **given)


def history(spec: StudySpec, count: int) -> list[Past]:
    """Trials suggested one by one, each with a score and a cost of its own."""
    trials: list[Past] = []
    for number in range(count):
        own = suggest.suggest(spec, number, trials)
        x, k = float(own.params["x"]), int(own.params["k"])
        outcome = {"score": 0.9 - (x - 0.3) ** 2 - 0.01 * (k - 5) ** 2, "costs": (k * (0.2 + x),)}
        trials.append(Past(suggestion=own, state=SlotState.COMPLETE, **outcome))  # type: ignore[arg-type]
    return trials


def test_studies_without_a_cost_are_what_they_were() -> None:
    spec = toy_spec()
    assert "cost" not in spec.stored()
    assert spec.hash != two(pruner={"name": "none"}).hash
    before = as_first_stored(load("seqdigits-tpe", values={"name": "seqdigits"}))
    assert before.hash == "7410f616d9abaf6d", "the CHANGELOG says how a begun study goes on"
    assert directions(spec) == [optuna.study.StudyDirection.MAXIMIZE]


def test_a_replaced_outcome_keeps_its_cost() -> None:
    before = Amendment(
        what="exclude",
        since=3,
        at="2025-03-01T09:00:00+00:00",
        host="a",
        state=SlotState.COMPLETE,
        score=0.5,
        costs=(2.5,),
        steps=(),
        attrs={},
        message=None,
    )
    assert Amendment.restored(before.stored()) == before
    without = replace(before, costs=())
    assert "cost" not in without.stored(), "studies without costs are written as before"
    assert Amendment.restored(without.stored()) == without


# --- suggestions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: "-".join(map(str, s.values())))
def test_suggestions_depend_on_the_visible_history_alone(sampler: dict[str, Any]) -> None:
    """Outcomes within the window, and what a process had worked out before, do not matter."""
    spec, n = two(sampler=sampler, budget={"window": 4}), 22
    if sampler["name"] == "gp":  # which takes seconds for each of several parameters
        space = {name: spec.space[name] for name in ("x", "k")}
        spec, n = spec.model_copy(update={"space": space}), 7
    trials = history(spec, n)
    numbers = (0, n // 2, n - 4, n)
    ours = [suggest.suggest(spec, k, trials[:k]) for k in numbers]
    seen = n - 3
    hidden = [*trials[:seen], *(Past(suggestion=t.suggestion) for t in trials[seen:])]
    assert suggest.suggest(spec, n, hidden) == ours[-1]
    changed = [*trials[:seen], *(replace(t, costs=(0.0,), score=1.0) for t in trials[seen:])]
    assert suggest.suggest(spec, n, changed) == ours[-1]
    search_history._memory.cache_clear()
    assert [suggest.suggest(spec, k, trials[:k]) for k in numbers] == ours


@pytest.mark.parametrize("sampler", [SAMPLERS[0], SAMPLERS[2]], ids=["tpe", "nsga2"])
def test_the_cost_counts(sampler: dict[str, Any]) -> None:
    spec = two(sampler=sampler, budget={"window": 1})
    trials = history(spec, 22)
    dear = [replace(t, costs=(50.0 - t.costs[0],)) for t in trials]
    some = range(12, 23)
    ours = [suggest.suggest(spec, k, trials[:k]).params for k in some]
    assert [suggest.suggest(spec, k, dear[:k]).params for k in some] != ours


def test_nsga2_goes_on_from_generation_to_generation() -> None:
    spec = two(sampler={"name": "nsga2", "population_size": 6}, budget={"window": 4})
    key = "NSGAIISampler:generation"
    generations = [t.suggestion.attrs[key] for t in history(spec, 40)]
    assert generations == sorted(generations)
    assert max(generations) >= 3
    # of a generation there are the population and those that were begun before it was seen whole
    assert max(map(generations.count, generations)) <= 6 + 4


def test_wrong_options_of_nsga2_are_refused() -> None:
    for options, text in [
        ({"population_size": 1}, "`population_size` must be greater than or equal to 2"),
        ({"population": 4}, "sampler.population: 'nsga2' has no such option"),
    ]:
        with pytest.raises(SpecError) as caught:
            search_options.check(two(sampler={"name": "nsga2", **options}), "f.toml")
        assert text in str(caught.value)


def test_every_sampler_of_two_objectives_passes_its_rehearsal() -> None:
    for sampler in SAMPLERS:
        search_options.check(two(sampler=sampler), "f.toml")


# --- the front ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """A trial in three numbers."""

    number: int
    score: float
    costs: tuple[float, ...]


POINTS = [
    Point(0, 0.95, (30.0,)),
    Point(1, 0.93, (20.0,)),
    Point(2, 0.93, (20.0,)),  # the same as an earlier one
    Point(3, 0.92, (25.0,)),  # beaten in both
    Point(4, 0.91, (10.0,)),
    Point(5, 0.905, (9.0,)),
    Point(6, 0.80, (5.0,)),
    Point(7, 0.70, (4.0,)),
    Point(8, 0.70, (6.0,)),  # as good as a cheaper one
]


def numbers(points: list[Point]) -> list[int]:
    return [point.number for point in points]


def test_the_front_is_what_no_other_beats() -> None:
    assert numbers(pareto.front(two(), POINTS)) == [7, 6, 5, 4, 1, 0]
    losses = [replace(p, score=1.0 - p.score) for p in POINTS]
    less = two(objective="toy_objective:ToyLossObjective")
    assert numbers(pareto.front(less, losses)) == [7, 6, 5, 4, 1, 0]
    assert pareto.front(two(), []) == []


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1, [5, 4, 1, 0, 6, 7]),  # the cheapest that reached 0.9
        (2, [5, 0, 4, 1, 6, 7]),  # and the most accurate one
        (3, [5, 4, 0, 1, 6, 7]),
        (9, [5, 4, 1, 0, 6, 7]),  # what missed it comes last, the nearest first
    ],
)
def test_the_cheapest_that_reached_the_reported_score_come_first(
    top: int, expected: list[int]
) -> None:
    spec = two(reported=REPORTED, confirm={"top": top, "members": 3})
    assert numbers(pareto.order(spec, POINTS)) == expected


def test_without_a_reported_score_the_most_accurate_come_first() -> None:
    assert numbers(pareto.order(two(), POINTS)) == [0, 1, 4, 5, 6, 7]
    none = two(reported={**REPORTED, "score": 0.99})
    assert numbers(pareto.order(none, POINTS)) == [0, 1, 4, 5, 6, 7]


@dataclass(frozen=True)
class Fresh:
    """A confirmed trial in three numbers."""

    source: int
    mean: float
    costs: tuple[float, ...]


def test_a_study_is_named_by_the_cheapest_that_holds_the_reported_score() -> None:
    spec = two(reported=REPORTED)
    tested = [Fresh(1, 0.95, (30.0,)), Fresh(2, 0.9, (20.0,)), Fresh(3, 0.899, (9.0,))]
    assert pareto.headline(spec, tested) == tested[1]
    assert pareto.headline(spec, tested[2:]) == tested[2], "none holds it: the best mean"
    assert pareto.headline(two(), tested) == tested[0]
    assert pareto.headline(spec, []) is None


def test_the_memory_of_nsga2_is_part_of_the_history() -> None:
    """Generations are stored with the suggestions, and read from there."""
    spec = two(sampler={"name": "nsga2", "population_size": 4})
    trials = history(spec, 12)
    bare = [replace(t, suggestion=Suggestion(params=t.suggestion.params)) for t in trials]
    assert suggest.suggest(spec, 12, trials).attrs != suggest.suggest(spec, 12, bare).attrs

"""A score and costs: suggestions as pure functions, the front and its order."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from searches import SAMPLERS, searched
from snapshots import amendment, member, slot
from workers import toy_spec

from hpo.search import memory, suggest
from hpo.search import options as search_options
from hpo.study import pareto
from hpo.study.file import load
from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec
from hpo.study.trials import Amendment, Past, SlotState, Trial

COST = {"name": "energy_pj"}
BOTH = {"name": ["energy_pj", "n_synapses"]}
REPORTED = {"score": 0.9, "cost": 40.0, "source": "a paper"}
REPORTED_BOTH = {**REPORTED, "cost": {"energy_pj": 40.0}}
ONE_COST = ("0ca243e88b9b5bb4", "5923838b04ed4907")
"""Hashes of studies with one cost, as they were worked out before there were
several."""
ALL = [
    {**SAMPLERS["tpe"], "multivariate": True},
    *[SAMPLERS[name] for name in ("tpe", "nsga2", "random", "qmc", "gp")],
]


def two(name: str = "two", **tables: Any) -> StudySpec:
    """The toy study with a cost."""
    given = {
        "cost": COST,
        "pruner": {"name": "none"},
        "sampler": SAMPLERS["tpe"],
        **tables,
    }
    return toy_spec(name, **given)


def history(spec: StudySpec, count: int) -> list[Past]:
    """Trials with a score and costs of their own."""

    def score(params: Mapping[str, Any]) -> float:
        return float(0.9 - (params["x"] - 0.3) ** 2 - 0.01 * (params["k"] - 5) ** 2)

    def costs(params: Mapping[str, Any]) -> tuple[float, ...]:
        return (params["k"] * (0.2 + params["x"]), 100.0 * params["k"])[
            : len(spec.costs)
        ]

    return searched(spec, count, score, costs)


def test_one_cost_is_written_and_hashed_as_before_there_were_several() -> None:
    """These are the hashes of before: a begun study goes on."""
    one = two()
    assert one.stored()["cost"] == {"name": "energy_pj"}
    assert two(cost={"name": ["energy_pj"]}).hash == one.hash
    assert (one.hash, load("seqdigits-energy").hash) == ONE_COST
    several = two(cost=BOTH)
    assert several.stored()["cost"] == BOTH
    assert two(cost={"name": BOTH["name"][::-1]}).hash != several.hash, (
        "the order counts"
    )
    assert several.costs == ("energy_pj", "n_synapses")


def test_records_tell_one_cost_as_a_number_and_several_by_name() -> None:
    assert two().cost_record((2.5,)) == 2.5
    assert two(cost=BOTH).cost_record((2.5, 300.0)) == {
        "energy_pj": 2.5,
        "n_synapses": 300.0,
    }
    assert (
        two().cost_record(())
        is two(cost=BOTH).cost_record(())
        is toy_spec().cost_record(())
        is None
    )


@pytest.mark.parametrize("costs", [(2.5,), (2.5, 300.0)])
def test_a_replaced_outcome_keeps_its_costs(costs: tuple[float, ...]) -> None:
    before = amendment(SlotState.COMPLETE, costs=costs)
    assert Amendment.restore(json.loads(json.dumps(before.stored()))) == before
    assert before.stored()["cost"] == (2.5 if len(costs) == 1 else [2.5, 300.0])
    without = replace(before, costs=())
    assert "cost" not in without.stored(), "studies without costs are written as before"
    assert Amendment.restore(without.stored()) == without


# --- suggestions ---


@pytest.mark.parametrize("sampler", ALL, ids=lambda s: "-".join(map(str, s.values())))
def test_suggestions_depend_on_the_visible_history_alone(
    sampler: dict[str, Any],
) -> None:
    """Outcomes within the window, and what a process had worked out before, do not
    matter."""
    spec, n = two(sampler=sampler, cost=BOTH, budget={"window": 4}), 22
    if sampler["name"] == "gp":  # which takes seconds for each of several parameters
        space = {name: spec.space[name] for name in ("x", "k")}
        spec, n = spec.model_copy(update={"space": space}), 7
    search_options.check(spec, "f.toml")
    trials = history(spec, n)
    numbers = (0, n // 2, n - 4, n)
    ours = [suggest.suggest(spec, k, trials[:k]) for k in numbers]
    seen = n - 3
    hidden = [*trials[:seen], *(Past(suggestion=t.suggestion) for t in trials[seen:])]
    assert suggest.suggest(spec, n, hidden) == ours[-1]
    changed = [
        *trials[:seen],
        *(replace(t, costs=(0.0,) * len(t.costs), score=1.0) for t in trials[seen:]),
    ]
    assert suggest.suggest(spec, n, changed) == ours[-1]
    memory.kept.cache_clear()
    assert [suggest.suggest(spec, k, trials[:k]) for k in numbers] == ours


@pytest.mark.parametrize("cost", [COST, BOTH], ids=["one", "both"])
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_every_cost_counts(sampler: str, cost: dict[str, Any]) -> None:
    spec = two(sampler=SAMPLERS[sampler], cost=cost, budget={"window": 1})
    trials = history(spec, 22)
    dear = [replace(t, costs=(*t.costs[:-1], 1e3 - t.costs[-1])) for t in trials]
    some = range(12, 23)
    ours = [suggest.suggest(spec, k, trials[:k]).params for k in some]
    assert [suggest.suggest(spec, k, dear[:k]).params for k in some] != ours


def test_nsga2_goes_on_from_generation_to_generation() -> None:
    spec = two(sampler=SAMPLERS["nsga2"], budget={"window": 4})
    key = "NSGAIISampler:generation"
    generations = [t.suggestion.attrs[key] for t in history(spec, 40)]
    assert generations == sorted(generations)
    assert max(generations) >= 3
    # of a generation there are the population and those that were begun before it was
    # seen whole
    assert max(map(generations.count, generations)) <= 6 + 4


# --- the front ---


def point(number: int, score: float, costs: tuple[float, ...]) -> Trial:
    return slot(number, SlotState.COMPLETE, score=score, costs=costs)


POINTS = [
    point(0, 0.95, (30.0,)),
    point(1, 0.93, (20.0,)),
    point(2, 0.93, (20.0,)),  # the same as an earlier one
    point(3, 0.92, (25.0,)),  # beaten in both
    point(4, 0.91, (10.0,)),
    point(5, 0.905, (9.0,)),
    point(6, 0.80, (5.0,)),
    point(7, 0.70, (4.0,)),
    point(8, 0.70, (6.0,)),  # as good as a cheaper one
]


def numbers(points: list[Trial]) -> list[int]:
    return [trial.number for trial in points]


def beats(one: Trial, other: Trial) -> bool:
    """Whether one is nowhere worse, and somewhere better, or as good and earlier."""
    ours, theirs = ((-(t.score or 0.0), *t.costs) for t in (one, other))
    nowhere_worse = all(a <= b for a, b in zip(ours, theirs, strict=True))
    return nowhere_worse and (ours != theirs or one.number < other.number)


@pytest.mark.parametrize("n_costs", [1, 2, 3])
def test_the_front_is_what_its_definition_says(n_costs: int) -> None:
    chance = random.Random(n_costs)
    spec = two(cost=BOTH)
    for _ in range(40):
        points = [
            point(
                k,
                chance.randint(0, 6) / 6,
                tuple(chance.randint(1, 6) for _ in range(n_costs)),
            )
            for k in range(25)
        ]
        expected = {p.number for p in points if not any(beats(q, p) for q in points)}
        found = pareto.front(spec, points)
        assert {p.number for p in found} == expected
        assert [p.costs for p in found] == sorted(p.costs for p in found)


PAIRS = [
    point(0, 0.95, (30.0, 900.0)),
    point(1, 0.93, (20.0, 700.0)),
    point(2, 0.92, (9.0, 800.0)),
    point(3, 0.91, (12.0, 300.0)),
    point(4, 0.90, (10.0, 600.0)),
    point(5, 0.85, (5.0, 500.0)),
    point(6, 0.90, (12.0, 650.0)),  # beaten by 3 and 4
]


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (
            1,
            [2, 3, 4, 1, 0, 5],
        ),  # the cheapest in energy that reached 0.9, then in synapses
        (2, [2, 0, 3, 4, 1, 5]),  # and the most accurate one
        (3, [2, 3, 0, 4, 1, 5]),
        (4, [2, 3, 4, 0, 1, 5]),
        (9, [2, 3, 4, 1, 0, 5]),
    ],
)
def test_each_cost_in_turn_has_its_cheapest_confirmed(
    top: int, expected: list[int]
) -> None:
    spec = two(cost=BOTH, reported=REPORTED_BOTH, confirm={"top": top, "seeds": 3})
    assert numbers(pareto.front(spec, PAIRS)) == [5, 2, 4, 3, 1, 0]
    assert numbers(pareto.order(spec, PAIRS)) == expected
    tested = [
        fresh(1, 0.95, (30.0, 1.0)),
        fresh(2, 0.9, (20.0, 9.0)),
        fresh(3, 0.8, (9.0, 0.5)),
    ]
    assert pareto.headline(spec, tested) == tested[1], (
        "the cheapest is so by the first cost"
    )


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            {"reported": REPORTED, "confirm": {"top": 9, "seeds": 3}},
            [5, 4, 1, 0, 6, 7],
        ),
        ({}, [0, 1, 4, 5, 6, 7]),
        ({"reported": {**REPORTED, "score": 0.99}}, [0, 1, 4, 5, 6, 7]),
    ],
)
def test_what_missed_the_reported_score_comes_last_and_without_one_accuracy_decides(
    tables: dict[str, Any], expected: list[int]
) -> None:
    assert numbers(pareto.order(two(**tables), POINTS)) == expected


def fresh(source: int, mean: float, costs: tuple[float, ...]) -> Confirmation:
    return Confirmation(
        source=source,
        params={},
        search_score=mean,
        costs=costs,
        members=(member(0, (mean,)),),
        n_seeds=1,
        failed=0,
    )


def test_a_study_is_named_by_the_cheapest_that_holds_the_reported_score() -> None:
    spec = two(reported=REPORTED)
    tested = [fresh(1, 0.95, (30.0,)), fresh(2, 0.9, (20.0,)), fresh(3, 0.899, (9.0,))]
    assert pareto.headline(spec, tested) == tested[1]
    assert pareto.headline(spec, tested[2:]) == tested[2], (
        "none holds it: the best mean"
    )
    assert pareto.headline(two(), tested) == tested[0]
    assert pareto.headline(spec, []) is None

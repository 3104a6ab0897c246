"""``[constraints]``: what is suggested costs no more than allowed, and is a pure
function still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import searches
from searches import searched
from workers import toy_spec

from hpo.search import constraints, memory, options
from hpo.search.suggest import suggest
from hpo.study.spec import StudySpec
from hpo.study.trials import FIXED_PARAMS, Past, SlotState

OBJECTIVE = "costly_objective:CostlyObjective"
SAMPLERS = [*searches.SAMPLERS.values()]
BEST = {"x": 0.3, "k": 5}
"""Costs 1.25 pJ."""


def bound(energy_pj: float = 0.5, **tables: Any) -> StudySpec:
    """The toy study, of which networks up to so many pJ are trained."""
    given = {"constraints": {"energy_pj": energy_pj}, "sampler": SAMPLERS[0], **tables}
    return toy_spec("bound", objective=OBJECTIVE, **given)


def score(params: Mapping[str, Any]) -> float:
    """The better, the nearer they are to the best."""
    return float(0.9 - (params["x"] - 0.3) ** 2 - 0.01 * (params["k"] - 5) ** 2)


def history(spec: StudySpec, count: int) -> list[Past]:
    return searched(spec, count, score)


def energy_pj(spec: StudySpec, past: Past) -> float:
    return constraints.costs(spec, past.suggestion.params)["energy_pj"]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: str(s["name"]))
def test_nothing_is_suggested_that_costs_more(sampler: dict[str, Any]) -> None:
    """About 18 % of the space fits, far from the best; and only what is visible
    decides."""
    spec, n = bound(sampler=sampler, budget={"window": 3}), 24
    if sampler["name"] == "gp":  # which takes seconds for each of several parameters
        space = {name: spec.space[name] for name in ("x", "k")}
        spec, n = spec.model_copy(update={"space": space}), 8
    if sampler["name"] == "kriging-believer":
        n = 12
    trials = history(spec, n)
    assert max(energy_pj(spec, past) for past in trials) <= 0.5
    free = spec.model_copy(update={"constraints": None})
    assert max(energy_pj(spec, past) for past in history(free, 4)) > 0.5, "no test"
    memory.kept.cache_clear()
    hidden = [
        *trials[: n - 2],
        *(replace(p, state=SlotState.RUNNING) for p in trials[n - 2 :]),
    ]
    assert suggest(spec, n, hidden) == suggest(spec, n, trials)
    changed = [*trials[: n - 2], *(replace(p, score=0.1) for p in trials[n - 2 :])]
    assert suggest(spec, n, changed) == suggest(spec, n, trials)


def test_ours_goes_to_where_the_bound_is() -> None:
    """The best networks cost 1.25 pJ: of those that are allowed, the dearest are the
    best."""
    spec = bound(1.0, sampler=SAMPLERS[-1], budget={"window": 1})
    trials = history(spec, 22)
    last = [
        energy_pj(spec, past) for past in trials[-6:]
    ]  # trials 15 and 23 are drawn at random
    assert min(last) > 0.85
    assert max(last) <= 1.0
    assert max(past.score or 0.0 for past in trials) > 0.88


def test_ours_finds_what_is_best_at_every_cost_within_several_bounds() -> None:
    """Of k = 1 .. 8, with 0.5 k (0.2 + x) pJ: the best x is 0.3, the best of all k =
    5."""
    bounds = {"energy_pj": 2.0, "n_synapses": 500}
    tables = {
        "cost": {"name": [*bounds]},
        "pruner": {"name": "none"},
        "sampler": SAMPLERS[-1],
    }
    spec = bound(constraints=bounds, reported=None, budget={"window": 2}, **tables)
    trials = searched(
        spec, 40, score, lambda params: tuple(constraints.cost_values(spec, params))
    )
    for k in range(1, 6):
        found = [
            past.score or 0.0 for past in trials if past.suggestion.params["k"] <= k
        ]
        assert max(found) > score({"x": 0.3, "k": k}) - 0.01
    assert max(past.costs[0] for past in trials) <= 2.0
    assert max(past.costs[1] for past in trials) == 500, "which is allowed"


def test_a_rare_configuration_is_found_by_every_sampler() -> None:
    """Half a percent of the space fits: uniform draws take over."""
    for sampler in SAMPLERS[:5]:
        spec = bound(0.105, sampler=sampler)
        assert max(energy_pj(spec, past) for past in history(spec, 6)) <= 0.105


def test_a_bound_that_nothing_breaks_changes_no_suggestion() -> None:
    for sampler in [*SAMPLERS[:5], SAMPLERS[6]]:
        spec = bound(1e9, sampler=sampler)
        free = spec.model_copy(update={"constraints": None})
        assert history(spec, 14) == history(free, 14)


def test_what_the_objective_refuses_does_not_fit() -> None:
    """No input is left of a narrow network with few connections: it is not
    suggested."""
    space = {
        "width": {"low": 2, "high": 80},
        "density_inter": {"low": 0.01, "high": 1.0},
    }
    tables = {
        "space": space,
        "constraints": {"n_synapses": 1500},
        "sampler": {"name": "random"},
    }
    spec = toy_spec(objective="spintronic", **tables)
    found = [suggest(spec, number, []).params for number in range(40)]
    assert min(round(float(p["density_inter"]) * float(p["width"])) for p in found) >= 1
    assert constraints.costs(spec, {"width": 2, "density_inter": 0.01}) == {}


# --- what is given by hand ---


def test_the_rest_of_a_point_fits_to_it() -> None:
    """With 8 units, a 12th of the width is left for what the sampler suggests."""
    points = [{"k": 8}, {"k": 1, "x": 0.75}]
    for sampler in SAMPLERS[:5]:
        spec = bound(1.2, sampler=sampler, warm_start={"points": points})
        options.check(spec, "f.toml")
        trials = history(spec, 3)
        assert [trials[n].suggestion.params["k"] for n in (0, 1)] == [8, 1]
        assert trials[1].suggestion.params["x"] == 0.75
        own = suggest(spec, 2, trials[:2], {"k": 8})
        assert own.params["k"] == 8
        assert own.attrs[FIXED_PARAMS] == {"k": 8}
        for params in (own.params, trials[0].suggestion.params):
            assert constraints.costs(spec, params)["energy_pj"] <= 1.2


def test_how_much_of_a_space_fits() -> None:
    """Of k = 1 .. 8 and x: those with 0.5 k (0.2 + x) <= 1, by summation."""
    share = sum(min(max(2.0 / k - 0.2, 0.0), 1.0) for k in range(1, 9)) / 8
    found = constraints.fit(bound(1.0))
    assert found.draws == 1000
    assert found.fitting / 1000 == pytest.approx(share, abs=0.05)
    assert found.least["energy_pj"] == pytest.approx(0.1, abs=0.02)
    assert constraints.fit(bound(1.0)) == found

"""What networks cost: bounds that no network breaks, costs that are told wrongly, or
not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from settling import claim
from workers import ledger_at, run_workers, toy_spec

from hpo.errors import SpecError
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudyState

OBJECTIVE = "costly_objective:CostlyObjective"
MOST_PJ = 2.0


def toys(name: str, **tables: Any) -> StudySpec:
    """A toy study of a score and a cost, with a bound and a pruner."""
    given = {
        "cost": {"name": "energy_pj"},
        "constraints": {"energy_pj": MOST_PJ},
        **tables,
    }
    return toy_spec(name, objective=OBJECTIVE, **given)


def test_what_is_enqueued_must_fit(database_url: str) -> None:
    spec = toys("given", warm_start={"points": [{"k": 2}]})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        held = claim(ledger, study=spec.name)  # the point of the warm start
        before = ledger.snapshot(spec.name)
        for params, text in [
            (
                {"x": 0.5, "k": 8, "rate_per_ns": 0.1, "colour": "red"},
                "expected energy_pj <= 2, got 2.8. Give another value.",
            ),
            (
                {"x": 1.0, "k": 5},
                (
                    "none of 1,000 uniform draws of the other parameters fits"
                    " [constraints]. Lowest draw: energy_pj=3. Give another value."
                ),
            ),
        ]:
            with pytest.raises(SpecError) as caught:
                interventions.enqueue(ledger, spec.name, params)
            assert str(caught.value) == f"study 'given': enqueued: {text}"
        after = ledger.snapshot(spec.name)
        assert len(after.search) == len(before.search) == 1
        number = interventions.enqueue(ledger, spec.name, {"k": 8})
        ledger.release(held)
        run_workers(database_url, spec.name, 1)
        slots = ledger.snapshot(spec.name).search
    assert (slots[0].params["k"], slots[number].params["k"]) == (2, 8)
    assert max(slot.costs[0] for slot in slots) <= MOST_PJ


def test_the_best_of_another_study_that_fit_are_taken(database_url: str) -> None:
    small = {"budget": {"trials": 6, "seeds": 1, "epochs": 2}, "confirm": False}
    first = toy_spec("first", objective=OBJECTIVE, **small, pruner={"name": "none"})
    begun = {
        **small,
        "warm_start": {"study": "first", "top": 6},
        "cost": {"name": "energy_pj"},
    }
    with ledger_at(database_url) as ledger:
        ledger.register(first)
        run_workers(database_url, "first", 1)
        dearest = max(
            ledger.snapshot("first").search,
            key=lambda s: s.members[0].info["energy_pj"],
        )
        most = dearest.members[0].info["energy_pj"]
        ledger.register(toys("second", **begun, constraints={"energy_pj": most - 0.01}))
        spec = ledger.snapshot("second").spec
        assert (
            0
            < len(
                points := [
                    spec.warm_start_params(k)
                    for k in range(6)
                    if spec.warm_start_params(k)
                ]
            )
            < 6
        )
        assert dearest.params not in points
        ledger.register(toys("third", **begun, constraints={"energy_pj": most}))


@pytest.mark.parametrize(
    ("objective", "tables", "said"),
    [
        (
            "costly_objective:HalfTheCostObjective",
            {"constraints": {"n_synapses": 300}},
            (
                "cost 'n_synapses': the objective's `costs_of` computed {}, but the"
                " trained network cost {}. Correct `costs_of`.\n"
            ),
        ),
        (
            "odd_objectives:MuteObjective",
            {"cost": {"name": "energy_pj"}, "budget": {"seeds": 3}},
            (
                "cost 'energy_pj': expected a finite number in the objective's"
                " `Outcome.info`, got None. Put it there in every training.\n"
            ),
        ),
    ],
)
def test_costs_that_are_told_wrongly_or_not_at_all_fail_the_trial(
    ledger: Ledger, database_url: str, objective: str, tables: dict[str, Any], said: str
) -> None:
    ledger.register(
        toy_spec("odd", objective=objective, pruner={"name": "none"}, **tables)
    )
    run_workers(database_url, "odd", 1)
    snapshot = ledger.snapshot("odd")
    assert snapshot.state == StudyState.FAILED
    first, k = snapshot.search[0], int(snapshot.search[0].params["k"])
    assert (first.message or "").endswith(said.format(50.0 * k, 100.0 * k))
    assert not first.members, "told of the first network, not of the last"


def test_a_dry_run_says_how_much_fits(hpo: Callable[..., str]) -> None:
    line = ("launch", "--study", "seqdigits-constrained", "--dry-run")
    (told,) = (row for row in hpo(*line).splitlines() if row.startswith("constraints"))
    found = json.loads(hpo(*line, "--json"))["constraints"]
    assert found["draws"] == 1000
    assert 50 < found["fitting"] < 900
    share = f"{found['fitting'] / 10:.3g} % of 1,000 uniform draws are feasible"
    least = f"smallest draw: {found['least']['energy_pj']:.3g} pJ"
    assert told.split(maxsplit=1)[1] == f"energy_pj ≤ 12 ({least}); {share}"
    refusal = hpo(*line, "--set", "constraints.energy_pj=0.5", status=1)
    assert (
        "expected at least 5 of 1,000 uniform draws to fit energy_pj <= 0.5, got 0"
        in refusal
    )


def test_an_excluded_trial_leaves_the_front_and_its_cost_stays_known(
    golden_copy: str,
) -> None:
    with ledger_at(golden_copy) as ledger:
        first = ledger.result("front").ranking[0]
        interventions.exclude(ledger, "front", first.number)
        interventions.extend(ledger, "front", 32)
        held = claim(ledger, study="front")
        past = ledger.history(held)[first.number]
        ledger.release(held)
        snapshot = ledger.result("front")
    assert first.number not in [slot.number for slot in snapshot.front]
    assert past.state == SlotState.EXCLUDED
    assert [(until, p.costs) for until, p in past.before] == [(24, first.costs)]
    assert snapshot.search[first.number].costs == first.costs

"""The checks of a network, of its time step and thermal power: what is stored, claimed,
counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import snapshots
from snapshots import member, solved, thermal

from hpo.contract import Outcome
from hpo.contract.facts import member_info
from hpo.study.networks import Confirmation, Yield, chip_yield


def confirmation(*outcomes: Outcome) -> Confirmation:
    """Of networks that were trained with these outcomes."""
    members = [
        replace(member(i, (o.score,)), info=member_info(o))
        for i, o in enumerate(outcomes)
    ]
    given: dict[str, Any] = {
        "source": 0,
        "params": {},
        "search_score": 0.95,
        "failed": 0,
    }
    return Confirmation(members=tuple(members), n_seeds=len(members), **given)


def test_a_gap_counts_above_half_a_point_and_a_per_cent_of_other_scores() -> None:
    spec = snapshots.spec()
    assert not spec.differs(0.205, 0.2)
    assert spec.differs(0.8949, 0.9)
    loss = snapshots.spec(objective="toy_objective:ToyLossObjective", reported=None)
    assert not loss.differs(0.03029, 0.03)
    assert loss.differs(0.03031, 0.03)


def test_means_over_networks() -> None:
    first, second = (
        thermal(third=0.9, holds_below=1e-4),
        thermal(third=0.8, noisy=(0.5,)),
    )
    item = confirmation(
        Outcome(score=0.9, thermal=first), Outcome(score=0.9, thermal=second)
    )
    assert item.thermal is not None
    assert item.thermal.third == pytest.approx(0.85)
    assert (item.thermal.noisy, item.thermal.holds_below) == ((*first.noisy, 0.5), 1e-4)
    assert item.simulated == item.thermal.noisy
    assert (
        confirmation(Outcome(score=0.9, thermal=first), Outcome(score=0.9)).thermal
        is None
    )
    own = confirmation(*[Outcome(score=0.9, thermal=first, chips=(0.9, 0.8))] * 2)
    assert own.simulated == (0.9, 0.8) * 2, "chips of [variability] come first"


@pytest.mark.parametrize(
    ("changes", "threshold"),
    [
        ({}, 0.8983),
        ({"confirm": {"yield_above": 0.93}}, 0.93),
        ({"reported": None}, None),
        ({"reported": None, "confirm": False}, None),
        (
            {
                "objective": "toy_objective:ToyLossObjective",
                "reported": None,
                "confirm": {"yield_above": 0.93},
            },
            0.93,
        ),
    ],
)
def test_the_score_that_a_chip_must_reach(
    changes: dict[str, Any], threshold: float | None
) -> None:
    spec = snapshots.spec(**changes)
    found = chip_yield(spec, (0.89, 0.93, 0.95))
    assert found == (threshold and Yield(threshold=threshold, passed=2, chips=3))
    assert chip_yield(spec, ()) is None


# --- what is stored ---

CHECKED = Outcome(
    score=0.9, info={"n": 7}, solved=solved(0.5), thermal=thermal(), chips=(0.5, 1.0)
)
STORED = {
    "n": 7,
    "solved_score": 0.5,
    "solved_converged": True,
    "solved_steps_per_point": 128,
    "trained_steps_per_point": 1,
    "solved_remedy": "Lower max_step_ns.",
    "thermal_trained_power": 1e-3,
    "thermal_device_power": 1e-3,
    "thermal_score": 0.93,
    "thermal_third": 0.931,
    "thermal_triple": 0.929,
    "thermal_none": 0.7,
    "thermal_noisy": [0.925, 0.935] * 5,
    "thermal_holds_below": 3e-3,
    "thermal_remedy": "Train with thermal_power.",
    "chip_scores": [0.5, 1.0],
}


def test_checks_are_stored_under_flat_names_and_read_back() -> None:
    assert member_info(CHECKED) == STORED
    read = replace(member(0, (0.9,)), info=json.loads(json.dumps(STORED)))
    assert (read.solved, read.thermal, read.chips) == (
        CHECKED.solved,
        CHECKED.thermal,
        CHECKED.chips,
    )
    plain = member(0, (0.9,))
    assert (plain.solved, plain.thermal, plain.chips) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("solved_score", "check of the time step"),
        ("thermal_score", "check of the thermal power"),
        ("chip_scores", "scores of simulated chips"),
    ],
)
def test_an_objective_cannot_tell_of_the_checks_itself(name: str, what: str) -> None:
    with pytest.raises(
        ValueError, match=f"must not have '{name}', a name of the {what}, got"
    ):
        member_info(Outcome(score=0.9, info={name: 3}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("solved_score", "yes"),
        ("solved_converged", 1),
        ("trained_steps_per_point", 2.5),
        ("thermal_third", True),
        ("thermal_noisy", [0.5, None]),
    ],
)
def test_what_is_no_check_is_none(name: str, value: Any) -> None:
    read = replace(member(0, (0.9,)), info={**STORED, name: value})
    of_heat = name.startswith("thermal")
    assert (read.solved is None, read.thermal is None) == (not of_heat, of_heat)
    assert read.claimed == (0.5 if of_heat else 0.9)

"""Tolerances of several networks as one: medians, intervals, and what hardware has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import snapshots

from hpo.contract import Outcome, Tolerance
from hpo.contract.facts import member_info
from hpo.study import tolerances
from hpo.study.networks import Confirmation
from hpo.study.tolerances import Limit


def confirmed(*delays: Tolerance, name: str = "coupling_delay_ns") -> Confirmation:
    """A confirmation of networks with these tolerances."""
    members = []
    for index, delay in enumerate(delays):
        own = snapshots.tolerances(limits={name: delay}, score=0.9 + index / 100)
        info = member_info(Outcome(score=0.93, tolerances=own))
        members.append(replace(snapshots.member(index, (0.93,)), info=info))
    return Confirmation(
        source=0,
        params={},
        search_score=0.94,
        members=tuple(members),
        n_seeds=len(members),
        failed=0,
    )


def limit(*amounts: Tolerance, name: str = "coupling_delay_ns") -> Limit:
    card = tolerances.of(confirmed(*amounts, name=name))
    assert card is not None
    return card.limits[0]


def at(*amounts: float) -> list[Tolerance]:
    return [Tolerance(amount=amount) for amount in amounts]


def test_a_median_has_the_interval_of_order_statistics() -> None:
    own = limit(*at(0.1, 0.02, 0.04, 0.03, 0.05, 0.06, 0.07, 0.08, 0.09, 0.01))
    assert own.median.amount == pytest.approx((0.05 * 0.06) ** 0.5)
    assert (own.low.amount, own.high.amount) == (0.02, 0.09)


def test_amounts_beyond_the_levels_stay_so_in_the_median() -> None:
    kept = Tolerance(amount=1.28, found="kept")
    lost = Tolerance(amount=0.005, found="lost")
    own = limit(kept, kept, *at(0.04), lost)
    assert (own.low, own.median.amount, own.high) == (lost, 0.04, kept)
    assert limit(kept, kept, lost).median == kept


def test_more_bits_are_a_stricter_condition() -> None:
    own = limit(*at(7.0, 5.0, 4.0), name="weight_bits")
    assert (own.low.amount, own.median.amount, own.high.amount) == (7.0, 5.0, 4.0)
    assert own.over_hardware(7.0) == 0.5
    assert not own.beyond_hardware


@pytest.mark.parametrize(
    ("amount", "beyond"),
    [
        (Tolerance(amount=0.04), True),
        (Tolerance(amount=0.2), False),
        (Tolerance(amount=0.005, found="lost"), True),
        (Tolerance(amount=0.05, found="kept"), False),
    ],
)
def test_a_limit_below_what_good_hardware_has_is_beyond_it(
    amount: Tolerance, beyond: bool
) -> None:
    assert limit(amount).beyond_hardware is beyond


def test_the_ends_of_a_range_are_those_of_all_networks() -> None:
    item = confirmed(*at(0.04, 0.04))
    card = tolerances.of(item)
    assert card is not None
    assert card.ranges["drive"] == (0.0, 0.2, 1.0, 2.0, 2.5, 2.9, 3.0)
    assert (card.n, card.loss) == (2, 0.01)


def test_networks_without_tolerances_have_no_card() -> None:
    assert tolerances.of(confirmed()) is None

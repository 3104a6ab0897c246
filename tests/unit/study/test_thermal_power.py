"""Scores at other thermal powers and on chips: what is stored, claimed and said in every view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import listing
import pytest
import snapshots
from snapshots import solved, thermal

from hpo.study.confirmation import told_info
from hpo.study.file import validate
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.thermal_power import Yield, chip_yield, thermal_info, thermal_of
from hpo.study.trials import SlotState
from hpo.views import caveats, json_records
from hpo.views import verdict as views_verdict
from hpo.views.figures import style
from hpo.views.overview import page as overview_page
from hpo.views.report import page as report_page
from hpo.views.terminal import live, status
from objectives.contract import Outcome, Thermal

STEPPED = "stepped_objective:SteppedObjective"
REPORTED = "reported 89.83 ± 2.91 % (arXiv:2408.02835)"
CONFIRMED_TEXT = "confirmed 93.0 ± 0.0 % on 4 fresh seeds, on the solved equation"
HOLDS = (
    "holds from a third to three times the thermal power 1e-3, and with thermal noise "
    "(93.0 ± 0.5 % on 40 chips)"
)
YIELD = "yield 95 % (38 of 40 chips at or above 89.83 %; 95 % interval 83 to 99 %)"
NONE_PASSES = "yield 0 % (0 of 40 chips at or above 89.83 %; 95 % interval 0 to 9 %)"
ALL_PASS = "yield 100 % (40 of 40 chips at or above 89.83 %; 95 % interval 91 to 100 %)"
TEST_ALL = "To test them all, launch the study under another name: --name NEW"
COLD = (
    "needs oscillator powers below 1e-4; those of a warm oscillator are about 1e-3: 48.2 % there, "
    "41.0 % with thermal noise. Train with thermal_power"
)
DEPENDS = (
    "depends on the thermal power: 88.1 % at a third of 1e-3, 93.0 % at three times; 85.2 % with "
    "thermal noise (40 chips). Train on a range of powers"
)


def study(
    checks: Sequence[Thermal | None], *, chips: Sequence[float] = (), **spec: Any
) -> StudySnapshot:
    """A finished study that confirmed one trial: 93.0 % on the solved equation, and as given."""
    fresh = []
    for index, check in enumerate(checks):
        slot = snapshots.confirmation(0, index, 0.93)
        told = Outcome(score=0.93, solved=solved(0.93), thermal=check, chips=tuple(chips))
        member = replace(slot.members[0], info=json.loads(json.dumps(told_info(told))))
        fresh.append(replace(slot, members=(member,)))
    best = snapshots.slot(0, SlotState.COMPLETE, score=0.94)
    raw = {"objective": STEPPED, "pruner": {"name": "none"}, **spec}
    raw["confirm"] = {"top": 1, "members": len(checks), **spec.get("confirm", {})}
    done = StudyState.DONE
    return snapshots.snapshot(snapshots.spec(**raw), (best,), tuple(fresh), state=done)


MISSES = thermal(noisy=(0.935, 0.925) * 4 + (0.89, 0.89))
"""Two of its ten chips miss the reported score."""
WARM = study([thermal()] * 4)
MISSING = study([MISSES, *[thermal()] * 3])
COLD_ONE = thermal(power=0.0, at_device=0.482, third=0.53, none=0.93, noisy=(0.41,) * 10)
COLD_STUDY = study([COLD_ONE.replace(holds_below=below) for below in (1e-2, 1e-4, 1e-3, 1e-3)])
WRONG = study(
    [thermal(third=0.881, triple=0.93, noisy=(0.852,) * 10, remedy="Train on a range of powers.")]
    * 4
)
OLD = study([None] * 4)
PARTLY = study([COLD_ONE, None, COLD_ONE, None])
NOISE = "changes with thermal noise: 85.2 % on 40 chips. Train with thermal_power"

CASES: list[tuple[StudySnapshot, list[str], str]] = [
    (WARM, [HOLDS, ALL_PASS], ""),
    (COLD_STUDY, [NONE_PASSES], COLD),
    (WRONG, [NONE_PASSES], DEPENDS),
    (study([thermal(noisy=(0.852,) * 10)] * 4), [NONE_PASSES], NOISE),
    (
        study([COLD_ONE.replace(holds_below=0.0)] * 4),
        [NONE_PASSES],
        "needs oscillators without thermal power; that of a warm oscillator is about 1e-3: "
        "48.2 % there, 41.0 % with thermal noise. Train with thermal_power",
    ),
    (
        study([thermal(triple=0.92, noisy=(), remedy="")] * 4),
        [],
        "depends on the thermal power: 93.1 % at a third of 1e-3, 92.0 % at three times.",
    ),
    (OLD, [], ""),
    (PARTLY, [], f"2 of 4 networks tested at other thermal powers. {TEST_ALL}"),
]


@pytest.mark.parametrize(("snapshot", "assured", "wrong"), CASES)
def test_verdict_and_warning(snapshot: StudySnapshot, assured: list[str], wrong: str) -> None:
    said = [CONFIRMED_TEXT, REPORTED, *assured, *([wrong.rstrip(".")] if wrong else [])]
    assert views_verdict.verdict(snapshot) == "; ".join(said)
    warning = f"{wrong.rstrip('.')}." if wrong else ""
    (item,) = snapshot.confirmations
    assert caveats.warning(snapshot) == warning
    assert json_records.study(snapshot)["warning"] == warning
    assert caveats.warnings(snapshot) == ([f"trial 0: {warning}"] if warning else [])
    page = unescape(report_page.html(snapshot))
    if warning:
        assert f"<strong>trial 0: {warning}</strong>" in page
    else:
        assert "<strong>trial 0" not in page
    for words in assured:
        assert words in live.confirming(snapshot).plain
        assert f"<br>{words}" in style.confirmed(snapshot.spec, item, 0).text


def test_both_checks_may_be_wrong() -> None:
    (item,) = COLD_STUDY.confirmations
    drifting = replace(item, solved=(solved(0.482),) * 4, step_scores=(0.93,) * 4)
    step = "a result of the integration step, not of the equation: 93.0 % with one step per point"
    noise = "41.0 % with thermal noise (40 chips)"
    assert caveats.of(COLD_STUDY.spec, drifting).warning == (
        f"{step}, 48.2 % solved; depends on the thermal power: 53.0 % at a third of 1e-3, 92.9 % "
        f"at three times; {noise}. Lower max_step_ns. Train with thermal_power."
    )


def test_means_over_networks() -> None:
    first, second = thermal(third=0.9, holds_below=1e-4), thermal(third=0.8, noisy=(0.5,))
    (item,) = study([first, second]).confirmations
    assert item.thermal is not None
    assert item.thermal.third == pytest.approx(0.85)
    assert (item.thermal.noisy, item.thermal.holds_below) == ((*first.noisy, 0.5), 1e-4)
    assert PARTLY.confirmations[0].thermal is None
    assert OLD.confirmations[0].thermal is None


# --- yield ----------------------------------------------------------------------------------------


def test_the_yield_is_that_of_the_chips_of_variability_if_there_are_some() -> None:
    assert YIELD in views_verdict.verdict(MISSING)
    (item,) = study([thermal()] * 2, chips=(0.9, 0.8)).confirmations
    assert item.chips == item.simulated == (0.9, 0.8, 0.9, 0.8)
    assert chip_yield(WARM.spec, item.simulated) == Yield(threshold=0.8983, passed=2, chips=4)


@pytest.mark.parametrize(
    ("passed", "chips", "low", "high"),
    [(38, 40, 0.835, 0.986), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (1, 1, 0.207, 1.0)],
)
def test_the_interval_is_wilsons(passed: int, chips: int, low: float, high: float) -> None:
    found = Yield(threshold=0.9, passed=passed, chips=chips).interval
    assert found == pytest.approx((low, high), abs=5e-4)


def test_the_score_that_a_chip_must_reach() -> None:
    chips = (0.9, 0.93, 0.95)
    own = snapshots.spec(confirm={"yield_above": 0.93})
    assert chip_yield(own, chips) == Yield(threshold=0.93, passed=2, chips=3)
    assert chip_yield(snapshots.spec(reported=None), chips) is None
    assert chip_yield(snapshots.spec(reported=None, confirm=False), chips) is None
    assert chip_yield(own, ()) is None
    loss = snapshots.spec(
        objective="toy_objective:ToyLossObjective", reported=None, confirm={"yield_above": 0.93}
    )
    found = chip_yield(loss, chips)
    assert found == Yield(threshold=0.93, passed=2, chips=3)
    snapshot = study([thermal()] * 2, reported=None)
    assert "yield" not in views_verdict.verdict(snapshot)
    assert "with thermal noise" in views_verdict.verdict(snapshot)


def test_no_trial_depends_on_it() -> None:
    plain, own = snapshots.spec(), snapshots.spec(confirm={**SPEC_CONFIRM, "yield_above": 0.9})
    assert plain.hash == own.hash
    assert plain.differences(own) == []
    assert plain.stored()["confirm"] == SPEC_CONFIRM
    assert own.stored()["confirm"] == {**SPEC_CONFIRM, "yield_above": 0.9}


SPEC_CONFIRM = snapshots.SPEC["confirm"]


# --- views ----------------------------------------------------------------------------------------


def test_lists_of_studies_say_it_in_brackets() -> None:
    for result, said in ((COLD_STUDY, "48.2 % at the thermal power 1e-3"), (WARM, "")):
        item = result.confirmations[0]
        known = listing.known(result.snapshot)
        _, line = status.study_lines([known])
        assert f"93.0 ± 0.0 %{f' ({said})' * bool(said)} confirmed" in line
        facts = overview_page.card(result).facts
        assert facts["Confirmed"] == (
            f"trial {item.source}, on 4 fresh seeds{f'; {said}' * bool(said)}"
        )
        record = json_records.summary(*known)
        assert record["confirmed"]["thermal"]["third"] == item.thermal.third


def test_points_of_a_sweep_that_need_cold_oscillators_are_counted() -> None:
    raw = {
        "name": "swept",
        "objective": STEPPED,
        "budget": {"members": 2, "epochs": 2},
        "sweep": {"curves": [{"label": "x", "x": "x", "values": [0.1, 0.2]}]},
    }
    points = []
    for k, check in enumerate((COLD_ONE, thermal())):
        told = told_info(Outcome(score=0.93, solved=solved(0.93), thermal=check))
        member = replace(snapshots.member(0, (0.93,)), curve=(), info=told)
        points.append(snapshots.slot(k, SlotState.COMPLETE, score=0.93, members=(member,) * 2))
    spec = validate(raw, where="test")
    snapshot = snapshots.snapshot(spec, tuple(points), state=StudyState.DONE)
    said = "do not hold at other thermal powers or with thermal noise. Train with thermal_power."
    one = said.replace("do not", "does not")
    assert caveats.warning(snapshot) == f"1 of the points {one}"
    assert f"; 1 of them {one}".rstrip(".") in views_verdict.verdict(snapshot)
    both = snapshots.changed(snapshot, search=(points[0], replace(points[0], number=1)))
    assert caveats.warning(both) == f"2 of the points {said}"
    assert caveats.warning(snapshots.changed(snapshot, search=(points[1],))) == ""


# --- what is stored -------------------------------------------------------------------------------


def test_the_check_is_stored_under_flat_names_and_read_back() -> None:
    told = told_info(Outcome(score=0.9, thermal=MISSES, chips=(0.5, 1)))
    assert told == {
        "thermal_trained_power": 1e-3,
        "thermal_device_power": 1e-3,
        "thermal_score": 0.93,
        "thermal_third": 0.931,
        "thermal_triple": 0.929,
        "thermal_none": 0.7,
        "thermal_noisy": [*MISSES.noisy],
        "thermal_holds_below": 3e-3,
        "thermal_remedy": "Train with thermal_power.",
        "chip_scores": [0.5, 1.0],
    }
    assert thermal_of(json.loads(json.dumps(told))) == MISSES
    assert thermal_of(told_info(Outcome(score=0.9))) is None


@pytest.mark.parametrize(
    ("name", "what"),
    [("thermal_score", "check of the thermal power"), ("chip_scores", "scores of simulated chips")],
)
def test_an_objective_cannot_tell_of_the_checks_itself(name: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"must not hold '{name}', a name of the {what}, but"):
        told_info(Outcome(score=0.9, info={name: 3}))


@pytest.mark.parametrize(
    "change",
    [
        {"thermal_score": "high"},
        {"thermal_third": True},
        {"thermal_noisy": 0.5},
        {"thermal_noisy": [0.5, None]},
        {"thermal_remedy": None},
    ],
)
def test_names_that_meant_something_else_before_are_no_check(change: dict[str, Any]) -> None:
    assert thermal_of({**thermal_info(thermal()), **change}) is None

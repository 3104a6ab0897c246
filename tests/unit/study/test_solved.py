"""The check of the time step: what is claimed, what stands beside it, and what every view says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
import snapshots
from snapshots import solved

from hpo.study.confirmation import solved_info
from hpo.study.file import validate
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.trials import SlotState
from hpo.views import caveats, formatting, json_records, scores
from hpo.views import verdict as views_verdict
from hpo.views.figures import front, style
from hpo.views.report import page as report_page
from hpo.views.terminal import tables
from objectives.contract import Solved

STEPPED = "stepped_objective:SteppedObjective"
REPORTED = "reported 89.83 ± 2.91 % (arXiv:2408.02835)"
OF_STEP = (
    "a result of the integration step, not of the equation: 94.4 % with one step per point, "
    "8.8 % solved"
)
TEST_ALL = "To test them all, launch the study under another name: --name NEW"
UNSETTLED = "2 of 4 networks do not settle as the step is refined up to 128 steps per point"


def study(checks: Sequence[Solved | None], *, score: float = 0.944, **spec: Any) -> StudySnapshot:
    """A finished study that confirmed one trial: 94.4 % at its step, and solved as given."""
    best = snapshots.slot(
        0, SlotState.COMPLETE, score=0.951, members=(snapshots.member(0, (0.951,)),)
    )
    fresh = []
    for index, check in enumerate(checks):
        slot = snapshots.confirmation(0, index, score)
        info = {**slot.members[0].info, **solved_info(check)}
        fresh.append(replace(slot, members=(replace(slot.members[0], info=info),)))
    confirm = {"top": 1, "members": max(2, len(checks))}
    raw = {"objective": STEPPED, "confirm": confirm, "pruner": {"name": "none"}, **spec}
    done = StudyState.DONE
    return snapshots.snapshot(snapshots.spec(**raw), (best,), tuple(fresh), state=done)


SETTLED = study([solved(0.942), solved(0.944)] * 2)
OF_THE_STEP = study([solved(0.083), solved(0.093)] * 2)
ADRIFT = study([solved(0.083), solved(0.093, converged=False)] * 2)
OLD = study([None] * 4)


# --- what is claimed ------------------------------------------------------------------------------


def test_what_is_claimed_is_solved_if_every_network_is() -> None:
    (item,) = OF_THE_STEP.confirmations
    assert (item.scores, item.step_scores) == ((0.083, 0.093) * 2, (0.944,) * 4)
    assert item.mean == pytest.approx(0.088)
    assert item.step_mean == pytest.approx(0.944)
    assert item.step_gap == pytest.approx(0.856)
    assert item.complete
    assert (item.steps_per_point, item.trained_steps_per_point) == (128, 1)
    (mixed,) = study([solved(0.083), None, solved(0.083)]).confirmations
    assert (mixed.checked, mixed.scores) == (False, (0.944,) * 3)


CASES: list[tuple[StudySnapshot, str, str]] = [
    (SETTLED, f"confirmed 94.3 ± 0.1 % on 4 fresh seeds, on the solved equation; {REPORTED}", ""),
    (
        OF_THE_STEP,
        f"confirmed 8.8 ± 0.6 % on 4 fresh seeds, on the solved equation; {REPORTED}; {OF_STEP}. "
        "Lower max_step_ns",
        f"{OF_STEP}. Lower max_step_ns.",
    ),
    (
        ADRIFT,
        f"confirmed 8.8 ± 0.6 % on 4 fresh seeds, on the solved equation; {REPORTED}; {OF_STEP}; "
        f"{UNSETTLED}. Lower max_step_ns",
        f"{OF_STEP}; {UNSETTLED}. Lower max_step_ns.",
    ),
    (
        OLD,
        f"confirmed 94.4 ± 0.0 % on 4 fresh seeds, not tested on the solved equation; {REPORTED}",
        "Not tested on the solved equation.",
    ),
    (
        study([None] * 4, objective="toy_objective:ToyObjective"),
        f"confirmed 94.4 ± 0.0 % on 4 fresh seeds; {REPORTED}",
        "",
    ),
]


MIXED = [
    (
        study([solved(0.944), None, solved(0.943), None]),
        f"confirmed 94.4 ± 0.0 % on 4 fresh seeds, 2 of 4 tested on the solved equation; "
        f"{REPORTED}; t{TEST_ALL[1:]}",
        f"2 of 4 tested on the solved equation. {TEST_ALL}.",
    ),
    (
        study([solved(0.083), None, solved(0.093, converged=False), None]),
        f"confirmed 94.4 ± 0.0 % on 4 fresh seeds, 2 of 4 tested on the solved equation; "
        f"{REPORTED}; {OF_STEP}; 1 of 2 networks do not settle as the step is refined up to 128 "
        f"steps per point. Lower max_step_ns. {TEST_ALL}",
        f"2 of 4 tested on the solved equation; {OF_STEP}; 1 of 2 networks do not settle as the "
        f"step is refined up to 128 steps per point. Lower max_step_ns. {TEST_ALL}.",
    ),
]


@pytest.mark.parametrize(("snapshot", "verdict", "warning"), [*CASES, *MIXED])
def test_verdict_and_warning(snapshot: StudySnapshot, verdict: str, warning: str) -> None:
    assert views_verdict.verdict(snapshot) == verdict
    assert caveats.of(snapshot.spec, snapshot.confirmations[0]).warning == warning
    assert json_records.study(snapshot)["warning"] == warning


def test_a_gap_counts_above_half_a_point_and_half_a_per_cent_of_other_scores() -> None:
    spec = OLD.spec
    assert not spec.differs(0.205, 0.2)
    assert spec.differs(0.8949, 0.9)
    loss = snapshots.spec(objective="toy_objective:ToyLossObjective", reported=None)
    assert not loss.differs(0.03014, 0.03)
    assert loss.differs(0.03016, 0.03)


def test_the_oscillator_is_called_one() -> None:
    objective = type(OF_THE_STEP.spec.objective_impl)
    before, objective.name = objective.name, "spintronic"
    try:
        said = caveats.warning(OF_THE_STEP)
    finally:
        objective.name = before
    assert "not of the oscillator: 94.4 % with one step per point, 8.8 % solved." in said


# --- views ----------------------------------------------------------------------------------------


def test_a_remedy_is_foreign_text() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    snapshot = study([solved(0.1, remedy=hostile)] * 2)
    assert hostile in views_verdict.verdict(snapshot)
    assert "<img" not in report_page.html(snapshot).replace("&lt;img", "")


def test_a_point_of_a_sweep_is_shown_solved() -> None:
    point = SWEPT.search[0]
    assert formatting.score_cell(SWEPT.spec, point) == "94.4 %, 8.8 % solved"
    assert scores.axis_score(SWEPT.spec, point) == pytest.approx(8.8)
    assert style.hover(SWEPT.spec, point).startswith("trial 0: 8.8 %<br>")
    part = sweep((solved(0.083), None)).search[0]
    assert formatting.score_cell(SWEPT.spec, part) == "94.4 %"


def test_a_front_holds_the_solved_score() -> None:
    reported = {"score": 0.9, "source": "us", "cost": 40.0}
    cost = {"name": "energy_pj"}
    snapshot = study([solved(0.083)] * 2, cost=cost, reported=reported)
    search = (replace(snapshot.search[0], costs=(4.0,)),)
    fresh = tuple(
        replace(s, members=tuple(replace(m, info={**m.info, "energy_pj": 5.0}) for m in s.members))
        for s in snapshot.confirm
    )
    snapshot = snapshots.changed(snapshot, search=search, confirm=fresh)
    assert views_verdict.verdict(snapshot).startswith(
        "none of 1 confirmed trials holds the reported score"
    )
    (spot,) = front.fresh(snapshot, "energy_pj")
    assert spot.y == pytest.approx(8.3)
    assert spot.text.endswith("on the solved equation, 94.4 ± 0.0 % at the study's step")
    head, row, *_ = tables.front_table(snapshot)
    assert "at the study's step  " in head
    assert "94.4 ± 0.0 %  8.3 ± 0.0 %  2" in row


HOW = "trained on the whole training part, tested once on the test part"


def sweep(*points: Sequence[Solved | None]) -> StudySnapshot:
    """A finished sweep whose networks all score 94.4 % at the study's step."""
    curve = {"label": "x", "x": "x", "values": [0.1 * (k + 1) for k in range(len(points))]}
    raw = {
        "name": "swept",
        "objective": STEPPED,
        "budget": {"members": len(points[0]), "epochs": 2},
        "sweep": {"curves": [curve]},
    }
    slots = []
    for k, checks in enumerate(points):
        members = tuple(
            replace(snapshots.member(i, (0.944,)), curve=(), info=solved_info(check))
            for i, check in enumerate(checks)
        )
        params = {"x": 0.1 * (k + 1)}
        facts: dict[str, Any] = {"score": 0.944, "members": members, "params": params}
        slots.append(snapshots.slot(k, SlotState.COMPLETE, **facts))
    return snapshots.snapshot(validate(raw, where="test"), tuple(slots), state=StudyState.DONE)


SWEPT = sweep(*[(solved(0.083), solved(0.093))] * 2)
OTHERS = "were others at the study's own step"
SWEEPS: list[tuple[StudySnapshot, str, str]] = [
    (
        SWEPT,
        f"from 8.8 % to 8.8 % ({HOW}, on the solved equation); 2 of them {OTHERS}. "
        "Lower max_step_ns",
        f"2 of the points {OTHERS}. Lower max_step_ns.",
    ),
    (
        sweep(*[(solved(0.944), solved(0.944, converged=False, steps_per_point=64))] * 2),
        f"from 94.4 % to 94.4 % ({HOW}, on the solved equation); 2 of 4 networks do not settle as "
        "the step is refined up to 128 steps per point. Lower max_step_ns",
        "2 of 4 networks do not settle as the step is refined up to 128 steps per point. Lower "
        "max_step_ns.",
    ),
    (
        sweep((None, None), (None, None)),
        f"from 94.4 % to 94.4 % ({HOW}, not tested on the solved equation)",
        "Not tested on the solved equation.",
    ),
    (
        sweep((solved(0.944), solved(0.944)), (solved(0.944), None)),
        f"from 94.4 % to 94.4 % ({HOW}, 1 of 2 points tested on the solved equation); "
        f"t{TEST_ALL[1:]}",
        f"1 of 2 points tested on the solved equation. {TEST_ALL}.",
    ),
    (
        sweep((solved(0.083), solved(0.083)), (solved(0.083), None)),
        f"from 8.3 % to 94.4 % ({HOW}, 1 of 2 points tested on the solved equation); 1 of them "
        "was another at the study's own step; 1 of them is a result of the integration step. "
        f"Lower max_step_ns. {TEST_ALL}",
        "1 of 2 points tested on the solved equation; 1 of the points was another at the study's "
        "own step; 1 of the points is a result of the integration step. Lower max_step_ns. "
        f"{TEST_ALL}.",
    ),
]


@pytest.mark.parametrize(("snapshot", "verdict", "warning"), SWEEPS)
def test_a_sweep_says_what_it_claims(snapshot: StudySnapshot, verdict: str, warning: str) -> None:
    said = "2 of 2 points measured, medians of 2 networks " + verdict
    assert views_verdict.verdict(snapshot) == said
    assert caveats.warnings(snapshot) == [warning]
    assert json_records.study(snapshot)["warning"] == warning
    page = unescape(report_page.html(snapshot))
    assert f"<strong>{warning}</strong>" in page
    assert f"{said}." in page
    tested = [slot for slot in snapshot.search if slot.checked]
    assert (caveats.SOLVED_MEANS in page) == bool(tested)

"""What limits a score (integration step, thermal power, chips), in the words of every
view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import listing
import pytest
import snapshots
from snapshots import solved, thermal

from hpo.contract import Baseline, Outcome, Solved, Thermal
from hpo.contract.facts import member_info
from hpo.study.file import validate
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudyState
from hpo.views.figures import front
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import overview
from hpo.views.pages import report as report_page
from hpo.views.records import json_records
from hpo.views.sentences import caveats, formatting
from hpo.views.sentences import verdict as views_verdict
from hpo.views.terminal import status, text_tables

STEPPED = "stepped_objective:SteppedObjective"
REPORTED = "reported 89.83 ± 2.91 % (arXiv:2408.02835)"
Check = Solved | Thermal | None


def checked(member: Member, *checks: Check) -> Member:
    """A network, with what its checks found."""
    step = next((check for check in checks if isinstance(check, Solved)), None)
    warm = next((check for check in checks if isinstance(check, Thermal)), None)
    info = member_info(Outcome(score=member.score, solved=step, thermal=warm))
    return replace(member, curve=(), info={**member.info, **info})


def study(
    networks: Sequence[Sequence[Check]], *, score: float = 0.944, **spec: Any
) -> Result:
    """A finished study that confirmed one trial, 94.4 % at its step, with checks as
    given."""
    fresh = []
    for index, checks in enumerate(networks):
        trial = snapshots.confirmation(0, index, score)
        fresh.append(replace(trial, members=(checked(trial.members[0], *checks),)))
    confirm = {"top": 1, "seeds": len(networks)}
    raw = {"objective": STEPPED, "confirm": confirm, "pruner": {"name": "none"}, **spec}
    best = snapshots.slot(0, SlotState.COMPLETE, score=0.951)
    done = StudyState.DONE
    return snapshots.snapshot(snapshots.spec(**raw), (best,), tuple(fresh), state=done)


def sweep(*points: Sequence[Sequence[Check]], score: float = 0.944) -> Result:
    """A finished sweep whose networks all score as much at the study's step."""
    curve = {
        "label": "x",
        "x": "x",
        "values": [0.1 * (k + 1) for k in range(len(points))],
    }
    raw = {
        "name": "swept",
        "objective": STEPPED,
        "budget": {"seeds": len(points[0]), "epochs": 2},
        "sweep": {"curves": [curve]},
    }
    trials = []
    for k, networks in enumerate(points):
        members = [
            checked(snapshots.member(i, (score,)), *checks)
            for i, checks in enumerate(networks)
        ]
        facts: dict[str, Any] = {"score": score, "params": {"x": 0.1 * (k + 1)}}
        trials.append(
            snapshots.slot(k, SlotState.COMPLETE, members=tuple(members), **facts)
        )
    return snapshots.snapshot(
        validate(raw, where="test"), tuple(trials), state=StudyState.DONE
    )


LOW, HIGH, ADRIFT = solved(0.083), solved(0.093), solved(0.093, converged=False)
OF_STEP = (
    "a discretisation error, not a result of the equation: 94.4 % with one step per"
    " point, 8.8 % solved"
)
NOT_CONVERGED = (
    "of {} networks do not settle as the step is refined up to 128 steps per point"
)
EQUATION = "on 4 fresh seeds, on the solved equation"
UNTESTED = "on 4 fresh seeds, not tested on the solved equation"

COLD = thermal(power=0.0, at_device=0.482, third=0.53, none=0.93, noisy=(0.41,) * 10)
HOLDS = (
    "holds from a third to three times the thermal power 1e-3, and with thermal noise "
    "(93.0 ± 0.5 % on 40 chips)"
)
NONE_PASSES = (
    "yield 0 %: 0 of 40 simulated chips at or above 89.83 % (95 % interval 0 to 9 %)"
)
ALL_PASS = (
    "yield 100 %: 40 of 40 simulated chips at or above 89.83 % (95 % interval 91 to"
    " 100 %)"
)


def warm(*checks: Thermal | None) -> Result:
    """A study whose networks score 93.0 % solved, and as given at other thermal
    powers."""
    return study([(solved(0.93), check) for check in checks], score=0.93)


COLD_STUDY = warm(
    *(COLD.replace(holds_below=below) for below in (1e-2, 1e-4, 1e-3, 1e-3))
)
WARM = warm(*[thermal()] * 4)
SOLVED_STUDY = study([(LOW,), (HIGH,)] * 2)
CONFIRMED: list[tuple[Result, str, list[str], str]] = [
    (
        study([(solved(0.942),), (solved(0.944),)] * 2),
        f"94.3 ± 0.1 % {EQUATION}",
        [],
        "",
    ),
    (study([()] * 4), f"94.4 ± 0.0 % {UNTESTED}", [], ""),
    (study([(LOW,), ()] * 2), f"94.4 ± 0.0 % {UNTESTED}", [], ""),
    (
        study([(LOW,), (ADRIFT,)] * 2),
        f"8.8 ± 0.6 % {EQUATION}",
        [],
        f"{OF_STEP}; 2 {NOT_CONVERGED.format(4)}. Lower max_step_ns",
    ),
    (WARM, f"93.0 ± 0.0 % {EQUATION}", [HOLDS, ALL_PASS], ""),
    (
        COLD_STUDY,
        f"93.0 ± 0.0 % {EQUATION}",
        [NONE_PASSES],
        (
            "needs oscillator powers below 1e-4; those of a warm oscillator are about"
            " 1e-3: 48.2 % there, 41.0 % with thermal noise. Train with thermal_power"
        ),
    ),
    (
        warm(*[COLD.replace(holds_below=0.0)] * 4),
        f"93.0 ± 0.0 % {EQUATION}",
        [NONE_PASSES],
        (
            "needs oscillators without thermal power; that of a warm oscillator is"
            " about 1e-3: 48.2 % there, 41.0 % with thermal noise. Train with"
            " thermal_power"
        ),
    ),
    (
        warm(*[thermal(noisy=(0.852,) * 10)] * 4),
        f"93.0 ± 0.0 % {EQUATION}",
        [NONE_PASSES],
        "changes with thermal noise: 85.2 % on 40 chips. Train with thermal_power",
    ),
    (
        study(
            [(solved(0.482), thermal(third=0.53, triple=0.929, noisy=(0.41,) * 10))] * 4
        ),
        f"48.2 ± 0.0 % {EQUATION}",
        [NONE_PASSES],
        (
            "a discretisation error, not a result of the equation: 94.4 % with one step"
            " per point, 48.2 % solved; changes with thermal power: 53.0 % at a third"
            " of 1e-3, 92.9 % at three times; 41.0 % with thermal noise (40 chips)."
            " Lower max_step_ns. Train with thermal_power"
        ),
    ),
]


@pytest.mark.parametrize(("result", "claim", "assured", "wrong"), CONFIRMED)
def test_every_view_says_what_limits_a_confirmed_score(
    result: Result, claim: str, assured: list[str], wrong: str
) -> None:
    first, reported, *more = views_verdict.clauses(result)
    assert (first, more) == (
        f"confirmed {claim}",
        [*assured, *([wrong] if wrong else [])],
    )
    assert reported.endswith(REPORTED)
    basis = formatting.capital(claim.partition("seeds, ")[2])
    before = "" if basis in ("", "On the solved equation") else basis
    warning = "; ".join(filter(None, (before, wrong)))
    warning += "." * bool(warning)
    assert caveats.warning(result) == json_records.study(result)["warning"] == warning
    lines = [f"trial 0: {warning}"] * bool(warning)
    assert caveats.warnings(result) == lines
    page = unescape(report_page.html(result))
    assert [f"<strong>{line}</strong>" in page for line in lines] == [True] * len(lines)
    (item,) = result.confirmations
    for words in assured:
        assert f"<br>{words}" in Plotted(result).confirmed(item, 0).text


def test_a_score_at_chance_holds_at_no_thermal_power() -> None:
    chance = Baseline(name="majority class", score=0.96, is_chance=True)
    clauses = views_verdict.clauses(snapshots.changed(WARM, baselines=(chance,)))
    assert clauses[2:] == ["no better than chance, majority class (96.0 %)", ALL_PASS]


HOW = "trained on the whole training set, tested once on the held-out test set"
OTHERS = "were others at the study's own step"
STEADY = solved(0.944)
DRIFTING = solved(0.944, converged=False, steps_per_point=64)
SWEPT = sweep(*[[(LOW,), (HIGH,)]] * 2)
NOT_HELD = (
    "not hold at other thermal powers or with thermal noise. Train with thermal_power"
)
SWEEPS: list[tuple[Result, str, str, str]] = [
    (SWEPT, "8.8 % to 8.8 %", "", f"2 of the points {OTHERS}. Lower max_step_ns"),
    (
        sweep(*[[(STEADY,), (DRIFTING,)]] * 2),
        "94.4 % to 94.4 %",
        "",
        f"2 {NOT_CONVERGED.format(4)}. Lower max_step_ns",
    ),
    (
        sweep(*[[(), ()]] * 2),
        "94.4 % to 94.4 %",
        "not tested on the solved equation",
        "",
    ),
    (
        sweep([(LOW,), (LOW,)], [(LOW,), ()]),
        "8.3 % to 94.4 %",
        "not tested on the solved equation",
        "1 of the points was another at the study's own step. Lower max_step_ns",
    ),
    (
        sweep([(solved(0.93), COLD)] * 2, [(solved(0.93), thermal())] * 2, score=0.93),
        "93.0 % to 93.0 %",
        "",
        f"1 of the points does {NOT_HELD}",
    ),
]


@pytest.mark.parametrize(("result", "scores", "basis", "wrong"), SWEEPS)
def test_a_sweep_says_what_limits_its_points(
    result: Result, scores: str, basis: str, wrong: str
) -> None:
    text = f"2 of 2 points measured, medians of 2 networks from {scores} "
    text += f"({HOW}, {basis or 'on the solved equation'})"
    text += f"; {wrong.replace('of the points', 'of them')}" if wrong else ""
    assert views_verdict.verdict(result) == text
    warning = "; ".join(filter(None, (formatting.capital(basis), wrong))) + "."
    assert caveats.warnings(result) == [warning]
    assert json_records.study(result)["warning"] == warning
    page = unescape(report_page.html(result))
    assert f"<strong>{warning}</strong>" in page
    assert f"{text}." in page
    tested = any(trial.checked for trial in result.search)
    assert (caveats.SOLVED_MEANS in page) == tested


def test_a_point_of_a_sweep_is_shown_solved() -> None:
    spec, point = SWEPT.spec, SWEPT.search[0]
    assert formatting.score_cell(spec, point) == "94.4 %, 8.8 % solved"
    plotted = Plotted(SWEPT)
    assert plotted.y(point) == pytest.approx(8.8)
    assert plotted.hover(point).startswith("trial 0: 94.4 %, 8.8 % solved<br>")
    part = sweep([(LOW,), ()]).search[0]
    assert formatting.score_cell(spec, part) == "94.4 %"


def test_the_oscillator_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SOLVED_STUDY.spec.about.model_copy(update={"system": "oscillator"})
    monkeypatch.setitem(vars(SOLVED_STUDY.spec), "about", known)
    text = caveats.warning(SOLVED_STUDY)
    assert (
        "not a result of the oscillator: 94.4 % with one step per point, 8.8 % solved."
        in text
    )


def test_a_remedy_is_foreign_text() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    result = study([(solved(0.1, remedy=hostile),)] * 2)
    assert hostile in views_verdict.verdict(result)
    assert "<img" not in report_page.html(result).replace("&lt;img", "")


def test_a_front_holds_the_solved_score() -> None:
    reported = {"score": 0.9, "source": "us", "cost": 40.0}
    result = study([(LOW,)] * 2, cost={"name": "energy_pj"}, reported=reported)
    search = (replace(result.search[0], costs=(4.0,)),)
    fresh = tuple(
        replace(
            t,
            members=tuple(
                replace(m, info={**m.info, "energy_pj": 5.0}) for m in t.members
            ),
        )
        for t in result.confirm
    )
    result = snapshots.changed(result, search=search, confirm=fresh)
    (spot,) = front.fresh(Plotted(result), "energy_pj")
    assert spot.y == pytest.approx(8.3)
    assert spot.text.endswith(
        "on the solved equation, 94.4 ± 0.0 % at the study's time step"
    )
    head, row, *_ = text_tables.front_table(result)
    assert "at the study's time step  " in head
    assert "94.4 ± 0.0 %  8.3 ± 0.0 %  2" in row


def test_lists_of_studies_say_it_in_brackets() -> None:
    for result, text in ((COLD_STUDY, "48.2 % at the thermal power 1e-3"), (WARM, "")):
        item = result.confirmations[0]
        known = listing.known(result.snapshot)
        _, line = status.study_lines([known])
        assert f"93.0 ± 0.0 %{f' ({text})' * bool(text)} confirmed" in line
        facts = overview.card(result).facts
        text = f"; {text}" * bool(text)
        assert facts["Confirmed"] == f"trial {item.source}, on 4 fresh seeds{text}"
        record = json_records.summary(*known)
        assert record["confirmed"]["thermal"]["third"] == item.thermal.third

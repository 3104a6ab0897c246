"""What networks ask of hardware, in the words of every view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import snapshots

from hpo.contract import Outcome
from hpo.contract.facts import member_info
from hpo.study import tolerances
from hpo.study.file import validate
from hpo.study.result import Result
from hpo.study.tolerances import Card
from hpo.views.figures import tolerances as figures
from hpo.views.pages import report
from hpo.views.records import json_records
from hpo.views.sentences import tolerances as words
from hpo.views.sentences import verdict


def measured(**spec: Any) -> Result:
    """A finished study whose confirmed networks have tolerances."""
    plain = snapshots.realistic(snapshots.spec(**spec))
    fresh = []
    for index, trial in enumerate(plain.confirm):
        own = snapshots.tolerances(0.03 + 0.002 * index)
        info = member_info(Outcome(score=0.93, tolerances=own))
        member = replace(trial.members[0], info=info)
        fresh.append(replace(trial, members=(member,)))
    return snapshots.changed(plain, confirm=tuple(fresh))


def card(result: Result) -> Card:
    assert result.confirmed is not None
    own = tolerances.of(result.confirmed)
    assert own is not None
    return own


RESULT = measured()
SPINTRONIC: dict[str, Any] = {
    "objective": "spintronic",
    "budget": {"trials": 1},
    "space": {"s": {"low": 0.1, "high": 0.2}},
    "sampler": {"name": "random"},
}


def test_the_verdict_names_what_hardware_does_not_have() -> None:
    assert (
        "needs a coupling faster than 0.039 ns, a common gain within 0.25 %: better"
        " than hardware has (hpo tolerances toy-study)"
    ) in verdict.verdict(RESULT)


def test_the_verdict_says_that_no_oscillator_is_driven_so() -> None:
    spec = validate({**SPINTRONIC, "name": "digits"}, where="test")
    own = card(RESULT)
    assert words.drive_text(spec, own) == ""
    hard = replace(own, ranges={"drive": (-11.0, 0.0, 1.0, 2.0, 3.0, 9.0, 19.0)})
    assert words.drive_text(spec, hard) == (
        "drives its oscillators with -11 to 19 times the threshold current, which are"
        " operated at 0 to 3 times"
    )


def test_each_imperfection_has_a_row() -> None:
    rows = words.limit_rows(RESULT.spec, card(RESULT))
    head = "costs one point of accuracy"
    assert [(row["imperfection"], row[head], row["interval"]) for row in rows] == [
        ("delay of the coupling", "0.039 ns", "0.032 to 0.046 ns"),
        ("bits of a weight", "4.9 bits", "5.6 to 4.2 bits"),
        ("common gain", "< 0.25 %", "< 0.25 %"),
        ("spread of tau_ns", "> 64 %", "> 64 %"),
    ]
    assert [row["hardware has"] for row in rows][:2] == ["0.1 to 1 ns", "6 to 4 bits"]


def test_ranges_are_in_ma_where_the_threshold_is_known() -> None:
    rows = words.range_rows(card(RESULT), threshold_ma=0.3)
    assert [row["unit"] for row in rows] == ["γ", "mA", "1"]
    assert [row["largest"] for row in rows] == ["3", "0.9", "0.9"]


def test_the_report_has_one_figure_and_two_tables() -> None:
    page = report.html(RESULT)
    assert 'id="tolerances-plot"' in page
    for text in (
        "What it asks of hardware",
        "drive that acts",
        "one point of accuracy",
    ):
        assert text in page
    assert "What it asks of hardware" not in report.html(
        snapshots.realistic(snapshots.spec())
    )


def test_triangles_stand_for_amounts_beyond_those_tried() -> None:
    drawn = figures.figure(RESULT.spec, card(RESULT))
    hardware, tolerated, beyond = drawn.data
    assert list(tolerated.marker.symbol) == ["circle", "triangle-right"]
    assert list(beyond.marker.symbol) == ["circle", "triangle-left"]
    assert beyond.x[0] == pytest.approx(0.39, abs=1e-3)
    assert hardware.x[:2] == (1.0, 10.0)


def test_json_has_amounts_intervals_and_ranges() -> None:
    record = json_records.study(RESULT)["confirmations"][0]["tolerances"]
    delay = record["limits"]["coupling_delay_ns"]
    assert delay["found"] == "at"
    assert delay["beyond_hardware"] is True
    assert delay["low"]["amount"] < delay["amount"] < delay["high"]["amount"]
    assert len(record["quantiles"]) == len(record["ranges"]["drive"])

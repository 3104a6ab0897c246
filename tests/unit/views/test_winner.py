"""The winning configuration in two short tables, and where the report has them."""

from __future__ import annotations

import re

import snapshots

from hpo.contract import Baseline
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.pages import report
from hpo.views.sentences import ranking, winner

ESN = Baseline(name="ESN", score=0.91, std=0.01, n=5, tried=12)


def study(*scores: float) -> Result:
    """A study of one complete trial, confirmed with these scores."""
    best = snapshots.slot(
        0,
        SlotState.COMPLETE,
        score=0.96,
        members=tuple(snapshots.member(i, (0.96,)) for i in range(3)),
    )
    fresh = [snapshots.confirmation(0, i, score) for i, score in enumerate(scores)]
    found = snapshots.snapshot(snapshots.spec(), (best,), tuple(fresh))
    return snapshots.changed(found, baselines=(ESN,))


def test_the_searchs_own_score_stands_beside_the_confirmed_one() -> None:
    rows = winner.score_rows(study(*[0.942, 0.956] * 5))
    assert [tuple(row.values()) for row in rows] == [
        ("confirmed on fresh seeds", "94.9 ± 0.7 %", "10", "–", "–"),
        ("the search's own", "96.0 %", "3", "–", "-1.1 (-1.6 to -0.6), behind"),
        (
            "reported: arXiv:2408.02835",
            "89.83 ± 2.91 %",
            "10",
            "–",
            "+5.1 (+3.0 to +7.2), ahead",
        ),
        ("ESN", "91.0 ± 1.0 %", "5", "12", "+3.9 (+2.7 to +5.1), ahead"),
    ]


def test_without_a_confirmation_nothing_is_subtracted() -> None:
    found = study()
    assert winner.name(found) == "Best: trial 0"
    assert all(winner.DIFFERENCE not in row for row in winner.score_rows(found))


def test_parameters_have_their_range_and_the_reported_value() -> None:
    rows = {row["parameter"]: row for row in winner.parameter_rows(study())}
    assert list(rows["rate_per_ns (1/ns)"].values())[1:] == [
        "0.02",
        "0.001 to 10, log",
        "0.07",
    ]
    assert winner.parameter_rows(snapshots.snapshot(snapshots.spec())) == []


def test_the_report_begins_with_them() -> None:
    page = report.html(study(0.94, 0.95))
    head = page.partition("</header>")[0]
    for text in ("Confirmed: trial 0", "rate_per_ns (1/ns)", "the search&#39;s own"):
        assert text in head


def test_parameters_stand_before_checks_and_costs_in_the_report() -> None:
    found = study(0.94, 0.95)
    columns = list(ranking.table(found, found.selected, ranking.PARAMETERS_SOON)[0])
    assert (
        columns.index("confirmed") < columns.index("x") < columns.index("fresh seeds")
    )


def test_without_a_score_no_plot_is_drawn() -> None:
    failed = tuple(snapshots.slot(i, SlotState.FAILED, params={}) for i in range(3))
    page = report.html(snapshots.snapshot(snapshots.spec(), failed))
    assert "No trial has a score yet." in page
    assert not re.search(r'class="plot"', page)

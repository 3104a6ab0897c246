"""What views say of a confirmation on several splits, and what they draw."""

from __future__ import annotations

import pytest
import snapshots
from snapshots import confirmation, slot

from hpo.statistics.intervals import effective
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudyState
from hpo.views.figures import networks
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import report
from hpo.views.records import json_records
from hpo.views.sentences import ranking, verdict

SCORES = ((0.90, 0.92), (0.94, 0.96), (0.95, 0.97))


def confirmed() -> Result:
    """A study whose only trial was confirmed on three splits, with two seeds each."""
    spec = snapshots.unchecked(
        confirm={"top": 1, "seeds": 2, "splits": 3}, reported=None
    )
    scores = [score for split in SCORES for score in split]
    fresh = []
    for index, score in enumerate(scores):
        own = confirmation(0, index, score)
        facts = {"n_scored": 500, "n_train": 500}
        member = own.members[0]
        vars(member)["info"] = facts
        fresh.append(own)
    search = (slot(0, SlotState.COMPLETE, score=0.93),)
    return snapshots.snapshot(spec, search, tuple(fresh), state=StudyState.DONE)


def test_the_verdict_says_how_splits_scatter_and_what_the_search_had_seen() -> None:
    assert verdict.clauses(confirmed())[:4] == [
        "confirmed 94.0 ± 2.6 % on 6 fresh seeds of 3 splits",
        "sd 2.6 points between the means of 3 splits, 1.4 points between the seeds of"
        " one",
        "the search used split 0 alone (91.0 ± 1.4 % on 2 fresh seeds): the test sets"
        " of the other splits hold series that the search has trained and validated on,"
        " so its parameters were chosen with them",
        "95 % interval 88.9 to 98.7 % (standard errors: splits 1.5 points, 750 series"
        " 0.9 points)",
    ]


def test_the_error_is_that_of_the_mean_over_splits_whose_test_sets_overlap() -> None:
    result = confirmed()
    item = result.confirmed
    assert item is not None
    score = item.estimate(result.spec)
    assert score.mean == pytest.approx(item.mean)
    assert score.n_seeds == 3
    assert score.n_series == effective(500, 1000, 3)


def test_a_table_a_figure_a_record_and_a_page_have_the_splits() -> None:
    result = confirmed()
    (row,) = ranking.table(result, result.selected)
    assert row["fresh seeds"] == "6 on 3 splits"
    drawn = networks.confirmed(Plotted(result))
    assert drawn.layout.yaxis.ticktext == ("trial 0", "split 0", "split 1", "split 2")
    means = next(trace for trace in drawn.data if trace.name == "mean ± std")
    assert list(means.x) == pytest.approx([94.0, 91.0, 95.0, 96.0])
    (record,) = json_records.study(result)["confirmations"]
    assert record["splits"]["std_between"] == pytest.approx(0.0264575)
    assert [one["scores"] for one in record["splits"]["each"]] == list(SCORES)
    assert "Split 0 is the one of the search" in report.html(result)

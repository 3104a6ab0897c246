"""The time that is left, and its words: of the search, of the confirmation, and without
the hours for which a laptop slept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import snapshots

from hpo.study import remaining
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudyState, Trial
from hpo.views.sentences import progress

TWO = (snapshots.worker("one"), snapshots.worker("two"))
SPEC = snapshots.spec(budget={"trials": 40, "window": 4, "seeds": 1, "epochs": 30})


def slot(number: int, **changes: Any) -> Trial:
    """A trial of 30 epochs that took a minute."""
    members = (replace(snapshots.member(0, (0.9,) * 30), seconds=60.0),)
    end = snapshots.START + timedelta(minutes=1)
    facts = {"members": members, "lineage": {"seconds": 60.0}, "finished_at": end}
    facts |= {"started_at": snapshots.START, **changes}
    return snapshots.slot(number, SlotState.COMPLETE, **facts)


def study(n: int, *confirm: Trial, **changes: Any) -> Result:
    """A study with ``n`` such trials and two workers."""
    search = tuple(slot(i) for i in range(n))
    values: dict[str, Any] = {"workers": TWO, **changes}
    return snapshots.snapshot(SPEC, search, confirm, **values)


def test_workers_share_what_is_left_and_the_confirmation_has_a_time() -> None:
    """Twenty fresh seeds of 60 epochs take twice as long as a trial of 30."""
    assert progress.left_text(study(10)) == (
        "about 15 min 00 s left for 30 trials, then 20 min 00 s for 20 confirmations"
    )
    many = tuple(snapshots.worker(str(i)) for i in range(9))
    left = remaining.of(study(10, workers=many))
    assert left.search_s == 30 * 60 / 4, "the window has four"


def test_a_confirmation_takes_as_long_as_those_before_it() -> None:
    end = snapshots.START + timedelta(seconds=200)
    facts: dict[str, Any] = {"finished_at": end, "started_at": snapshots.START}
    fresh = snapshots.confirmation(0, 0, 0.9, lineage={"seconds": 200.0}, **facts)
    assert progress.left_text(study(40, fresh)) == (
        "about 31 min 40 s left for 19 confirmations"
    )


def test_a_suspended_machine_does_not_count() -> None:
    awake = study(10)
    night = timedelta(hours=9)
    slept = slot(9, finished_at=snapshots.START + night)
    told = snapshots.changed(awake, search=(*awake.search[:9], slept))
    assert remaining.of(told) == remaining.of(awake), "the worker's clock stood still"
    silent = replace(slept, lineage={}, members=())
    capped = snapshots.changed(awake, search=(*awake.search[:9], silent))
    assert remaining.of(capped).search_s == 30 * 60 * (9 + 4) / 10 / 2


def test_without_enough_trials_workers_or_work_there_is_no_estimate() -> None:
    assert progress.left_text(study(2)) == "estimating the time left…"
    assert progress.left_text(study(10, workers=())) == ""
    assert progress.left_text(study(40, state=StudyState.DONE)) == ""

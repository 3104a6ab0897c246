"""The page of a trial, and the table of all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import snapshots
from pages import HOSTILE, figures, names

from hpo.study.one_trial import Checkpoint, Loss, OneTrial, Training, TrialRow
from hpo.study.trials import SlotState
from hpo.views.pages import trial as trial_page
from hpo.views.pages import trials


def one(number: int = 12, text: str = "lost", **changes: Any) -> OneTrial:
    """A trial of two networks, its confirmation, and a lost worker."""
    members = tuple(snapshots.member(i, (0.8, 0.9)) for i in range(2))
    slot = snapshots.slot(number, SlotState.COMPLETE, members=members, message=text)
    slot = replace(slot, **changes)
    fresh = snapshots.confirmation(number, 0, 0.93)
    return OneTrial(
        result=snapshots.snapshot(snapshots.spec(), (slot,), (fresh,)),
        losses=[Loss(at=snapshots.START, host=text, why=text)],
        trainings=[
            Training(
                slot=number, is_fresh=False, member=0, worker="ann", log="/log/ann"
            ),
            Training(slot=fresh.number, is_fresh=True, member=0, worker=text, log=None),
        ],
        checkpoint=Checkpoint(member=1, epoch=7, seconds=3.0),
    )


def test_it_has_parameters_curve_networks_origin_and_log() -> None:
    page = trial_page.html(one())
    assert "curves-plot" in figures(page)
    for text in (
        "rate_per_ns (1/ns)",
        "trial 12, fresh seed 1 of 10",
        "Suggested by tpe from trials 0 to 8.",
        "1 claim, 1 lost worker.",
        "ann",
        "<code>/log/ann</code>",
        "1358058",
    ):
        assert text in page
    assert "checkpoint:" not in page, "it is complete"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (one(0), "Suggested by tpe before any trial had ended."),
        (one(4), "Suggested by tpe from trial 0."),
        (one(enqueued={"x": 0.5}), "Enqueued by hand: x=0.5."),
        (
            one(state=SlotState.RUNNING, finished_at=None),
            "Its checkpoint: network 1 after 7 epochs.",
        ),
        (one(members=(), params={}), "They have not been suggested yet."),
        (one(state=SlotState.RUNNING, score=None), '"verdict">no score yet<'),
        (
            one(state=SlotState.FAILED, score=None, message="a\nValueError: no"),
            '"verdict">ValueError: no<',
        ),
    ],
)
def test_where_it_comes_from(changed: OneTrial, text: str) -> None:
    assert text in trial_page.html(changed)


def test_hostile_text_stays_text() -> None:
    hostile = one(text=HOSTILE, params={"colour": HOSTILE}, worker=HOSTILE)
    assert not {"img", "onerror"} & names(trial_page.html(hostile))


def test_live_it_is_linked_and_loads_its_scripts() -> None:
    page = trial_page.html(one(), live=True)
    assert 'href="/study/toy-study/trials"' in page
    assert "/hpo/live.js" not in page, "it does not change by itself"


def test_rows_of_all_trials_are_numbers_and_texts() -> None:
    rows = [
        TrialRow(
            0, "complete", 0.912345, (), {"x": 0.123456789, "k": 3}, 61.25, 1, "a"
        ),
        TrialRow(1, "running", None, (), None, None, 0, None),
        TrialRow(2, "pruned", float("nan"), (), {"new": True}, 3.0, 2, HOSTILE),
    ]
    found = json.loads(trials.data(snapshots.spec(), rows))
    names = ["x", "k", "rate_per_ns (1/ns)", "colour", "new"]
    heads = ["trial", "state", "accuracy (%)", *names, "seconds", "claims", "worker"]
    assert found["columns"] == heads
    none = [None] * 3
    assert found["rows"] == [
        [0, "complete", 91.234, 0.12346, 3, *none, 61.2, 1, "a"],
        [1, "running", None, None, None, *none, None, 0, None],
        [2, "pruned", None, None, None, None, None, "true", 3.0, 2, HOSTILE],
    ]

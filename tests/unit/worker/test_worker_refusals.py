"""Studies that a worker leaves out for a while."""

from __future__ import annotations

import time

from hpo.worker.refusals import Refusals


def test_a_study_is_left_out_for_a_while_and_named_until_it_is_served() -> None:
    refusals = Refusals(pause_s=0.1)
    assert not refusals.lasts("toy")
    refusals.add("toy", "no GPU\x1b")
    assert refusals.lasts("toy")
    time.sleep(0.15)
    assert not refusals.lasts("toy"), "it is tried again"
    assert refusals.reasons == {"toy": "no GPU?"}, "and still named"
    refusals.forget("toy")
    assert refusals.reasons == {}


def test_studies_that_are_over_are_forgotten() -> None:
    refusals = Refusals(pause_s=60.0)
    refusals.add("over", "no data")
    refusals.add("open", "no data")
    refusals.keep(["open", "other"])
    assert refusals.reasons.keys() == {"open"}

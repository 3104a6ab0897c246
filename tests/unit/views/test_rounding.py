"""Scores in per cent, rounded as a reader of the stored number would."""

from __future__ import annotations

import math

import snapshots

from hpo.statistics.intervals import Comparison
from hpo.views.sentences import comparison
from hpo.views.sentences.formatting import per_cent, reported_number, score_text

SPEC = snapshots.spec()


def test_a_half_is_rounded_up_although_its_float_lies_below() -> None:
    assert score_text(SPEC, 0.7915) == "79.2 %"
    assert score_text(SPEC, 0.9345, 0.0125) == "93.5 ± 1.3 %"
    assert score_text(SPEC, 0.79145, 0.00045) == "79.15 ± 0.05 %"
    assert score_text(SPEC, 0.7914) == "79.1 %"


def test_a_reported_score_is_rounded_as_ours_are() -> None:
    reported = {"score": 0.79145, "std": 0.00285, "source": "a paper"}
    spec = snapshots.spec(reported=reported)
    assert reported_number(spec) == "79.15 ± 0.29 %"


def test_a_difference_keeps_its_sign_and_a_score_that_is_no_number_its_name() -> None:
    lower = Comparison(relation=None, p=None, difference=-0.0115)
    assert comparison.margin_text(SPEC, lower) == "-1.2"
    assert per_cent(math.nan) == "nan"

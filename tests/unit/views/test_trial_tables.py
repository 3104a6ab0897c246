"""The table of trials for other programs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import snapshots

from hpo.study.result import Result
from hpo.views.records import trial_tables

DONE = snapshots.realistic(snapshots.spec())


def test_no_text_is_a_formula_for_a_spreadsheet() -> None:
    first, *others = DONE.search
    hostile = replace(first, worker="=1+cmd|' /C calc'!A0", message="@SUM(A1)")
    result = Result.of(replace(DONE.snapshot, search=(hostile, *others)))
    stream = io.StringIO()
    trial_tables.write_csv(result, stream, curves=False)
    row = next(csv.DictReader(io.StringIO(stream.getvalue())))
    assert row["worker"] == "'=1+cmd|' /C calc'!A0"
    assert row["message"] == "'@SUM(A1)"

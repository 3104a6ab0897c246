"""All studies at one moment: what the home page and the metrics are made of."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pytest
from workers import run_workers, toy_spec

from hpo.ledger import interventions, reading
from hpo.ledger.ledger import Ledger
from hpo.ledger.overview import OverviewReader
from hpo.postgres.connect import Storage
from hpo.study import effort
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.summary import LAST, Course
from hpo.study.trials import SlotState
from hpo.views.scores import clocks, incumbents


def check(snapshot: StudySnapshot, course: Course) -> None:
    """A course is that of the study's snapshot, by which every other view goes."""
    best = incumbents(snapshot, clocks(snapshot)[0])
    assert course.best == tuple((slot.number, slot.score) for slot in best)
    settled = [slot for slot in snapshot.search if slot.state != SlotState.RUNNING]
    scores = [slot.score for slot in settled if slot.state == SlotState.COMPLETE]
    middle = statistics.median(s for s in scores if s is not None) if scores else None
    assert course.middle == pytest.approx(middle)
    latest = sorted((slot.settled_at for slot in settled if slot.settled_at), reverse=True)
    assert list(course.settled_at) == latest[:LAST]
    assert {s: n for s, n in course.counts.items() if n} == {
        state: n for state in SlotState if (n := sum(s.state == state for s in settled))
    }
    epochs = effort.of_search(snapshot) + effort.of_confirmation(snapshot)
    assert sum(n for _, n in course.trained) == epochs


@pytest.mark.parametrize("objective", ["ToyObjective", "ToyLossObjective"])
def test_an_overview_tells_of_each_study_what_its_snapshot_does(
    storage: Storage, ledger: Ledger, database_url: str, objective: str
) -> None:
    def read() -> dict[str, Any]:
        with storage.engine.connect() as connection:
            found = reader.read(connection)
            assert [study.name for _, study, _ in found.studies] == ["toy", "idle"]
            for (_, study, _), other in zip(found.studies, ledger.studies(), strict=True):
                same = {"spec": None, "confirmed": None}  # whose last digit is the order of rows
                assert replace(study, **same) == replace(other, **same)
            check(reading.snapshot(connection, "toy"), found.studies[0][2])
        return {study.name: course for _, study, course in found.studies}

    reader = OverviewReader()
    spec = toy_spec("toy", objective=f"toy_objective:{objective}", budget={"trials": 10})
    ledger.register(spec)
    ledger.register(toy_spec("idle"))
    before = read()
    assert before["toy"].best == ()
    run_workers(database_url, "toy", 1)
    after = read()
    assert after["idle"] is before["idle"], "what has not changed is not read again"
    best = after["toy"].best[-1][0]
    interventions.exclude(ledger, "toy", best, "a bad cable")
    assert read()["toy"].counts[SlotState.EXCLUDED] == 1
    interventions.delete_study(ledger, "idle")
    ledger.register(toy_spec("idle", seed=4))
    assert read()["idle"] is not before["idle"]
    assert ledger.studies()[1].state == StudyState.OPEN

"""A study whose best trial is that of the highest expected score, in every view."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from workers import ledger_at, run_workers, toy_spec

from hpo.ledger import interventions
from hpo.ledger.summaries import summaries
from hpo.ledger.tables import members, slots
from hpo.notebook import load
from hpo.postgres.connect import open_storage
from hpo.study.snapshot import StudyState
from hpo.study.summary import StudySummary
from hpo.study.trials import Phase
from hpo.views import json_records, verdict
from hpo.views.terminal import live, tables

LUCKY = {
    "objective": "toy_objective:ToyLuckyObjective",
    "budget": {"trials": 40, "members": 1},
    "sampler": {"name": "kriging-believer"},
    "pruner": {"name": "none"},
    "confirm": {"top": 1, "members": 2, "by": "expected"},
}


def summarised(url: str) -> StudySummary:
    """The one study of a database, as an overview has it."""
    with open_storage(url) as storage, storage.engine.begin() as connection:
        (found,) = summaries(connection)
    return found


def test_the_best_trial_is_that_of_the_highest_expected_score(database_url: str) -> None:
    spec = toy_spec("lucky", **LUCKY)
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, spec.name, 2)
        snapshot = ledger.result(spec.name)
        best = snapshot.best
        assert best is not None
        assert best.score is not None
        luckiest = max(snapshot.search, key=lambda slot: slot.score or 0.0)
        assert best.number != luckiest.number, "choose another seed: the luckiest must not win"
        known = snapshot.snapshot.expected[best.number]
        assert known.mean == max(other.mean for other in snapshot.snapshot.expected.values())
        assert {slot.source for slot in snapshot.confirm} == {best.number}
        assert snapshot.confirmations[0].search_score == known.mean

        with ledger._engine.begin() as connection:
            size = sa.case((slots.c.phase == Phase.CONFIRM, 899), else_=269)
            info = sa.func.json_build_object("n_scored", size)
            own = sa.update(members).where(members.c.slot_id == slots.c.id).values(info=info)
            connection.execute(own)
        snapshot, alone = ledger.snapshot(spec.name), known.std
        known = snapshot.snapshot.expected[best.number]
        sampling = known.mean * (1.0 - known.mean) / 269
        assert known.std**2 == pytest.approx(alone**2 + sampling), "of the scored examples"

        record = json_records.study(snapshot)["best"]
        assert (record["number"], record["score"]) == (best.number, best.score)
        assert (record["expected"], record["expected_std"]) == (known.mean, known.std)
        line = live.best_line(snapshot).plain
        assert f"best {100 * known.mean:.1f} % (trial {best.number}, expected; its network" in line
        assert any(row.startswith("  expected") for row in tables.best_table(snapshot, 3))
        summary = summarised(database_url)
        assert summary.confirmed is not None
        assert summary.confirmed.source == best.number

        assert summary.best_score == known.mean, "not that of the luckiest"

        other = min(
            snapshot.snapshot.expected, key=lambda number: snapshot.snapshot.expected[number].mean
        )
        interventions.exclude(ledger, spec.name, other)  # it may change what is expected of others
        assert ledger.snapshot(spec.name).state == StudyState.OPEN
        interventions.exclude(ledger, spec.name, best.number)
        after = ledger.result(spec.name)
        assert after.best is not None
        assert best.number not in after.snapshot.snapshot.expected
        assert after.confirmations == []
        assert "not confirmed yet" in verdict.verdict(after)
        summary = summarised(database_url)
        assert summary.confirmed is None
        assert summary.best_score == after.snapshot.snapshot.expected[after.best.number].mean
    found = load(spec.name, storage=database_url).best
    assert found is not None
    assert found.expected == after.snapshot.snapshot.expected[found.number].mean

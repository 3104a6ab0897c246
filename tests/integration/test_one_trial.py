"""A single trial as the database has it, and the list of all."""

from __future__ import annotations

import pytest

from hpo.errors import StudyError
from hpo.ledger import one_trial
from hpo.ledger.reader import LedgerReader
from hpo.postgres.connect import open_storage


def test_a_trial_is_read_as_its_study_has_it(golden_url: str) -> None:
    with open_storage(golden_url) as storage:
        reader = LedgerReader(storage)
        whole = reader.result("search", curves=True)
        best = whole.confirmed
        assert best is not None
        one = reader.trial("search", best.source)
        assert one.trial == whole.search[best.source]
        fresh = [slot for slot in whole.confirm if slot.source == best.source]
        assert list(one.result.confirm) == fresh
        trained = [(each.is_fresh, each.worker) for each in one.trainings]
        assert trained == [(False, "worker")] * 2 + [(True, "worker")] * 3
        assert (one.losses, one.checkpoint) == ([], None)
        with pytest.raises(StudyError, match="'search': it has no trial 24 yet"):
            reader.trial("search", 24)


def test_all_trials_are_listed_without_their_networks(golden_url: str) -> None:
    with open_storage(golden_url) as storage:
        whole = LedgerReader(storage).result("front")
        with storage.engine.connect() as connection:
            spec, rows = one_trial.list_trials(connection, "front")
    assert spec.hash == whole.spec.hash
    for row, trial in zip(rows, whole.search, strict=True):
        assert (row.number, row.state, row.score) == (
            trial.number,
            trial.state,
            trial.score,
        )
        assert tuple(row.costs) == trial.costs
        assert (row.params, row.seconds) == (trial.params, 3.0)

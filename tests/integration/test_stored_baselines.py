"""Baselines of a study: worked out once by a worker, and stored; no trial depends on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_objective import ToyBesideObjective
from workers import table, toy_spec

from hpo.ledger import backup, interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import StudyState
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

BESIDE = toy_spec(objective="toy_objective:ToyBesideObjective", budget={"trials": 4})


def run(storage: Storage) -> Ledger:
    ledger = Ledger(storage)
    ledger.register(BESIDE)
    Worker(storage, WorkerOptions(study="toy")).run()
    return ledger


def test_one_worker_stores_them_and_backups_hold_them(storage: Storage, tmp_path: Path) -> None:
    ledger = run(storage)
    found = ledger.snapshot("toy").baselines
    assert [one.name for one in found] == ["chance", "linear model of toys", "k = 8"]
    with ledger.locked("toy") as (_, row):
        assert not ledger.lacks_baselines(row.id)
        ledger.store_baselines(row.id, [])
    backup.export(storage, "toy", tmp_path / "toy.jsonl")
    backup.restore(storage, tmp_path / "toy.jsonl", "clone")
    assert ledger.snapshot("toy").baselines == ledger.snapshot("clone").baselines == found


def test_a_study_goes_on_without(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the toy has no baselines")

    with monkeypatch.context() as patch:
        patch.setattr(ToyBesideObjective, "baselines", broken)
        without = run(storage).snapshot("toy", curves=True)
    said = [record for record in caplog.records if "RuntimeError: the toy has" in record.message]
    assert len(said) == 3  # at the first trial, and for each of two confirmations
    assert (without.state, without.baselines) == (StudyState.DONE, ())
    interventions.delete_study(Ledger(storage), "toy")
    again = run(storage).snapshot("toy", curves=True)
    assert again.baselines
    assert table(again) == table(without)

"""A study as an experiment of MLflow: the user's own MLflow, and its real database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workers import run_workers, toy_spec

from hpo.errors import HpoError
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.study.trials import SlotState

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's, of SQLAlchemy


def test_without_mlflow_it_is_said_what_to_install(
    ledger: Ledger, hpo: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    said = hpo("export", "toy", "--mlflow", tmp_path, status=1)
    assert said.startswith("error: --mlflow: the package mlflow must be installed, but got: ")
    assert said.endswith("-m pip install mlflow-skinny (or mlflow, with its pages).\n")


def runs_of(client: Any, name: str = "toy") -> dict[str, Any]:
    experiment = client.get_experiment_by_name(name)
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len({run.info.run_name for run in found}) == len(found), "nothing is there twice"
    return {run.info.run_name: run for run in found}


def parent(run: Any) -> str | None:
    return run.data.tags.get("mlflow.parentRunId")


def test_a_study_is_written_once_and_what_is_new_is_added(
    ledger: Ledger, database_url: str, hpo: Callable[..., str], tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow")
    ledger.register(toy_spec(budget={"trials": 12}))
    run_workers(database_url, "toy", 2)
    uri = f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert hpo("export", "toy", "--mlflow", tmp_path / "runs").endswith(
        f"{uri}: 18 runs, in the experiment toy\n"
    )
    client, snapshot = mlflow.MlflowClient(tracking_uri=uri), ledger.snapshot("toy", curves=True)
    runs = runs_of(client)
    assert len(runs) == 1 + 12 + 6
    study, best = runs["toy"], snapshot.best
    assert best is not None
    assert snapshot.confirmed is not None
    for slot in snapshot.search:
        run = runs[f"trial {slot.number}"]
        assert parent(run) == study.info.run_id
        assert run.data.params == {name: str(value) for name, value in slot.params.items()}
        assert run.data.tags["hpo.state"] == slot.state
        assert run.data.metrics["score"] == slot.score
        assert run.info.status == ("FINISHED" if slot.state == SlotState.COMPLETE else "KILLED")
        assert run.info.end_time == round(slot.settled_at.timestamp() * 1000)
    curve = client.get_metric_history(runs[f"trial {best.number}"].info.run_id, "epoch_score")
    by_hand = [sum(e) / 2 for e in zip(*(m.curve for m in best.members), strict=True)]
    assert [(m.step, m.value) for m in curve] == list(enumerate(by_hand, 1))
    confirmed = runs[f"trial {snapshot.confirmed.source}"]
    assert confirmed.data.metrics["confirmed"] == snapshot.confirmed.mean
    assert study.data.metrics["confirmed"] == snapshot.confirmed.mean
    below = [run for run in runs.values() if parent(run) == confirmed.info.run_id]
    assert [run.data.metrics["score"] for run in below] == [
        slot.score for slot in reversed(snapshot.confirm) if slot.source == best.number
    ]

    def ids() -> dict[str, str]:
        return {name: run.info.run_id for name, run in runs_of(client).items()}

    before = ids()
    assert "18 runs, 0 of them new" in hpo("export", "toy", "--mlflow", uri)
    assert ids() == before
    interventions.exclude(ledger, "toy", best.number, "a bad cable")
    interventions.extend(ledger, "toy", 14)
    run_workers(database_url, "toy", 2)
    hpo("export", "toy", "--mlflow", uri)
    after = ids()
    assert {name for name in before if after[name] != before[name]} == {
        f"trial {best.number}",
        *(f"trial {best.number}, fresh seed {i} of 3" for i in (1, 2, 3)),
    }
    assert runs_of(client)[f"trial {best.number}"].data.tags["hpo.state"] == "excluded"
    assert {"trial 12", "trial 13"} <= after.keys()
    interventions.delete_study(ledger, "toy")
    ledger.register(toy_spec(seed=4))
    assert "must be new, or of this study, but got one of another study" in hpo(
        "export", "toy", "--mlflow", uri, status=1
    )


def test_a_run_that_was_not_written_to_its_end_is_written_anew(
    ledger: Ledger, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    from hpo.cli import mlflow as ours

    ledger.register(toy_spec(budget={"trials": 3}, confirm=None))
    run_workers(database_url, "toy", 1)
    snapshot = ledger.snapshot("toy", curves=True)
    uri, real = f"sqlite:///{tmp_path}/m.db", mlflow.MlflowClient.log_batch
    calls = iter((None, "full"))

    def full(*arguments: Any, **named: Any) -> None:
        if next(calls):
            raise mlflow.exceptions.MlflowException("no space left on device")
        real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_batch", full)
        with pytest.raises(HpoError, match="MLflow must take the runs, but got: no space left on"):
            ours.export(snapshot, uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    assert "hpo.digest" not in runs_of(client)["trial 1"].data.tags
    assert ours.export(snapshot, uri) == (uri, 3, 2)
    assert runs_of(client)["trial 1"].data.metrics["score"] == snapshot.search[1].score

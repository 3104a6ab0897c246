"""The network that was confirmed is the network that is kept, and what is made of it on
demand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
from servers import connect, database
from settling import claim, finish
from toy_objective import ToyBesideObjective
from users import User
from workers import (
    ended,
    kill,
    ledger_at,
    run_workers,
    start_worker,
    table,
    toy_spec,
    wait_until,
)

import hpo
from hpo.cli import main
from hpo.ledger import backup, interventions
from hpo.ledger.ledger import Ledger
from hpo.objectives.networks.network_file import read_description
from hpo.postgres.connect import Storage, open_storage
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, StudyState, Trial
from hpo.views.figures.style import safe
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

NETWORK = "toy_network:ToyNetworkObjective"


def small(name: str = "toy", **tables: Any) -> StudySpec:
    """A study of networks that ends within a second."""
    return toy_spec(name, **{"objective": NETWORK, "budget": {"trials": 4}, **tables})


@pytest.fixture(scope="module")
def kept(server_url: str, with_tables: str) -> Iterator[str]:
    """URL of a database with a study that two workers have ended; who uses it only
    looks."""
    with database(server_url, with_tables) as url:
        with ledger_at(url) as ledger:
            ledger.register(small())
        run_workers(url, "toy", 2)
        yield url


def stored(url: str) -> dict[int, int]:
    """Number of the confirmation -> seed of the network that is kept of it."""
    query = (
        "SELECT number, data FROM hpo_ledger.networks JOIN hpo_ledger.slots ON id ="
        " slot_id"
    )
    with connect(url) as connection:
        return {
            n: read_description(data)["member_seed"]
            for n, data in connection.execute(query)
        }


def best_seeds(snapshot: StudySnapshot) -> dict[int, int]:
    """The same of what should be kept: of every confirmed trial the network of least
    training loss."""
    best: dict[int | None, Trial] = {}
    for slot in sorted(snapshot.confirm, key=lambda slot: slot.members[0].loss_curve):
        best.setdefault(slot.source, slot)
    return {slot.number: slot.members[0].seed for slot in best.values()}


def test_of_each_confirmed_trial_the_network_of_least_training_loss_is_kept(
    database_url: str,
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(small())
        run_workers(database_url, "toy", 2)
        before = best_seeds(ledger.snapshot("toy"))
        assert len(before) == 2
        assert stored(database_url) == before
        interventions.extend(ledger, "toy", 24)
        run_workers(database_url, "toy", 1)
        after = best_seeds(ledger.snapshot("toy"))
        assert after.keys() > before.keys(), "other trials are the best"
        assert stored(database_url) == after
        interventions.delete_study(ledger, "toy")
        assert stored(database_url) == {}


def test_what_is_too_large_is_left_out_and_told(database_url: str) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(small())
        code = "import hpo.worker.trial as trial; trial.LARGEST = 10"
        worker = start_worker(
            database_url, "--study", "toy", code=f"import sys; {code}"
        )
        said = ended(worker)
        assert "fresh seed 1 of 3: network not stored: its " in said
        assert "bytes exceed 10\n" in said
        assert len(ledger.result("toy").confirmations) == 2
    assert stored(database_url) == {}


def test_a_backup_carries_what_is_kept(
    kept: str, database_url: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "toy.jsonl.gz")
    assert main.main(["export", "toy", "--backup", file, "--storage", kept]) == 0
    assert (
        main.main(["import", file, "--name", "again", "--storage", database_url]) == 0
    )
    assert len(stored(database_url)) == 2
    assert stored(database_url) == stored(kept)


def test_a_network_of_no_device_has_no_table_for_a_chip(
    kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "weights.csv"
    assert main.main(["export", "toy", "--chip", str(target), "--storage", kept]) == 1
    said = "toy: only networks of a device have a table, got objective 'toy_network:Toy"
    assert said in capsys.readouterr().err
    assert not target.exists()


# --- a study of which some fresh seeds are confirmed ---


@pytest.fixture(scope="module")
def partly(server_url: str, with_tables: str) -> Iterator[str]:
    """URL of a database with a study of three fresh seeds: one failed, one in training
    elsewhere, one confirmed."""
    spec = small(confirm={"top": 1, "seeds": 3})
    with database(server_url, with_tables) as url:
        with open_storage(url) as storage:
            ledger = Ledger(storage)
            ledger.register(spec)
            Worker(storage, WorkerOptions(study="toy", confirm=False)).run()
            finish(ledger, claim(ledger), SlotState.FAILED)
            claim(ledger, "elsewhere", lease_s=3600)
            worker = start_worker(url, "--study", "toy")
            wait_until(lambda: bool(ledger.result("toy").confirmations[0].scores))
            kill(worker)
        yield url


def exported(
    url: str, capsys: pytest.CaptureFixture[str], *options: str, status: int = 0
) -> str:
    """What ``hpo export toy`` says."""
    assert main.main(["export", "toy", "--storage", url, *options]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def test_the_network_of_a_partly_confirmed_trial_is_exported_and_says_so(
    partly: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained,) = stored(partly).items()
    target = tmp_path / "best.safetensors"
    _, _, origin = exported(partly, capsys, "--network", str(target)).splitlines()
    trial = trained[0] // 3
    assert origin == (
        f"trial {trial}, fresh seed 3 of 3, random seed {trained[1]}: of least training"
        " loss; 1 of 3 fresh seeds complete, 1 failed, 1 not finished"
    )
    about = json.loads(target.with_suffix(".json").read_text())
    scores = about["scores"]
    assert scores["trial_confirmed_scores"] == [scores["score"]]
    assert scores["trial_confirmed_wanted"] == 3
    assert scores["trial_confirmed_failed"] == 1
    assert about["lineage"]["fresh_seed"] == 3
    assert about["lineage"]["seed"] == trained[1]


@pytest.mark.parametrize(
    ("option", "file"),
    [("-o", "toy.csv"), ("-o", "toy.jsonl"), ("--backup", "toy.jsonl.gz")],
)
def test_a_file_of_a_partly_confirmed_study_says_what_it_holds(
    partly: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    file: str,
) -> None:
    said = exported(partly, capsys, option, str(tmp_path / file)).splitlines()
    assert said[0] == str(tmp_path / file)
    assert said[1] == (
        "confirmation: 1 of 3 fresh seeds complete, 1 failed, 1 not finished"
    )


def test_a_table_of_a_partly_confirmed_study_has_a_row_for_each_seed_that_began(
    partly: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "toy.csv"
    exported(partly, capsys, "-o", str(target))
    with target.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["phase"] == "confirm"]
    assert [row["state"] for row in rows] == ["failed", "running", "complete"]
    assert [bool(row["seed"]) for row in rows] == [False, False, True]


def test_a_file_of_a_whole_study_says_no_more_than_its_name(
    kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "toy.csv"
    assert exported(kept, capsys, "-o", str(target)) == f"{target}\n"


def test_a_trial_whose_fresh_seeds_failed_so_far_has_no_network(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = ("--network", str(tmp_path / "best.safetensors"))
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        ledger.register(small(confirm={"top": 1, "seeds": 2}))
        Worker(storage, WorkerOptions(study="toy", confirm=False)).run()
        best = ledger.result("toy").best
        assert best is not None
        trial = f"error: toy, trial {best.number}: no network is stored"
        said = exported(database_url, capsys, *network, status=1)
        assert said == f"{trial}. Only confirmed trials have one: none yet.\n"
        finish(ledger, claim(ledger), SlotState.FAILED)
        said = exported(database_url, capsys, *network, status=1)
        assert said == (
            f"{trial}: 0 of 2 fresh seeds complete, 1 failed, 1 not finished. Other"
            " confirmed trials: none yet.\n"
        )
        finish(ledger, claim(ledger))
        said = exported(database_url, capsys, *network, status=1)
        assert said == (
            f"{trial}: 1 of 2 fresh seeds complete, 1 failed; their networks were too"
            " large, or the objective returned none. Other confirmed trials: none"
            " yet.\n"
        )
    assert not (tmp_path / "best.safetensors").exists()


# --- how it reads the test part ---


def matrix(page: str) -> Any:
    """The confusion matrix of a report."""
    return pages.figures(page)["confusion-plot"]["data"][0]


def test_the_report_shows_how_the_kept_network_reads_the_test_half(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toy_network.ToyMember.train", pytest.fail)
    report = tmp_path / "report.html"
    assert main.main(["report", "toy", "--storage", kept, "-o", str(report)]) == 0
    cells = matrix(report.read_text())
    assert cells["y"] == cells["x"] == ["sine", "square", safe(pages.HOSTILE)]
    read = [row.index(max(row)) for row in cells["customdata"]]
    assert read == [0, 2, 2], "squares: read wrongly"
    assert " series correct (" in report.read_text()
    (same,) = hpo.load("toy", kept).plot_confusion_matrix().data
    assert [[int(n) for n in row] for row in same.customdata] == cells["customdata"]


def test_a_launch_ends_with_that_report_and_waits_for_nothing(user: User) -> None:
    _, err = user.end(
        user.launch("--workers", "1", "--trials=2", f"--set=objective={NETWORK}")
    )
    assert "again" not in err, "it is trained once"
    assert "customdata" in matrix((user.directory / "toy-report.html").read_text())


def test_where_no_network_fits_the_report_has_no_matrix_and_nothing_is_trained(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(small())
        run_workers(database_url, "toy", 1)
    with connect(database_url) as connection:
        connection.execute(
            "UPDATE hpo_ledger.networks SET data = (SELECT data FROM"
            " hpo_ledger.networks other WHERE other.slot_id <> networks.slot_id)"
        )
    monkeypatch.setattr("toy_network.ToyMember.train", pytest.fail)
    report = tmp_path / "report.html"
    assert (
        main.main(["report", "toy", "--storage", database_url, "-o", str(report)]) == 0
    )
    assert "confusion-plot" not in report.read_text()


# --- baselines: worked out once by a worker, and stored; no trial depends on them ---

BESIDE = toy_spec(objective="toy_objective:ToyBesideObjective", budget={"trials": 4})


def run(storage: Storage) -> Ledger:
    ledger = Ledger(storage)
    ledger.register(BESIDE)
    Worker(storage, WorkerOptions(study="toy")).run()
    return ledger


def test_one_worker_stores_them_and_backups_hold_them(
    storage: Storage, tmp_path: Path
) -> None:
    ledger = run(storage)
    found = ledger.snapshot("toy").baselines
    assert [one.name for one in found] == ["chance", "linear model of toys", "k = 8"]
    with ledger.locked("toy") as study:
        assert not ledger.lacks_baselines(study.row.id)
        ledger.store_baselines(study.row.id, [])
    backup.export(storage, "toy", tmp_path / "toy.jsonl")
    backup.restore(storage, tmp_path / "toy.jsonl", "clone")
    assert (
        ledger.snapshot("toy").baselines == ledger.snapshot("clone").baselines == found
    )


def test_a_study_goes_on_without(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the toy has no baselines")

    with monkeypatch.context() as patch:
        patch.setattr(ToyBesideObjective, "baselines", broken)
        without = run(storage).snapshot("toy", curves=True)
    said = [
        record
        for record in caplog.records
        if "RuntimeError: the toy has" in record.message
    ]
    assert len(said) == 3  # at the first trial, and for each of two confirmations
    assert (without.state, without.baselines) == (StudyState.DONE, ())
    interventions.delete_study(Ledger(storage), "toy")
    again = run(storage).snapshot("toy", curves=True)
    assert again.baselines
    assert table(again) == table(without)

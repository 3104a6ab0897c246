"""Finished studies of Optuna in our database: imported from other storages, or adopted
in their place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_studies import every_state, journal, parabola, write

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage

optuna.logging.set_verbosity(optuna.logging.ERROR)
Hpo = Callable[..., str]


def facts(study: optuna.Study) -> list[dict[str, Any]]:
    """Return what Optuna knows of the trials but their ids and numbers."""
    trials = []
    for trial in study.trials:
        known = dict(vars(trial))
        for own in ("_trial_id", "_number"):
            del known[own]
        trials.append({key: repr(value) for key, value in known.items()})
    return trials


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mine.db'}"


def test_import_from_sqlite(hpo: Hpo, storage: Storage, sqlite: str) -> None:
    write(sqlite, "mine", parabola(40), direction="minimize")
    said = hpo("import", sqlite, "mine").splitlines()
    assert said == [
        "imported mine, 40 trials (40 complete)",
        "which is likely best: hpo best mine",
        "confirm it: hpo confirm mine --objective train.py:objective",
    ]
    record = json.loads(hpo("best", "mine", "--json"))
    assert abs(record["best"][0]["params"]["x"] - 0.3) < 0.2
    assert "the best value is -0.3, of trial 1" in record["verdict"]


def test_optuna_sees_the_same_trials(
    hpo: Hpo, storage: Storage, tmp_path: Path
) -> None:
    path = tmp_path / "journal.log"
    ours = write(journal(path), "mine", every_state(), directions=["maximize"])
    ours.set_user_attr("who", "me")
    said = hpo("import", path, "--name", "other")
    assert said.startswith(
        "imported other, 4 trials (2 complete, 1 failed, 1 pruned); 2 that run or wait"
        " are left out\n"
    )
    seen = optuna.load_study(study_name="other", storage=storage.optuna())
    finished = [one for one in facts(ours) if one["datetime_complete"] != "None"]
    assert facts(seen) == finished
    assert [trial.number for trial in seen.trials] == [0, 1, 2, 3]
    assert seen.direction == ours.direction
    assert seen.user_attrs["who"] == "me"


def test_views_of_an_imported_study(hpo: Hpo, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    write(journal(path), "mine", every_state())
    hpo("import", path)
    states = hpo("trials", "mine").splitlines()
    assert [line.split()[1] for line in states[1:]] == [
        "complete",
        "pruned",
        "failed",
        "complete",
    ]
    assert "out of memory" in states[3]
    assert hpo("status", "mine").startswith("mine: done, best by posterior mean ")
    report = tmp_path / "report.html"
    hpo("report", "mine", "-o", report)
    assert "mine" in report.read_text()


def test_backup_of_an_imported_study(hpo: Hpo, ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    write(journal(path), "mine", every_state())
    hpo("import", path)
    file = tmp_path / "mine.jsonl"
    hpo("export", "mine", "--backup", file)
    hpo("import", file, "--name", "copy")
    ours = ledger.snapshot("mine", curves=True).search
    copied = ledger.snapshot("copy", curves=True).search
    assert copied == ours


def test_a_taken_name_changes_nothing(hpo: Hpo, sqlite: str) -> None:
    write(sqlite, "mine", parabola(5))
    hpo("import", sqlite)
    before = hpo("status", "--all")
    said = hpo("import", sqlite, status=1)
    assert said == (
        "error: study 'mine': the name is taken. Import it under another one:"
        " --name NEW.\n"
    )
    assert hpo("status", "--all") == before


def test_adopted_where_it_is(hpo: Hpo, storage: Storage) -> None:
    ours = write(storage.optuna(), "mine", parabola(20))
    before = facts(ours)
    assert hpo("import", "mine").startswith("imported mine, 20 trials (20 complete)\n")
    assert facts(ours) == before
    assert "the best value is -0.3, of trial 1" in hpo("best", "mine")


def test_neither_file_nor_study(hpo: Hpo, storage: Storage) -> None:
    said = hpo("import", "mine", status=1)
    assert said == (
        "error: mine: neither a file, nor a URL, nor a study that Optuna has made in"
        f" {storage.place()}.\n"
    )


def test_dry_run_writes_nothing(hpo: Hpo, sqlite: str) -> None:
    write(sqlite, "mine", parabola(5))
    assert hpo("import", sqlite, "--dry-run") == "mine, 5 trials (5 complete)\n"
    assert "mine" not in hpo("status", "--all")

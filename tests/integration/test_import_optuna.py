"""Finished studies of Optuna in our database: imported from other storages, or adopted
in their place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_studies import every_state, journal, optuna_trial, parabola, write

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


def counts(storage: Storage) -> list[int]:
    """Return how many rows our tables have, and attributes of Optuna's studies."""
    tables = ("studies", "slots", "members", "events")
    names = [*(f"hpo_ledger.{one}" for one in tables), "study_user_attributes"]
    with storage.engine.connect() as connection:
        return [
            connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()
            for name in names
        ]


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


def test_posterior_means_are_of_trials_that_are_not_excluded(
    hpo: Hpo, ledger: Ledger, sqlite: str
) -> None:
    write(sqlite, "mine", parabola(20))
    hpo("import", sqlite)
    before = ledger.snapshot("mine").posterior
    hpo("exclude", "mine", "--trial", 1)
    after = ledger.snapshot("mine").posterior
    assert before.keys() - after.keys() == {1}
    assert hpo("status", "mine").startswith("mine: done, best by posterior mean ")


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


def test_name_of_a_study_that_optuna_has_made_here(
    hpo: Hpo, storage: Storage, sqlite: str
) -> None:
    for place in (storage.optuna(), sqlite):
        write(place, "mine", parabola(5))
    assert hpo("import", sqlite, status=1) == (
        "error: study 'mine': Optuna has made one of this name in this database. To"
        " import that: hpo import mine. Else choose another name: --name NEW.\n"
    )


def test_adopted_where_it_is(hpo: Hpo, storage: Storage) -> None:
    ours = write(storage.optuna(), "mine", parabola(20))
    before = facts(ours)
    assert hpo("import", "mine").startswith("imported mine, 20 trials (20 complete)\n")
    assert facts(ours) == before
    assert "the best value is -0.3, of trial 1" in hpo("best", "mine")


def test_read_where_it_is_and_unchanged(
    hpo: Hpo, storage: Storage, tmp_path: Path
) -> None:
    write(storage.optuna(), "mine", parabola(20))
    before = counts(storage)
    assert "the best value is -0.3, of trial 1" in hpo("best", "mine")
    assert hpo("status", "mine").startswith("mine: done, best by posterior mean ")
    assert len(hpo("trials", "mine").splitlines()) == 21
    hpo("report", "mine", "-o", tmp_path / "report.html")
    hpo("export", "mine", "-o", tmp_path / "mine.csv")
    listed = hpo("status", "--all").splitlines()
    assert listed[0] == "The database has no such study yet."
    assert listed[2].split() == ["study", "of", "Optuna", "trials", "since"]
    assert listed[3].startswith(
        "mine             20 trials finished, best value -0.3  "
    )
    assert counts(storage) == before


def test_what_changes_a_study_of_optuna_names_the_import(
    hpo: Hpo, storage: Storage
) -> None:
    write(storage.optuna(), "mine", parabola(5))
    assert hpo("exclude", "mine", "--trial", 1, status=1) == (
        "error: study 'mine': Optuna has made it in this database. Import it first,"
        " which copies nothing: hpo import mine.\n"
    )


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


# --- confirmed ---

SCRIPT = """
import random, sys

def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    return (x - 0.3) ** 2 + random.gauss(0.0, 0.01) + float(sys.argv[1])
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return f"{path}:objective"


def test_confirm_in_place(
    hpo: Hpo, ledger: Ledger, storage: Storage, script: str
) -> None:
    ours = write(storage.optuna(), "mine", parabola(30))
    before = facts(ours)
    line = ("confirm", "mine", "--objective", script, "--seeds", 3, "--workers", 1)
    hpo(*line, "--no-report", "--", 5)
    assert facts(ours) == before
    result = ledger.result("mine")
    likely, luckiest = result.tested
    assert abs(likely.params["x"] - 0.3) < 0.2
    assert luckiest.source == 1
    assert likely.mean == pytest.approx(5.0 + (likely.params["x"] - 0.3) ** 2, abs=0.05)
    assert luckiest.mean == pytest.approx(5.0 + 1.1**2, abs=0.05)
    said = hpo("status", "mine")
    assert "confirmed value 5." in said
    assert "  trial 1: posterior mean " in said


def test_parameters_are_confirmed_once(
    hpo: Hpo, ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    """The likely best trial and the best value may be calls of the same parameters."""
    places = [0.0, 0.0, 0.5, -0.5, 1.0, -1.0, 0.7, -0.7]
    values = [0.02, -0.05, 0.24, 0.26, 1.02, 0.98, 0.5, 0.48]
    trials = [optuna_trial(*pair) for pair in zip(values, places, strict=True)]
    write(storage.optuna(), "mine", trials)
    path = tmp_path / "train.py"
    path.write_text(
        "import random\n\n\ndef f(trial):\n"
        "    x = trial.suggest_float('x', -1, 1)\n"
        "    return x * x + random.gauss(0, 0.01)\n"
    )
    line = ("confirm", "mine", "--objective", f"{path}:f", "--seeds", 2)
    said = hpo(*line, "--workers", 1, "--no-report")
    result = ledger.result("mine")
    assert len(result.confirm) == 2
    assert [item.source for item in result.tested] == [0]
    assert "  trial 1: the best value, -0.05, with the parameters of trial 0\n" in said


def test_exact_scores_need_no_posterior_mean(
    hpo: Hpo, ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    places = [round(-1.0 + 0.07 * number, 2) for number in range(29)]
    write(storage.optuna(), "mine", [optuna_trial(abs(x) + 2, x) for x in places])
    path = tmp_path / "exact.py"
    path.write_text(
        "def f(trial):\n    return abs(trial.suggest_float('x', -1, 1)) + 2\n"
    )
    line = ("confirm", "mine", "--objective", f"{path}:f", "--seeds", 2)
    said = hpo(*line, "--workers", 1, "--no-report")
    assert "mine: best value 2.02 (1 call)\n  nothing to confirm: " in said
    assert "posterior mean" not in said
    headline = ledger.result("mine").headline
    assert headline is not None
    assert headline.score == 2.02


def test_a_function_that_fails_can_be_corrected(
    hpo: Hpo, ledger: Ledger, tmp_path: Path
) -> None:
    log = tmp_path / "journal.log"
    write(journal(log), "mine", [*every_state(), optuna_trial(0.2)])
    hpo("import", log)
    path = tmp_path / "wrong.py"
    path.write_text("def h(trial):\n    return trial.params['xx']\n")
    again = ("confirm", "mine", "--workers", 1, "--no-report")
    line = (*again, "--objective")
    failed = hpo(*line, f"{path}:h", "--seeds", 3, status=1)
    assert "all 3 confirmations failed" in failed
    failed = hpo(*again, "--seeds", 2, status=1)
    remedy = (
        "correct the function or name another: hpo confirm mine --objective"
        " train.py:objective"
    )
    assert failed.endswith(
        "error: mine: all 2 confirmations failed; the last: KeyError: 'xx'\n"
        f"next: {remedy}\n"
    )
    status = hpo("status", "mine")
    assert remedy in status
    assert "hpo resume" not in status
    path.write_text(SCRIPT)
    hpo(*line, f"{path}:objective", "--seeds", 3, "--", 5)
    assert [trial.state for trial in ledger.snapshot("mine").confirm] == [
        "complete"
    ] * 3
    assert "hpo resume" not in hpo("status", "mine")
    refused = hpo(*line, f"{path}:h", status=1)
    assert refused == (
        "error: study 'mine': already confirmed, with --objective wrong.py:objective"
        " --seeds 3 --top 1. To confirm again, import it under another name.\n"
    )


def test_confirm_needs_a_function(hpo: Hpo, sqlite: str) -> None:
    write(sqlite, "mine", parabola(5))
    hpo("import", sqlite)
    assert hpo("confirm", "mine", status=1) == (
        "error: study 'mine': name the function that made its trials: --objective"
        " train.py:objective.\n"
    )


def test_a_missing_script_changes_nothing(hpo: Hpo, storage: Storage) -> None:
    write(storage.optuna(), "mine", parabola(5))
    said = hpo("confirm", "mine", "--objective", "/no/train.py:objective", status=1)
    assert said == (
        "error: study 'mine': objective: /no/train.py: no such script (No such file or"
        " directory). Check the path.\n"
    )
    assert hpo("import", "mine").startswith("imported mine, ")


def test_what_needs_the_function_names_the_command(hpo: Hpo, sqlite: str) -> None:
    write(sqlite, "mine", parabola(5))
    hpo("import", sqlite)
    said = hpo("enqueue", "mine", "x=0.5", status=1)
    assert said == (
        "error: study 'mine' in the database: its trials are imported, without the"
        " function that made them. Name it to confirm the best: hpo confirm mine"
        " --objective train.py:objective.\n"
    )

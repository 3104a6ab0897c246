"""A study that moves: exported from one database, imported into another, continued
there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
import sqlalchemy as sa
import toy_objective
from searches import reported
from servers import database
from settling import claim, member
from workers import run_workers, toy_spec

from hpo.errors import StudyError
from hpo.ledger import backup, interventions
from hpo.ledger.backup_file import BackupError
from hpo.ledger.claim_records import End
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.search.suggest import suggest
from hpo.study.trials import SlotState, StudyState


@pytest.fixture
def here(storage: Storage) -> Storage:
    return storage


@pytest.fixture
def there(server_url: str, with_tables: str) -> Iterator[Storage]:
    with database(server_url, with_tables) as url, open_storage(url) as storage:
        yield storage


def rows(storage: Storage, study: str, folder: Path) -> list[Any]:
    """Every column of the study but keys and leases, which backups hold whatever the
    tables are."""
    file = folder / "rows.jsonl"
    backup.export(storage, study, file)
    header, *slots, _ = file.read_text().splitlines()
    return [json.loads(header)["study"], *slots]


def seen_by_optuna(storage: Storage, study: str) -> tuple[Any, ...]:
    """Everything that Optuna knows of a study, but its own ids."""
    found = optuna.load_study(study_name=study, storage=storage.optuna())
    trials = []
    for trial in found.trials:
        facts = {key: value for key, value in vars(trial).items() if key != "_trial_id"}
        for key, value in facts.items():
            if isinstance(
                value, dict
            ):  # by rows of a table, which have no order: two wrote at once
                facts[key] = sorted(value.items())
        trials.append({key: repr(value) for key, value in facts.items()})
    own = found._storage.get_study_system_attrs(found._study_id)
    return found.direction, found.metric_names, found.user_attrs, own, trials


def counts(storage: Storage) -> list[int]:
    """How many rows there are in every table, Optuna's and ours."""
    with storage.engine.connect() as connection:
        inspector = sa.inspect(connection)
        names = [
            (s, t)
            for s in ("public", "hpo_ledger")
            for t in inspector.get_table_names(s)
        ]
        return [
            connection.execute(sa.text(f'SELECT count(*) FROM {s}."{t}"')).scalar_one()
            for s, t in names
        ]


def moved(here: Storage, there: Storage, study: str, tmp_path: Path) -> Path:
    """Carry a study over and return the file."""
    file = tmp_path / f"{study}.jsonl.gz"
    backup.export(here, study, file)
    backup.restore(there, file)
    return file


# --- equality ---


def test_every_column_and_what_optuna_sees(
    here: Storage, there: Storage, tmp_path: Path
) -> None:
    ledger = Ledger(here)
    odd = {"description": "Größe „ä“ \U0001f9ea", "sampler": {"name": "cmaes"}}
    ledger.register(toy_spec(**odd, budget={"trials": 8}))
    run_workers(here.url, "toy", 2)
    file = moved(here, there, "toy", tmp_path)
    assert rows(there, "toy", tmp_path) == rows(here, "toy", tmp_path)
    assert seen_by_optuna(there, "toy") == seen_by_optuna(here, "toy")
    assert Ledger(there).snapshot("toy").state == StudyState.DONE
    assert file.stat().st_size < (tmp_path / "rows.jsonl").stat().st_size / 2


def odd_study(ledger: Ledger) -> None:
    """Trials of every state, with values that a file easily spoils."""
    ledger.register(toy_spec(budget={"window": 8}))
    infinity, nan = float("inf"), float("nan")
    for number, state in enumerate(
        [SlotState.COMPLETE, SlotState.PRUNED, SlotState.FAILED]
    ):
        held = claim(ledger, "wörker „1“")
        ledger.store_suggestion(held, suggest(held.spec, number, ledger.history(held)))
        curve = (-0.0, 5e-324, 1.7976931348623157e308, nan, infinity, -infinity)
        info = {"big": 2**80, "tiny": 1e-320, "": None, "a\0b": '\\ "'}
        odd = {
            "seed": 2**63 - 1,
            "curve": curve,
            "scored_at": (1, 2, 3, 4, 5, 6),
            "loss_curve": (nan, 0.1 + 0.2),
            "info": info,
        }
        ledger.store_member(
            held, replace(member(0, -0.0), **odd, diverged=True, seconds=1e-9)
        )
        score = None if state == SlotState.FAILED else 0.1
        ledger.settle(
            held,
            End(
                state=state,
                score=score,
                steps=reported(*curve[:3]),
                message=f"{state}\n\t\x7f „\U0001f9ea",
                lineage={"versions": {"ü": [1, 2.5, None, True]}},
            ),
        )
    ledger.claim("toy", "not yet suggested", lease_s=60)


def test_what_was_done_by_hand_comes_along(
    here: Storage, there: Storage, tmp_path: Path
) -> None:
    ledger = Ledger(here)
    odd_study(ledger)
    interventions.exclude(ledger, "toy", 0, "a loose cable")
    interventions.retry(ledger, "toy", 2)
    interventions.stop(ledger, "toy")
    moved(here, there, "toy", tmp_path)
    assert rows(there, "toy", tmp_path) == rows(here, "toy", tmp_path)
    assert seen_by_optuna(there, "toy") == seen_by_optuna(here, "toy")
    states = [slot.state for slot in Ledger(there).snapshot("toy").search]
    assert states == ["excluded", "pruned", "running", "running"]


def test_what_others_added_comes_along(
    here: Storage, there: Storage, tmp_path: Path
) -> None:
    odd_study(Ledger(here))
    odd = optuna.load_study(study_name="toy", storage=here.optuna())
    optuna.create_study(study_name="so that ids differ", storage=there.optuna()).ask()
    trial = optuna.trial.Trial(odd, odd.trials[1]._trial_id)
    optuna_dashboard.save_note(odd, "of the **study**")
    optuna_dashboard.save_note(trial, "of trial 1")
    odd.set_user_attr("cite", "2408.02835")
    moved(here, there, "toy", tmp_path)
    copy = optuna.load_study(study_name="toy", storage=there.optuna())
    assert copy.trials[1]._trial_id != odd.trials[1]._trial_id
    same = optuna.trial.Trial(copy, copy.trials[1]._trial_id)
    assert optuna_dashboard.get_note(copy) == "of the **study**"
    assert optuna_dashboard.get_note(same) == "of trial 1"
    assert copy.user_attrs["cite"] == "2408.02835"


# --- what is refused ---


@pytest.fixture
def file(here: Storage, tmp_path: Path) -> Path:
    """A backup of the odd study, which is still in the database."""
    odd_study(Ledger(here))
    backup.export(here, "toy", tmp_path / "toy.jsonl")
    return tmp_path / "toy.jsonl"


def refused(storage: Storage, file: Path, name: str | None = None) -> str:
    """Why an import is refused, which leaves no trace."""
    before = counts(storage)
    with pytest.raises((BackupError, StudyError)) as caught:
        backup.restore(storage, file, name)
    assert counts(storage) == before
    return str(caught.value)


def test_a_name_that_is_taken(here: Storage, file: Path) -> None:
    assert (
        refused(here, file)
        == f"study 'toy': the name for {file} is taken by a study of the same spec."
        " Keep both: --name NEW."
    )
    ledger = Ledger(here)
    backup.restore(here, file, "copy")
    assert ledger.snapshot("copy").spec.hash == ledger.snapshot("toy").spec.hash
    optuna.create_study(study_name="foreign", storage=here.optuna())
    assert refused(here, file, "foreign").startswith(
        "study 'foreign': another program has made an Optuna study of this name. "
    )
    ledger.register(toy_spec("third", seed=4))
    assert refused(here, file, "third").startswith(
        f"study 'third': the name for {file} is taken by another study."
    )


def test_whatever_does_not_fit_the_database_is_undone(
    here: Storage, file: Path
) -> None:
    with here.engine.begin() as connection:
        limit = (
            "ALTER TABLE hpo_ledger.members ADD CHECK (slot_id < 4 OR seconds > 1) NOT"
            " VALID"
        )
        connection.execute(sa.text(limit))
    said = refused(here, file, "copy")
    assert said.startswith(f"{file}: line 2: the database refuses this: new row for")


# --- the command line ---


def test_export_and_import(hpo: Callable[..., str], file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "toy.jsonl.gz"
    assert hpo("export", "toy", "--backup", packed) == (
        f"{packed}\nso far: 3 of 24 trials finished: 1 complete, 1 pruned, 1 failed;"
        " 6 epochs of training; 1 running\nwith the source of toy_objective.py\n"
    )
    told = "3 of 24 trials finished (1 complete, 1 failed, 1 pruned, 1 running)\n"
    lines = len(Path(toy_objective.__file__).read_text().splitlines())
    holds = f"it holds the source of toy_objective.py, {lines} lines\n"
    assert (
        hpo("import", packed, "--dry-run") == f"{packed} is valid: toy, {told}{holds}"
    )
    assert (
        hpo("import", packed, "--name", "copy")
        == f"imported copy, {told}show it: hpo status copy\nnext: no worker serves this"
        " study; start some with `hpo worker --study copy`, or launch it again\n"
        f"{holds}it is not written; read it before you run it: hpo import {packed}"
        " --write-source FOLDER\n"
    )
    folder = tmp_path.with_name("source")
    file_of_it = folder / "toy_objective.py"
    assert hpo("import", packed, "--write-source", folder) == f"{file_of_it}\n"
    assert file_of_it.read_text() == Path(toy_objective.__file__).read_text()
    record = {"study": "third", "state": "open", "trials": 24, "finished": 3}
    record |= {"running": 1, "complete": 1, "pruned": 1, "failed": 1, "excluded": 0}
    assert (
        json.loads(hpo("import", packed, "--name", "third", "--json", "--dry-run"))
        == record
    )
    assert json.loads(hpo("import", packed, "--name", "third", "--json")) == record
    assert hpo("status", "third", status=0).startswith("third: open")
    hpo("stop", "copy")
    hpo("export", "copy", "--backup", packed.with_name("stopped.jsonl"))
    said = hpo("import", packed.with_name("stopped.jsonl"), "--name", "again")
    assert said.startswith(
        f"imported again, {told}show it: hpo status again\nnext: `hpo resume again`\n"
    )
    assert "a study of the same spec" in hpo("import", packed, status=1)
    assert hpo("import", packed, "--name", "../../x", status=1).startswith(
        f"error: {packed}: line 1: spec: name: "
    )
    hpo("export", "toy", "-o", tmp_path / "table.jsonl")
    assert (
        hpo("import", tmp_path / "table.jsonl", status=1)
        == f"error: {tmp_path}/table.jsonl: line 1: not the header of a backup. `hpo"
        " export STUDY --backup FILE` writes one; a table of trials cannot be"
        " imported.\n"
    )
    assert (
        hpo("export", "toy", "--backup", tmp_path / "toy.zst", status=1)
        == f"error: {tmp_path}/toy.zst: expected a name that ends in .jsonl or"
        " .jsonl.gz, got toy.zst. Choose one of these; any tool may compress a"
        " .jsonl further.\n"
    )
    assert hpo("export", "toy", "--backup", "/proc/toy.jsonl", status=1).startswith(
        "error: /proc/toy.jsonl: cannot be written: "
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "stopped.jsonl",
        "table.jsonl",
        "toy.jsonl",
        "toy.jsonl.gz",
    ], "nothing half-written is left"

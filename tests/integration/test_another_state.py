"""A database that comes back in another state: what workers remember of it is
forgotten, and what they write must fit it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from servers import database
from settling import claim, decide, finish, member
from users import somebody
from workers import (
    kill,
    ledger_at,
    run_workers,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from chaos import states
from hpo.errors import StorageError
from hpo.ledger import interventions
from hpo.ledger.claim_records import Claim, End, LeaseLostError, Wait
from hpo.ledger.ledger import Ledger
from hpo.ledger.schema import SCHEMA_VERSION, ask
from hpo.ledger.statements.tables import STORE_VERSION
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded import Embedded
from hpo.postgres.layout import ServerLayout
from hpo.postgres.retry import MissingTablesError, is_passing, outage_text, retry
from hpo.study.trials import SlotState, StudyState

SPEC = toy_spec(
    budget={"trials": 24, "window": 3, "clock": True}, fixed={"sleep_s": 0.02}
)
RESTORED = "tables of the database are missing or replaced, as during a restore"
HUNCH = {"x": 0.95, "k": 1, "colour": "red", "rate_per_ns": 1e-3}


@pytest.fixture
def url(hpo_home: Path) -> Iterator[str]:
    """A database on a server whose data are replaced."""
    with Embedded(hpo_home) as own:
        yield own.acquire()


def test_standing_workers_go_on_from_an_older_base_backup(
    url: str, hpo_home: Path, database_url: str
) -> None:
    layout = ServerLayout(hpo_home)
    copy = hpo_home / "copy"
    expected = undisturbed(database_url, SPEC)
    with ledger_at(url) as ledger:
        ledger.register(SPEC)
    workers = [start_worker(url, "--lease=2") for _ in range(3)]
    with ledger_at(url) as ledger:
        wait_until(lambda: ledger.snapshot("toy").finished >= 6, 120)
        states.back_up(url, layout, copy)
        number = interventions.enqueue(ledger, "toy", HUNCH)
        wait_until(lambda: ledger.snapshot("toy").finished >= number + 7, 120)
        assert ledger.snapshot("toy").search[number].params == HUNCH
    states.start_in_place(layout, copy)
    with ledger_at(url) as ledger:
        assert ledger.snapshot("toy").finished < number + 7
        wait_until(lambda: ledger.snapshot("toy").state == StudyState.DONE, 240)
        found = table(ledger.snapshot("toy", curves=True))
    for worker in workers:
        kill(worker, signal.SIGTERM)
    assert found == expected


@pytest.mark.parametrize("options", [("--single-transaction",), ()])
def test_standing_workers_go_on_after_a_restore_in_place(
    database_url: str,
    server_url: str,
    with_tables: str,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    """The tables and the types of Optuna are others then, of the same names."""
    dump = tmp_path / "dump"
    with database(server_url, with_tables) as url:
        expected = undisturbed(url, SPEC)
    with ledger_at(database_url) as ledger:
        ledger.register(SPEC)
        workers = [start_worker(database_url, "--lease=2") for _ in range(3)]
        wait_until(lambda: ledger.snapshot("toy").finished >= 6, 120)
        states.dump(database_url, dump)
        number = interventions.enqueue(ledger, "toy", HUNCH)
        wait_until(lambda: ledger.snapshot("toy").finished >= number + 7, 120)
    states.restore(database_url, dump, options)
    with ledger_at(database_url) as ledger:
        wait_until(lambda: ledger.snapshot("toy").state == StudyState.DONE, 120)
        found = table(ledger.snapshot("toy", curves=True))
    for worker in workers:
        kill(worker, signal.SIGTERM)
    assert found == expected


def test_a_launch_that_begins_within_a_restore_makes_no_table_and_waits(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    dump = tmp_path / "dump"
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec("other", budget={"trials": 2}, confirm=None))
        run_workers(database_url, "other", 1)
        expected = table(ledger.snapshot("other", curves=True))
    states.dump(database_url, dump)
    states.restore_part(empty_database_url, dump, "pre-data")
    with somebody(tmp_path, empty_database_url) as user:
        launch = user.launch("--no-report", "--no-confirm", "--workers=1")
        assert launch.stderr is not None
        assert launch.stderr.readline() == f"{RESTORED}, retrying\n"
        states.restore_part(empty_database_url, dump, "data")
        with pytest.raises(subprocess.TimeoutExpired):
            launch.wait(timeout=5)
        states.restore_part(empty_database_url, dump, "post-data")
        user.end(launch)
        assert user.snapshot().finished == 12
        assert table(user.snapshot("other")) == expected
    with open_storage(empty_database_url) as storage:
        assert storage.optuna().get_all_studies()


def test_what_a_trial_had_stored_and_the_database_lost_is_made_again(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(budget={"seeds": 3}))
    held = claim(ledger)
    ledger.store_suggestion(held, decide(ledger, held))
    ledger.store_member(held, member(0))
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hpo_ledger.members")
    lost = "trial 0: the database came back in an earlier state, without what w had"
    with pytest.raises(LeaseLostError, match=lost):
        ledger.store_member(held, member(1))
    trained = (member(0), member(1), member(2))
    end = End(state=SlotState.COMPLETE, score=0.5, trained=trained, last=member(2))
    with pytest.raises(LeaseLostError, match=lost):
        ledger.settle(held, end)
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hpo_ledger.slots SET params = NULL")
    failed = End(state=SlotState.FAILED, message="boom", trained=(), is_suggested=True)
    with pytest.raises(LeaseLostError, match=lost):
        ledger.settle(held, failed)
    again = claim(ledger)
    assert (again.number, again.attempt, again.finished) == (0, 1, ())
    assert again.suggestion is None


def test_nothing_is_claimed_from_tables_that_are_half_restored(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    key = "ALTER TABLE trials DROP CONSTRAINT trials_study_id_fkey"
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(key)
    answer = ledger.claim("toy", "w", lease_s=60.0)
    assert answer == Wait("toy: its database is being restored")
    waits = "its tables are not complete. If a backup is being restored, wait until"
    with pytest.raises(MissingTablesError, match=waits):
        ledger.register(toy_spec("new"))
    with pytest.raises(MissingTablesError, match=waits):
        ledger.snapshot("new")


def test_a_claim_waits_for_a_restore_that_has_not_stored_the_version(
    storage: Storage,
) -> None:
    said: list[str] = []

    def finish_restore(waited_s: float, error: Exception) -> None:
        said.append(outage_text(error))
        with storage.engine.begin() as connection:
            ask(connection, STORE_VERSION, version=SCHEMA_VERSION)

    patient = Ledger(storage, patience_s=60.0, on_wait=finish_restore)
    hasty = Ledger(storage)
    hasty.register(toy_spec())
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hpo_ledger.version")
    waits = "its tables are not complete. If a backup is being restored, wait until"
    with pytest.raises(StorageError, match=waits):
        hasty.claim("toy", "w", lease_s=60.0)
    answer = patient.claim("toy", "w", lease_s=60.0)
    assert isinstance(answer, Claim)
    assert said == [RESTORED]


def test_tables_that_stay_missing_ask_for_a_whole_restore() -> None:
    def work() -> None:
        raise MissingTablesError("no version")

    with pytest.raises(StorageError) as caught:
        retry(work, patience_s=0.0)
    assert str(caught.value) == (
        "database: tables are missing after 0 s. Restore a backup to its end, then"
        " start this again."
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.errors.UndefinedTable('relation "slots" does not exist'), RESTORED),
        (psycopg.errors.InternalError_("cache lookup failed for type 213"), RESTORED),
        (psycopg.errors.FeatureNotSupported("cached plan must not change"), RESTORED),
        (psycopg.errors.DiskFull("No space left"), "the disk of the database is full"),
    ],
)
def test_what_only_reading_survives_is_not_called_unreachable(
    error: Exception, said: str
) -> None:
    assert is_passing(error)
    assert outage_text(error) == said


def test_every_intervention_counts_as_an_amendment(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    interventions.enqueue(ledger, "toy", HUNCH)
    finish(ledger, claim(ledger))
    interventions.exclude(ledger, "toy", 0)
    interventions.prioritise(ledger, "toy", 3)
    interventions.extend(ledger, "toy", 30)
    interventions.stop(ledger, "toy")
    interventions.resume(ledger, "toy")
    done = [event.what for event in ledger.events(9)]
    assert len(done) == 7, done
    assert claim(ledger).version.amendments == len(done)

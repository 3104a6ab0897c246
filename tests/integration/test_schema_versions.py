"""Databases of other versions, and of users with few rights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from frozen import comparable, hurry, thaw
from processes import finish, start
from servers import connect
from workers import ledger_at, run_workers, table, toy_spec

from hpo.errors import StorageError
from hpo.ledger import interventions
from hpo.ledger.artifacts import ArtifactStore
from hpo.ledger.claims import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.ledger.tables import SCHEMA_VERSION, UPGRADES
from hpo.postgres.connect import open_storage
from hpo.search.suggest import suggest
from hpo.study.snapshot import StudyState
from hpo.study.trials import SlotState


@pytest.fixture(params=range(1, SCHEMA_VERSION))
def version(request: pytest.FixtureRequest) -> int:
    """An older version of the tables."""
    return int(request.param)


@pytest.fixture
def old_url(empty_database_url: str, version: int) -> str:
    """A database as an earlier release left it."""
    thaw(empty_database_url, version)
    return empty_database_url


def layout(url: str) -> list[tuple[Any, ...]]:
    """Columns and indexes of the ledger's tables."""
    with connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, is_generated, "
            "generation_expression "
            "FROM information_schema.columns WHERE table_schema = 'hpo_ledger'"
        ).fetchall()
        indexes = connection.execute(
            "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'hpo_ledger'"
        ).fetchall()
    return [*sorted(columns, key=str), *sorted(indexes, key=str)]


def test_every_older_version_has_its_upgrade() -> None:
    assert list(UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_an_old_database_is_upgraded_once_by_many_starters(empty_database_url: str) -> None:
    thaw(empty_database_url, 1)
    code = (
        "import sys\n"
        "from hpo.ledger.ledger import Ledger\n"
        "from hpo.postgres.connect import open_storage\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "with open_storage(sys.argv[1]) as storage: print(len(Ledger(storage).studies()))\n"
    )
    processes = [start(code, empty_database_url) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        process.stdin = None
        assert finish(process) == "3\n"


def test_an_upgraded_database_is_like_a_new_one_and_can_be_read(
    old_url: str, database_url: str
) -> None:
    with open_storage(old_url) as storage, connect(old_url) as connection:
        ledger = Ledger(storage)
        assert layout(old_url) == layout(database_url)
        found = connection.execute("SELECT version FROM hpo_ledger.version").fetchall()
        assert found == [(SCHEMA_VERSION,)]
        done, failed = ledger.snapshot("done", curves=True), ledger.snapshot("failed")
        seen = optuna.load_study(study_name="half", storage=storage.optuna())
        states = [trial.state.name for trial in seen.trials]
    assert done.state == StudyState.DONE
    assert [c.complete for c in done.confirmations] == [True, True]
    assert all(len(m.curve) == 4 for s in done.search for m in s.members if m.curve)
    assert failed.state == StudyState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith("3 slots in a row failed; the last one:\nTraceback")
    assert states == ["COMPLETE"] * 8 + ["PRUNED", "COMPLETE", "RUNNING", "RUNNING"]


def test_a_study_begun_by_an_old_release_ends_as_if_it_were_new(
    old_url: str, version: int, half_undisturbed: list[tuple[Any, ...]]
) -> None:
    """And what was finished before is not trained again to be kept."""
    with open_storage(old_url) as storage:
        ledger, store = Ledger(storage), ArtifactStore(storage.engine)
        owed = [] if version < 3 else ["done"]  # version 3 kept networks, and was told not to
        assert store.due() == owed
        before = ledger.snapshot("half", curves=True)
        assert before.count(SlotState.RUNNING) == 2
        interventions.accept_code(ledger, "half")  # what objectives are made of has changed since
        hurry(old_url)
        run_workers(old_url, "half", 2, "--lease=1")
        after = ledger.snapshot("half", curves=True)
        assert sorted(store.due()) == [*owed, "half"], "what ends now is kept"
    assert after.state == StudyState.DONE
    assert comparable(table(after)) == comparable(half_undisturbed)
    kept = [slot.number for slot in before.search if slot.state != SlotState.RUNNING]
    assert [after.search[n].settled_at for n in kept] == [before.search[n].settled_at for n in kept]


def test_no_upgrade_under_the_hands_of_older_workers(old_url: str, version: int) -> None:
    with connect(old_url) as connection:
        connection.execute(
            "INSERT INTO hpo_ledger.workers (name, host, pid, doing, lease_s) "
            "VALUES ('busy-1', 'h', 1, 'half: trial 3', 60)"
        )
        with open_storage(old_url) as storage, pytest.raises(StorageError) as caught:
            Ledger(storage)
        assert str(caught.value).endswith(
            f": no worker must be at work while its tables are upgraded from version {version} to "
            f"{SCHEMA_VERSION}, but got workers=busy-1. Stop them (SIGTERM or Ctrl-C: nothing is "
            f"lost), then try again."
        )
        assert connection.execute("SELECT version FROM hpo_ledger.version").fetchone() == (version,)
        connection.execute("UPDATE hpo_ledger.workers SET ended_at = now()")
    with ledger_at(old_url) as ledger:
        assert len(ledger.studies()) == 3


def test_the_cost_of_a_slot_becomes_the_first_of_its_costs(empty_database_url: str) -> None:
    thaw(empty_database_url, 7)
    with connect(empty_database_url) as connection:
        connection.execute("UPDATE hpo_ledger.slots SET cost = 2.5 WHERE number = 0")
        connection.execute("CREATE VIEW mine AS SELECT cost FROM hpo_ledger.slots")
        with open_storage(empty_database_url) as storage, pytest.raises(StorageError) as caught:
            Ledger(storage)
        assert "no view of others may stand on a column that an upgrade makes anew" in str(
            caught.value
        )
        connection.execute("DROP VIEW mine")
        with ledger_at(empty_database_url):
            found = connection.execute(
                "SELECT DISTINCT cost, costs, number = 0 FROM hpo_ledger.slots"
            ).fetchall()
    assert sorted(found, key=str) == [(2.5, [2.5], True), (None, [], False)]


def test_a_newer_database_is_refused_at_the_start_and_by_the_next_claim(database_url: str) -> None:
    newer = SCHEMA_VERSION + 1
    said = (
        f"its tables must be of version {SCHEMA_VERSION} or older, but got version={newer}. "
        "Update this installation: a newer one has used the database."
    )
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec())
        with storage.engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE hpo_ledger.version SET version = {newer}"))
        with pytest.raises(StorageError) as caught:
            ledger.claim("toy", "w", lease_s=60)
        assert str(caught.value).endswith(said)
        with pytest.raises(StorageError) as caught:
            Ledger(storage)
        assert str(caught.value).endswith(said)


@pytest.fixture
def plain_user(database_url: str) -> Iterator[str]:
    """URL for a user who may read and write the rows of the tables there are, and nothing else."""
    with ledger_at(database_url), connect(database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS plain")
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'p'")
        for schema in ("public", "hpo_ledger"):
            connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO plain")
            for what in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
                connection.execute(f"GRANT {what} IN SCHEMA {schema} TO plain")
        try:
            url = sa.make_url(database_url).set(username="plain", password="p")
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute("DROP OWNED BY plain")
            connection.execute("DROP ROLE plain")


def test_a_user_without_rights_on_the_schema_runs_studies(plain_user: str) -> None:
    with ledger_at(plain_user) as ledger:
        ledger.register(toy_spec(budget={"trials": 2}, confirm=False))
        while isinstance(held := ledger.claim("toy", "w", lease_s=60), Claim):
            ledger.store_suggestion(held, suggest(held.spec, held.number, ledger.history(held)))
            ledger.settle(held, End(state=SlotState.COMPLETE, score=0.5))
        assert ledger.snapshot("toy").state == StudyState.DONE


def test_a_user_without_rights_cannot_upgrade(plain_user: str, database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("UPDATE hpo_ledger.version SET version = 1")
        connection.execute("DROP INDEX hpo_ledger.slots_failed")
    with open_storage(plain_user) as storage, pytest.raises(StorageError) as caught:
        Ledger(storage)
    assert "user plain: the user must be allowed to create tables the first time, and own " in str(
        caught.value
    )
    assert "must be owner of table slots" in str(caught.value)

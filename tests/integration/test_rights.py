"""Rights, passwords and databases that are taken away under standing workers, as where
a restore brings them back later than the tables."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from servers import connect, database
from workers import ended as done
from workers import (
    kill,
    ledger_at,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from hpo.errors import StorageError
from hpo.ledger.schema import schema
from hpo.postgres.connect import has_tables, open_storage
from hpo.postgres.retry import is_passing, outage_text, retry
from hpo.study.trials import StudyState
from hpo.worker.crew import report_loss

SPEC = toy_spec(budget={"trials": 24, "window": 3}, fixed={"sleep_s": 0.02})
ROLE, SECRET = "standing", "geheim"
ALL = (
    "GRANT {0} ON SCHEMA hpo_ledger, public {1} standing",
    "GRANT {0} ON ALL TABLES IN SCHEMA hpo_ledger, public {1} standing",
    "GRANT {0} ON ALL SEQUENCES IN SCHEMA hpo_ledger, public {1} standing",
)
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'standing'"
)
TAKEN = {
    "rights": [one.format("ALL", "FROM").replace("GRANT", "REVOKE") for one in ALL],
    "password": ["ALTER ROLE standing PASSWORD 'another'", CUT],
    "login": ["ALTER ROLE standing NOLOGIN", CUT],
}
GIVEN = {
    "rights": [one.format("ALL", "TO") for one in ALL],
    "password": [f"ALTER ROLE standing PASSWORD '{SECRET}'"],
    "login": ["ALTER ROLE standing LOGIN"],
}
REFUSED = "the database refuses this role, as after a restore without its rights for"


@pytest.fixture(autouse=True)
def _no_role(server_url: str) -> Iterator[None]:
    """The role does not outlive the database of its test."""
    yield
    with connect(server_url) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {ROLE}")


def run(url: str, statements: list[str]) -> None:
    with connect(url) as owner:
        for statement in statements:
            owner.execute(statement)


@pytest.fixture
def role_url(database_url: str) -> str:
    """The database as a role reaches it that owns nothing."""
    run(database_url, [f"CREATE ROLE {ROLE} LOGIN PASSWORD '{SECRET}'"])
    run(database_url, GIVEN["rights"])
    changed = sa.make_url(database_url).set(username=ROLE, password=SECRET)
    return changed.difference_update_query(["passfile"]).render_as_string(
        hide_password=False
    )


@pytest.mark.parametrize("what", TAKEN)
def test_standing_workers_wait_until_they_are_let_in_again(
    database_url: str, role_url: str, server_url: str, with_tables: str, what: str
) -> None:
    with database(server_url, with_tables) as calm:
        expected = undisturbed(calm, SPEC)
    with ledger_at(database_url) as ledger:
        ledger.register(SPEC)
        workers = [start_worker(role_url, "--lease=2") for _ in range(2)]
        wait_until(lambda: ledger.snapshot("toy").finished >= 6, 120)
        run(database_url, TAKEN[what])
        with pytest.raises(AssertionError):  # longer than a lease
            wait_until(lambda: ended(workers), 4)
        before = ledger.snapshot("toy").finished
        assert before < 24
        run(database_url, GIVEN[what])
        wait_until(lambda: ledger.snapshot("toy").state == StudyState.DONE, 120)
        found = table(ledger.snapshot("toy", curves=True))
    for worker in workers:
        said = kill(worker, signal.SIGTERM)
        assert f"WARNING {REFUSED} " in said
        assert "Traceback" not in said
    assert found == expected


@pytest.mark.parametrize("what", ["rights", "password"])
def test_a_worker_that_takes_the_place_of_another_waits_likewise(
    database_url: str,
    role_url: str,
    server_url: str,
    with_tables: str,
    tmp_path: Path,
    what: str,
) -> None:
    with database(server_url, with_tables) as calm:
        expected = undisturbed(calm, SPEC)
    with ledger_at(database_url) as ledger:
        ledger.register(SPEC)
        line = ("--study=toy", "--workers=2", "--lease=2", f"--logs={tmp_path}")
        crew = start_worker(role_url, *line)
        wait_until(lambda: ledger.snapshot("toy").finished >= 2, 120)
        run(database_url, TAKEN[what])
        for worker in ledger.workers():
            os.kill(worker.pid, signal.SIGKILL)
        waits = f"{REFUSED.removesuffix(' for')}, waiting: "
        wait_until(lambda: all(waits in said for said in read(tmp_path)), 120)
        assert crew.poll() is None
        run(database_url, GIVEN[what])
        said = done(crew)
        assert "died at once" not in said
        assert table(ledger.snapshot("toy", curves=True)) == expected


def test_a_crew_that_is_never_let_in_ends_with_the_reason(
    database_url: str, role_url: str, tmp_path: Path
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(SPEC)
    run(database_url, TAKEN["password"])
    crew = start_worker(role_url, "--study=toy", "--workers=1", f"--logs={tmp_path}")
    _, said = crew.communicate(timeout=120)
    assert crew.returncode == 1
    assert "3 workers in a row died at once (exit status 77)" in said
    assert "wrong user or password: connection failed" in said


def read(logs: Path) -> list[str]:
    return [log.read_text() for log in logs.glob("*.log")]


def ended(workers: list[subprocess.Popen[str]]) -> bool:
    return any(worker.poll() is not None for worker in workers)


@pytest.mark.parametrize("what", ["password", "login", "rights"])
def test_a_worker_that_starts_without_them_ends_at_once(
    database_url: str, role_url: str, what: str
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(SPEC)
    run(database_url, TAKEN[what])
    worker = start_worker(role_url)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 1, said
    words = {
        "password": "wrong user or password: connection failed",
        "login": "wrong user or password: connection failed",
        "rights": "this user may not create tables or triggers",
    }
    assert words[what] in said


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError('FATAL: password authentication failed for user "w"'),
        psycopg.OperationalError('FATAL: database "hpo" does not exist'),
        psycopg.errors.InsufficientPrivilege("permission denied for table slots"),
    ],
)
def test_only_a_process_that_was_let_in_before_waits(error: Exception) -> None:
    answers: list[Exception | None] = [error, None]

    def work() -> bool:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return True

    assert not is_passing(error)
    with pytest.raises(type(error)):
        retry(work, patience_s=60.0)
    answers.insert(0, error)
    assert retry(work, patience_s=60.0, standing=True)
    assert outage_text(error) == REFUSED.removesuffix(" for")


def test_rights_that_stay_away_are_asked_for() -> None:
    def work() -> None:
        raise psycopg.errors.InsufficientPrivilege("permission denied for table slots")

    with pytest.raises(StorageError) as caught:
        retry(work, patience_s=0.0, standing=True)
    assert str(caught.value) == (
        "database: it has refused this role for 0 s: permission denied for table"
        " slots. Give the role its password and its rights back, then start this again:"
        " the study continues where it was."
    )


def test_workers_of_a_study_make_no_table_in_a_database_that_is_being_restored(
    empty_database_url: str,
) -> None:
    """A table of theirs would stop the restore."""
    assert report_loss("toy@w", None, empty_database_url) is None
    worker = start_worker(empty_database_url, "--study=toy")
    lines = []
    assert worker.stderr is not None
    while "hpo has no table here" not in "".join(lines):
        lines.append(worker.stderr.readline())
    with open_storage(empty_database_url, creates=False) as storage:
        assert not has_tables(storage, schema)
        made = sa.inspect(storage.engine).get_table_names()
    kill(worker, signal.SIGTERM)
    assert made == []

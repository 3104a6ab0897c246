"""The role of workers: it can do all work on studies, and nothing to the tables."""

from __future__ import annotations

import getpass
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from servers import connect
from workers import run_workers, table, toy_spec, undisturbed

from hpo.cli import main as cli_main
from hpo.errors import StorageError
from hpo.ledger.claims import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.ledger.roles import set_up
from hpo.postgres.connect import Storage, open_storage
from hpo.study.snapshot import StudyState
from hpo.study.trials import SlotState

ROLE = "Workers-1"
SMALL = {"budget": {"trials": 4}, "confirm": {"top": 1, "members": 2}}


@pytest.fixture(autouse=True)
def _no_roles(server_url: str) -> Iterator[None]:
    """No role of workers outlives the databases of its test."""
    yield
    with connect(server_url) as connection:
        connection.execute(f'DROP ROLE IF EXISTS "{ROLE}", guest')


@pytest.fixture
def owner(storage: Storage) -> Storage:
    """The database as its owner sees it."""
    return storage


@pytest.fixture
def url(owner: Storage) -> str:
    """The database as workers reach it."""
    set_up(owner, ROLE, "gut%geheim")
    return as_role(owner.url)


def as_role(url: str, password: str = "gut%geheim", role: str = ROLE) -> str:
    changed = sa.make_url(url).set(username=role, password=password)
    return changed.difference_update_query(["passfile"]).render_as_string(hide_password=False)


def test_a_worker_makes_no_large_objects(url: str) -> None:
    for call in ("lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'x')"):
        with connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT {call}")


def test_a_worker_can_forget_nothing_that_people_did(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    who = f"{getpass.getuser()}@{platform.node()}"
    with open_storage(url) as storage:
        Ledger(storage).register(toy_spec(**SMALL))
        Ledger(storage).register(toy_spec(**{**SMALL, "budget": {"trials": 5}}))
        lines = (["stop", "toy"], ["resume", "toy"], ["priority", "toy", "5"])
        for line in (*lines, ["delete", "toy", "--yes"]):
            assert cli_main.main([*line, "--storage", url]) == 0
        events = Ledger(storage).events(9)
    did = ["submitted", "extended to 5 trials", "stopped", "resumed"]
    did += ["priority 5 (was 0)", "deleted"]
    assert [(e.who, e.what, e.study) for e in events] == [(who, what, "toy") for what in did]
    capsys.readouterr()
    assert cli_main.main(["storage", "log", "--storage", url]) == 0
    assert [line.split(maxsplit=2)[2] for line in capsys.readouterr().out.splitlines()] == [
        f"{who}  {what}{' ' * (len(did[1]) - len(what))}  toy" for what in did
    ]
    for statement in ("DELETE FROM hpo_ledger.events", "UPDATE hpo_ledger.events SET who = 'me'"):
        with connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_worker_can_do_everything_to_studies(
    owner: Storage, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_storage(url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec(**SMALL))
        claim = ledger.claim("toy", "w", lease_s=60)
        assert isinstance(claim, Claim)
        ledger.settle(claim, End(state=SlotState.FAILED, message="why"))
        assert cli_main.main(["retry", "toy", "--trial", "0", "--storage", url]) == 0
        run_workers(url, "toy", 1)
        assert table(ledger.snapshot("toy", curves=True)) == undisturbed(
            owner.url, toy_spec("alone", **SMALL)
        )
        backup = str(tmp_path / "toy.jsonl")
        for line in (
            ["exclude", "toy", "--trial", "1"],
            ["extend", "toy", "--trials", "5"],
            ["stop", "toy"],
            ["resume", "toy"],
        ):
            assert cli_main.main([*line, "--storage", url]) == 0, capsys.readouterr().err
        run_workers(url, "toy", 1)
        snapshot = ledger.snapshot("toy")
        assert (snapshot.state, snapshot.settled) == (StudyState.DONE, 5)
        assert snapshot.count(SlotState.EXCLUDED) == 1
        optuna.load_study(study_name="toy", storage=storage.optuna()).set_user_attr("note", "text")
        for line in (
            ["publish", "toy"],
            ["export", "toy", "--backup", backup],
            ["import", backup, "--name", "again"],
            ["delete", "toy", "--yes"],
        ):
            assert cli_main.main([*line, "--storage", url]) == 0, capsys.readouterr().err
        assert {study.name for study in ledger.studies()} == {"alone", "again"}


def test_a_worker_can_do_nothing_to_the_tables(url: str) -> None:
    statements = (
        "CREATE TABLE mine (x int)",
        "CREATE TABLE hpo_ledger.mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE hpo_ledger.slots ADD mine int",
        "ALTER TABLE trials DROP COLUMN state",
        "DROP TABLE hpo_ledger.workers",
        "DROP SCHEMA hpo_ledger CASCADE",
        "TRUNCATE trials CASCADE",
        "UPDATE hpo_ledger.version SET version = 99",
        "UPDATE alembic_version SET version_num = 'x'",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
    )
    with connect(url) as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_tables_that_come_later_are_granted_too(owner: Storage, url: str) -> None:
    with owner.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE hpo_ledger.later (id serial, x int)"))
    with connect(url) as worker:
        worker.execute("INSERT INTO hpo_ledger.later (x) VALUES (1)")
        worker.execute("DELETE FROM hpo_ledger.later")


def test_migrate_again_sets_the_password_that_the_file_holds(
    owner: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "worker"
    migrate = ["storage", "migrate", "--storage", owner.url, "--worker-role", ROLE]
    migrate += ["--worker-password-file", str(file)]
    file.write_text("erst-geheim\n")
    assert cli_main.main(migrate) == 0
    assert capsys.readouterr().out == (
        f"{owner.place()}: tables of version {_version(owner)}\nworkers connect as {ROLE}\n"
    )
    open_storage(as_role(owner.url, "erst-geheim")).close()
    file.write_text("dann-geheim")
    assert cli_main.main(migrate) == 0
    open_storage(as_role(owner.url, "dann-geheim")).close()
    with pytest.raises(StorageError, match="user and password must be right"):
        open_storage(as_role(owner.url, "erst-geheim"))
    with owner.engine.connect() as connection:
        kept = sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = :role")
        assert str(connection.scalar(kept, {"role": ROLE})).startswith("SCRAM-SHA-256$")
    assert cli_main.main(migrate[:6]) == 0, "without a file, the password stays"
    open_storage(as_role(owner.url, "dann-geheim")).close()


def _version(owner: Storage) -> int:
    with owner.engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT version FROM hpo_ledger.version")) or 0)


def test_four_processes_migrate_at_once(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "worker").write_text("gut%geheim")
    command = [sys.executable, "-m", "hpo", "storage", "migrate", "--storage", empty_database_url]
    command += [f"--worker-role={ROLE}", f"--worker-password-file={tmp_path / 'worker'}"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    with open_storage(as_role(empty_database_url)) as storage:
        Ledger(storage).register(toy_spec())


@pytest.mark.parametrize(
    ("attribute", "right"),
    [
        ("ALTER ROLE guest CREATEDB", "createdb"),
        ("ALTER ROLE guest SUPERUSER", "superuser, create in the database, create tables"),
        ("GRANT hpo TO guest", "member of hpo, create in the database, create tables"),
        ("GRANT CREATE ON SCHEMA public TO guest", "create tables"),
    ],
)
def test_a_role_that_may_do_more_is_refused(
    owner: Storage, database_url: str, attribute: str, right: str
) -> None:
    with connect(database_url) as connection:
        connection.execute("CREATE ROLE guest")
        connection.execute(attribute)  # type: ignore[arg-type]
    with pytest.raises(StorageError) as caught:
        set_up(owner, "guest", "geheim")
    assert str(caught.value) == (
        f"{owner.place()}: the role of workers must have no rights but on the rows of the tables, "
        f"but got guest with rights={right}. Name another role; one that does not exist is made."
    )
    with owner.engine.connect() as connection:
        granted = sa.text("SELECT has_table_privilege('guest', 'hpo_ledger.slots', 'UPDATE')")
        assert connection.scalar(granted) is (right.startswith(("superuser", "member")))


def test_the_owner_itself_is_refused(owner: Storage) -> None:
    with pytest.raises(StorageError, match="but got hpo with rights=superuser"):
        set_up(owner, "hpo", "geheim")


def test_who_may_make_no_roles_is_told_so(owner: Storage, url: str) -> None:
    with open_storage(url) as storage, pytest.raises(StorageError) as caught:
        set_up(storage, "guest")
    said = str(caught.value)
    assert f"user {ROLE}: the user must own the tables and be allowed to create roles, but " in said
    assert "but got: permission denied to create role. Run this as the owner of the data" in said


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["status", "--worker-role=w"], "--worker-role goes with `hpo storage migrate`"),
        (["migrate", "--worker-password-file=f"], "--worker-password-file goes with --worker-role"),
        (
            ["migrate", "--worker-role=w", "--worker-password-file=/no/such"],
            "--worker-password-file: the file must be readable, but got /no/such: No such file",
        ),
    ],
)
def test_options_that_make_no_sense(
    line: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(main: Callable[[list[str]], int]) -> int:
        try:
            return main(["storage", *line])
        except SystemExit as ended:
            return int(str(ended.code))

    assert run(cli_main.main) in (1, 2)
    assert text in capsys.readouterr().err

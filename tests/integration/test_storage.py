"""Reaching a PostgreSQL: what works, and what is said when it does not."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from processes import finish, start
from servers import connect
from tables import METADATA, SCHEMA, THINGS

from hpo.errors import StorageError
from hpo.ledger.ledger import Ledger
from hpo.postgres import connect as storage_module
from hpo.postgres.connect import Schema, open_storage, prepare_database
from hpo.postgres.embedded.client import status, stop


@pytest.fixture
def password(empty_database_url: str) -> str:
    passfile = sa.make_url(empty_database_url).query["passfile"]
    assert isinstance(passfile, str)
    return Path(passfile).read_text().strip().rsplit(":", 1)[-1]


def refusal(url: str) -> str:
    """What is said about a URL that does not work, within a reasonable time and without secrets."""
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        open_storage(url)
    assert time.monotonic() - began < 11.0
    assert "geheim" not in str(caught.value)
    return str(caught.value)


# --- the right way -------------------------------------------------------------------------------


def test_a_database_by_url(empty_database_url: str) -> None:
    storage = open_storage(empty_database_url, prepare=SCHEMA)
    with storage, storage.engine.begin() as connection:
        at = connection.scalar(sa.insert(THINGS).returning(THINGS.c.at))
        assert at is not None
        assert at.utcoffset() == timedelta(0)
        assert connection.scalar(sa.text("SHOW TimeZone")) == "UTC"
        assert connection.scalar(sa.text("SHOW application_name")) == "hpo"
        assert not storage.embedded
        assert storage.describe().startswith("PostgreSQL 18.4, database test_")


def test_numbers_keep_their_digits_whatever_the_database_sets(empty_database_url: str) -> None:
    name = sa.make_url(empty_database_url).database
    with connect(empty_database_url) as admin:
        admin.execute(f"ALTER DATABASE {name} SET extra_float_digits = 0")
    with open_storage(empty_database_url) as storage:
        for engine in (storage.engine, storage.optuna().engine):
            with engine.connect() as connection:
                found = connection.scalar(sa.text("SELECT (203::float8 / 269)::text"))
                assert found is not None
                assert float(found) == 203 / 269


def test_over_tcp_with_a_password(tcp_url: Callable[[str], str], password: str) -> None:
    with open_storage(tcp_url(f"hpo:{password}")) as storage:
        port = storage.engine.url.port
        assert storage.describe() == (
            f"PostgreSQL 18.4, database {storage.engine.url.database} at 127.0.0.1:{port}, user hpo"
        )
        assert password in storage.url
        with open_storage(storage.url) as again:
            assert again.url == storage.url


def test_a_password_in_a_file_that_changes_meanwhile(
    tcp_url: Callable[[str], str], password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_FILE", str(file))
    file.write_text("geheim")
    assert "user and password must be right" in refusal(tcp_url("hpo"))
    file.write_text(f"{password}\n")
    with open_storage(tcp_url("hpo")) as storage:
        assert password not in storage.url
        storage.optuna().get_all_studies()
        storage.engine.dispose()
        file.write_text("no longer")
        with pytest.raises(sa.exc.OperationalError), storage.engine.connect():
            pass
        file.write_text(password)
        with storage.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1


def test_optuna_shares_the_database(empty_database_url: str) -> None:
    with open_storage(empty_database_url) as storage:
        rdb = storage.optuna()
        study = optuna.create_study(storage=rdb, study_name="s")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        with rdb.engine.connect() as connection:
            assert connection.scalar(sa.text("SHOW TimeZone")) == "UTC"
            assert connection.scalar(sa.text("SHOW application_name")) == "hpo"
        with storage.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM trials")) == 2
        rdb.engine.dispose()


def test_the_argument_wins_over_the_variable_and_that_over_the_embedded_server(
    empty_database_url: str, hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_STORAGE", "postgresql://hpo@127.0.0.1:1/nowhere")
    with open_storage(empty_database_url) as storage:
        assert not storage.embedded
    monkeypatch.setenv("HPO_STORAGE", empty_database_url)
    with open_storage() as storage:
        assert storage.engine.url.database == sa.make_url(empty_database_url).database
    assert not status(hpo_home).running
    monkeypatch.setenv("HPO_STORAGE", "sqlite:///x.db")
    with pytest.raises(StorageError, match="HPO_STORAGE: the storage must be a PostgreSQL"):
        open_storage()
    with pytest.raises(StorageError, match=r"^storage URL: the storage must be"):
        open_storage("")


def test_the_embedded_server_is_kept_alive_by_its_url_too(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "of some other database")
    with open_storage() as first:
        assert first.embedded
        assert first.describe() == (
            f"PostgreSQL 18.4, database hpo of the embedded server in {hpo_home}"
        )
        second = open_storage(first.url)
    with second, pytest.raises(StorageError, match="must be unused to be stopped"):
        stop(hpo_home)
    stop(hpo_home)
    assert not status(hpo_home).running


# --- what is said when it does not work ----------------------------------------------------------


def test_nobody_at_the_port() -> None:
    assert refusal("postgresql://me:geheim@127.0.0.1:1/studies") == (
        "database studies at 127.0.0.1:1, user me: the server must accept connections within 10 "
        's, but got: connection failed: connection to server at "127.0.0.1", port 1 failed: '
        "Connection refused. Check host and port in the URL, that the server runs, and that no "
        "firewall is between."
    )


def test_an_unknown_host() -> None:
    said = refusal("postgresql://me:geheim@nowhere.invalid/studies")
    assert said.startswith(
        "database studies at nowhere.invalid:5432, user me: the server must accept connections "
        "within 10 s, but got: "
    )


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "CONNECT_TIMEOUT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = refusal(f"postgresql://me:geheim@127.0.0.1:{mute.getsockname()[1]}/studies")
    assert "must accept connections within 2 s, but got: connection timeout expired" in said


def test_a_wrong_password(tcp_url: Callable[[str], str]) -> None:
    said = refusal(tcp_url("hpo:geheim"))
    assert "user hpo: user and password must be right, but got: " in said
    assert 'password authentication failed for user "hpo". Correct them in the URL (' in said
    assert "user and password must be right" in refusal(tcp_url("stranger:geheim"))


def test_a_database_that_does_not_exist(empty_database_url: str) -> None:
    url = (
        sa.make_url(empty_database_url)
        .set(database="nothere")
        .render_as_string(hide_password=False)
    )
    said = refusal(url)
    assert ": the database must exist, but got: " in said
    assert said.endswith(
        'database "nothere" does not exist. Create it with `createdb`, or correct its name in '
        "the URL."
    )


def test_a_server_without_tls(tcp_url: Callable[[str], str]) -> None:
    said = refusal(tcp_url("hpo:geheim") + "?sslmode=require")
    assert ": the server must offer TLS, since sslmode in the URL asks for it, but got: " in said
    assert "server does not support SSL, but SSL was required. Switch it on in its" in said


@pytest.mark.parametrize("option", ["colour=blue", "sslmode=blue", "connect_timeout=blue"])
def test_an_option_that_libpq_does_not_know(option: str) -> None:
    said = refusal(f"postgresql://me:geheim@127.0.0.1:1/studies?{option}")
    assert ": what follows the ? must be options of libpq, but got: " in said
    assert said.endswith(". Correct or remove the option in the URL.")


def test_a_server_that_is_too_old(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "OLDEST_MAJOR", 99)
    assert refusal(empty_database_url).endswith(
        ": the server must be PostgreSQL 99 or newer, but got version=18.4. Use a newer server, "
        "or the embedded one."
    )


# --- tables --------------------------------------------------------------------------------------


def test_four_processes_create_the_tables_once(empty_database_url: str) -> None:
    code = (
        "import sys\n"
        "from tables import SCHEMA, THINGS\n"
        "import sqlalchemy as sa\n"
        "from hpo.postgres.connect import open_storage\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "with open_storage(sys.argv[1], prepare=SCHEMA) as storage:\n"
        "    storage.optuna().engine.dispose()\n"
        "    with storage.engine.begin() as c: c.execute(sa.insert(THINGS))\n"
    )
    support = str(Path(__file__).parents[1] / "support")
    environment = os.environ | {"PYTHONPATH": support}
    processes = [start(code, empty_database_url, env=environment) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # all have imported what they need, and start at once
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        process.stdin = None
        finish(process)
    with connect(empty_database_url) as connection:
        counts = "SELECT (SELECT count(*) FROM ours.things), (SELECT count(*) FROM alembic_version)"
        assert connection.execute(counts).fetchone() == (4, 1)


def test_a_complete_database_is_only_read(empty_database_url: str) -> None:
    open_storage(empty_database_url, prepare=SCHEMA).close()
    with connect(empty_database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
        connection.execute("GRANT USAGE ON SCHEMA ours TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public, ours TO reader")
        connection.execute("ALTER ROLE reader SET default_transaction_read_only = on")
        try:
            url = sa.make_url(empty_database_url).set(username="reader", password="r")
            with open_storage(url.render_as_string(hide_password=False), prepare=SCHEMA) as storage:
                rdb = storage.optuna()
                assert rdb.get_all_studies() == []
                rdb.engine.dispose()
        finally:
            connection.execute("DROP OWNED BY reader")
            connection.execute("DROP ROLE reader")


def test_a_user_who_may_not_create_tables(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'geheim'")
        try:
            url = sa.make_url(empty_database_url).set(username="guest", password="geheim")
            said = refusal(url.render_as_string(hide_password=False))
        finally:
            connection.execute("DROP ROLE guest")
    assert (
        "user guest: the user must be allowed to create tables the first time, and own them to "
        "upgrade them, but got: "
        "permission denied for schema public"
    ) in said
    assert said.endswith(
        ". Run `hpo storage migrate` as a user who does, or for the first time: GRANT CREATE ON "
        "DATABASE ..., GRANT CREATE ON SCHEMA public."
    )


def test_tables_of_another_optuna(empty_database_url: str) -> None:
    with open_storage(empty_database_url) as storage:
        with storage.engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v3.0.0.d'"))
        with pytest.raises(StorageError) as caught:
            storage.optuna()
    said = str(caught.value)
    assert ": Optuna's tables must be of version v3.2.0.a, but got version=v3.0.0.d. If" in said
    assert said.endswith(
        "If it is older, back the database up and run `optuna storage upgrade --storage URL`; if "
        "it is newer, upgrade this project."
    )


def test_a_creation_that_fails_leaves_nothing(empty_database_url: str) -> None:
    def fail(connection: sa.Connection) -> None:
        METADATA.create_all(connection.execution_options())
        raise RuntimeError("half way")

    with open_storage(empty_database_url) as storage:
        with storage.engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema("ours"))
        with pytest.raises(RuntimeError, match="half way"):
            prepare_database(storage, Schema(SCHEMA.is_current, fail))
        with storage.engine.connect() as connection:
            assert not SCHEMA.is_current(connection)
        prepare_database(storage, SCHEMA)


def test_a_worker_may_be_the_first_on_an_empty_database(empty_database_url: str) -> None:
    with open_storage(empty_database_url, worker=True) as storage:
        assert Ledger(storage).studies() == []

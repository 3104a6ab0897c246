"""Databases over an encrypted connection, set up as docs/how-to/several-hosts.md says.

Real certificates, a real server, real clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import sqlalchemy as sa
from browsing import dashboard
from servers import temporary_home
from tls import PASSWORD, TlsServer, tls_server
from workers import ledger_at, run_workers, start_worker, toy_spec

from hpo.cli import doctor
from hpo.cli.findings import line
from hpo.errors import StorageError
from hpo.postgres.connect import open_storage
from hpo.study.trials import StudyState

PAGE = (Path(__file__).parents[2] / "docs/how-to/several-hosts.md").read_text()
ANOTHER_CA = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj '/CN=another' -keyout"
    " other.key -out other.crt"
)


def block(begins: str) -> str:
    """The code block of the page that begins so, for a server on this host."""
    (found,) = re.findall(rf"^```\w*\n({re.escape(begins)}.*?)^```", PAGE, re.M | re.S)
    return (
        str(found)
        .replace("db.lab.example", "localhost")
        .replace("10.0.0.0/8", "127.0.0.0/8")
    )


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    """A server as the page sets it up."""
    with temporary_home() as home:
        certificates = f"{block('openssl req')}\n{ANOTHER_CA}"
        with tls_server(
            home, certificates, block("hostssl"), block("listen_addresses")
        ) as found:
            yield found


def test_workers_and_dashboard_work_over_a_verified_connection(
    server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "pgpass"
    password.write_text(f"localhost:{server.port}:hpo:hpo:{PASSWORD}\n")
    password.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(password))
    url = server.verified().replace(f":{PASSWORD}@", "@")
    with ledger_at(url) as ledger:
        ledger.register(toy_spec("over-tls", budget={"trials": 4}, confirm=None))
        run_workers(url, "over-tls", 2)
        assert ledger.snapshot("over-tls").state == StudyState.DONE
        refused = start_worker(
            server.url("127.0.0.1", sslmode="verify-full", sslrootcert=server.ca)
        )
        _, said = refused.communicate(timeout=50)
        assert (refused.returncode, MEND in said, PASSWORD in said) == (
            1,
            True,
            False,
        ), said
        with dashboard(url) as address, urlopen(address) as answer:
            assert b"over-tls" in answer.read()
        with psycopg.connect(server.verified()) as connection:
            connection.execute("SELECT 1")
            sessions = connection.execute(
                "SELECT bool_and(ssl), count(*) > 1 FROM pg_stat_ssl"
            )
            assert sessions.fetchone() == (True, True)


def test_paths_in_the_url_are_those_of_this_process_and_home(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"tcp_keepalives_{name}" for name in ("idle", "interval", "count")]
    names.append("idle_in_transaction_session_timeout")
    with psycopg.connect(server.verified()) as connection:
        for name in names:
            connection.execute(f"ALTER ROLE CURRENT_USER SET {name} = 7200")
    monkeypatch.chdir(server.directory)
    monkeypatch.setenv("HOME", str(server.directory))
    for path in ("ca.crt", "~/ca.crt"):
        with open_storage(
            server.url(sslmode="verify-full", sslrootcert=path)
        ) as storage:
            monkeypatch.chdir("/")
            assert sa.make_url(storage.url).query["sslrootcert"] == str(server.ca)
            with storage.engine.connect() as connection:
                shown = [connection.scalar(sa.text(f"SHOW {name}")) for name in names]
            assert shown == [
                "30",
                "10",
                "3",
                "20s",
            ], "who is gone keeps no lock for a minute"
            monkeypatch.chdir(server.directory)


VALID = (
    "cannot verify the server's certificate: it must name the host in the URL"
    " (subjectAltName) and be signed by the CA in the file that sslrootcert names: "
)
MEND = (
    "Get ca.crt from the server's administrator, or have another certificate made. Do"
    " not lower sslmode: this may be another server."
)
LET_IN = "the server does not let this user in from this host: "
ASK = (
    "Ask its administrator for a line in pg_hba.conf; if that says hostssl, and the"
    " connection had no encryption, add ?sslmode=verify-full&sslrootcert=CA.crt to the"
    " URL."
)


@pytest.mark.parametrize(
    ("host", "root", "rule", "got", "remedy"),
    [
        ("127.0.0.1", "ca.crt", VALID, 'does not match host name "127.0.0.1"', MEND),
        ("localhost", "other.crt", VALID, "certificate verify failed", MEND),
        ("localhost", "system", VALID, "certificate verify failed", MEND),
        ("localhost", "none.crt", VALID, 'none.crt" does not exist', MEND),
        ("localhost", None, LET_IN, "no encryption", ASK),
    ],
)
def test_a_connection_that_is_not_as_it_must_be(
    server: TlsServer,
    host: str,
    root: str | None,
    rule: str,
    got: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(server.directory)
    verified = {"sslmode": "verify-full", "sslrootcert": root}
    with pytest.raises(StorageError) as caught:
        open_storage(server.url(host, **(verified if root else {"sslmode": "disable"})))
    said = str(caught.value)
    assert PASSWORD not in said
    assert rule in said
    assert said.endswith(f"{got}. {remedy}")


@pytest.mark.parametrize(
    ("host", "sslmode", "told"),
    [
        ("localhost", "verify-full", "OK       TLS; the server is verified"),
        ("0.0.0.0", "require", "WARNING  TLS, but the server is not verified"),
        ("localhost", "require", None),
    ],
)
def test_the_doctor_tells_whether_the_way_to_the_database_is_safe(
    server: TlsServer, host: str, sslmode: str, told: str | None
) -> None:
    root = {"sslrootcert": server.ca} if sslmode == "verify-full" else {}
    url = server.url(host, sslmode=sslmode, **root)
    lines = [line(finding) for finding in doctor.of_storage(url)]
    found = [text for text in lines if text.startswith("encryption")]
    assert [told in text for text in found if told] == ([True] if told else [])

"""A PostgreSQL server with TLS, its certificate signed by a CA of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from processes import free_port
from required import postgres_with_tls
from workers import wait_until

PASSWORD = "geheim"


@dataclass(frozen=True)
class TlsServer:
    """A server on 127.0.0.1 with a certificate for `localhost`; it refuses plain
    text."""

    directory: Path
    port: int

    @property
    def ca(self) -> Path:
        """The certificate of the CA."""
        return self.directory / "ca.crt"

    def url(self, host: str = "localhost", **options: object) -> str:
        """URL of its database, with a password and with options of libpq."""
        query = "&".join(
            f"{name}={quote(str(value))}" for name, value in options.items()
        )
        return f"postgresql://hpo:{PASSWORD}@{host}:{self.port}/hpo?{query}"

    def verified(self) -> str:
        """URL with which everything works."""
        return self.url(sslmode="verify-full", sslrootcert=self.ca)


def shell(script: str, directory: Path) -> None:
    """Run the lines of a document."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def tls_server(
    directory: Path, certificates: str, hba: str, settings: str
) -> Iterator[TlsServer]:
    """Start a server.

    Args:
        directory: empty; reachable by the account `nobody` if this is root.
        certificates: shell commands that make `ca.crt`, `server.crt` and `server.key`.
        hba: lines of pg_hba.conf on the database `hpo`.
        settings: lines of postgresql.conf.
    """
    programs = postgres_with_tls()
    shell(certificates, directory)
    data = directory / "data"
    data.mkdir(mode=0o700)
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses root
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
    (directory / "password").write_text(PASSWORD)
    initdb = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "hpo",
        "--auth=scram-sha-256",
        "--no-sync",
    ]
    subprocess.run(
        [*initdb, f"--pwfile={directory / 'password'}"],
        check=True,
        capture_output=True,
        **account,
    )
    for name in ("server.crt", "server.key"):
        shutil.copyfile(directory / name, data / name)
        (data / name).chmod(0o600)
        if account:
            os.chown(data / name, account["user"], account["group"])
    (data / "pg_hba.conf").write_text(
        f"{hba}\nhostssl postgres hpo 127.0.0.1/32 scram-sha-256\n"
    )
    port = free_port()
    own = (
        f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
    )
    (data / "postgresql.conf").write_text(f"{settings}\n{own}")
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data], stdout=log, stderr=log, **account
        )
    try:
        tls = TlsServer(directory, port)
        _create_database(tls, server)
        yield tls
    finally:
        server.send_signal(signal.SIGINT)  # at once, whoever is connected
        server.wait(timeout=60)


def _create_database(server: TlsServer, process: subprocess.Popen[bytes]) -> None:
    url = server.verified().replace("/hpo?", "/postgres?")
    log = server.directory / "log"
    wait_until(
        lambda: "ready to accept" in log.read_text() or process.poll() is not None, 60.0
    )
    assert process.poll() is None, log.read_text()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE hpo")

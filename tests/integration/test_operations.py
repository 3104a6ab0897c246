"""What an administrator sets up beside hpo, as `deploy/` has it, with the programs
themselves."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboards import dashboard
from processes import free_port, listens
from required import program
from servers import connect
from stack import ROOT
from tls import shell
from workers import toy_spec, wait_until

from hpo.ledger.ledger import Ledger

PASSWORD = "correct horse battery"
DEPLOY = ROOT / "deploy"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "dashboard-password"
    file.write_text(PASSWORD + "\n")
    return file


@contextmanager
def service(*line: object, port: int) -> Iterator[None]:
    """A program that listens at a port, until the end."""
    with subprocess.Popen(
        [*map(str, line)], stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            wait_until(lambda: listens(port) or running.poll() is not None)
            assert running.poll() is None, running.stderr and running.stderr.read()
            yield
        finally:
            running.terminate()


def test_alerts_fire(
    ledger: Ledger, database_url: str, password: Path, tmp_path: Path
) -> None:
    promtool, port = program("promtool", "prometheus"), free_port()
    subprocess.run(
        [promtool, "test", "rules", DEPLOY / "prometheus/alerts_test.yml"], check=True
    )
    rules = (DEPLOY / "prometheus/alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(re.sub(r"for: \d+m", "for: 0s", rules))
    config = (DEPLOY / "prometheus/prometheus.yml").read_text()

    def answer(what: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{what}"
        return json.load(urllib.request.urlopen(url, timeout=60))["data"]

    def firing() -> set[str]:
        alerts = answer("alerts")["alerts"]
        return {
            one["labels"]["alertname"] for one in alerts if one["state"] == "firing"
        }

    ledger.register(toy_spec())
    ledger.register(toy_spec("other"))
    ledger.register_worker("lost", host="h", pid=1, lease_s=30.0)
    with connect(database_url) as connection:
        connection.execute(
            "UPDATE hpo_ledger.workers SET seen_at = seen_at - interval '2 min'"
        )
        connection.execute(
            "UPDATE hpo_ledger.studies SET state = 'failed' WHERE name = 'other'"
        )
    secret = {"HPO_DASHBOARD_PASSWORD_FILE": str(password)}
    with dashboard("--storage", database_url, "--host", "0.0.0.0", **secret) as running:
        config = config.replace("127.0.0.1:8080", f"127.0.0.1:{running.port}")
        config = config.replace(
            "interval: 15s", "interval: 4s\n  evaluation_interval: 1s"
        )
        config = config.replace("timeout: 14s", "timeout: 4s")
        (tmp_path / "prometheus.yml").write_text(config)
        line = (program("prometheus"), f"--config.file={tmp_path}/prometheus.yml")
        options = (
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        with service(*line, *options, port=port):
            ready = [program("curl"), "-sf", f"http://127.0.0.1:{port}/-/ready"]
            wait_until(lambda: subprocess.run(ready).returncode == 0)
            expected = {"HpoQueueWithoutWorkers", "HpoWorkerSilent", "HpoStudyFailed"}
            wait_until(lambda: firing() >= expected, 60)
            assert firing() == expected
            running.end()
            assert "put a reverse proxy with TLS before the dashboard" in running.errors
            wait_until(lambda: "HpoDown" in firing(), 60)


def test_nginx_with_tls_stands_before_the_dashboard(
    ledger: Ledger, database_url: str, password: Path, tmp_path: Path
) -> None:
    """Its clients are told apart by their own addresses, whatever they say of
    themselves."""
    plain, port = free_port(), free_port()
    line = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout server.key -out server.crt"
    )
    shell(f"{line} -subj /CN=labserver -addext subjectAltName=DNS:labserver", tmp_path)
    ledger.register(toy_spec())

    def ask(path: str, word: str, *options: str, to: int = port) -> tuple[str, str]:
        """Status and headers."""
        line = [program("curl"), "-s", "--cacert", tmp_path / "server.crt", "--http2"]
        line += [
            "--resolve",
            f"labserver:{to}:127.0.0.1",
            "-D-",
            "-o/dev/null",
            *options,
        ]
        line += [
            "-H",
            f"Authorization: Bearer {word}",
            "-H",
            "X-Forwarded-For: 192.0.2.7",
        ]
        scheme = "http" if to == plain else "https"
        said = subprocess.check_output(
            [*line, f"{scheme}://labserver:{to}{path}"], text=True
        )
        return said.split()[1], said.lower()

    with dashboard(
        *("--storage", database_url, "--password-file", str(password)),
        *("--allowed-host", "labserver", "--trusted-proxy", "127.0.0.1"),
    ) as running:
        site = (
            (DEPLOY / "nginx/hpo.conf").read_text().replace("8080", str(running.port))
        )
        site = site.replace("listen 80;", f"listen {plain};").replace(
            "443 ssl", f"{port} ssl"
        )
        main = (
            f"daemon off; pid {tmp_path}/pid; events {{}} http {{ access_log off;"
            f" {site} }}"
        )
        (tmp_path / "nginx.conf").write_text(
            main.replace("/etc/nginx/hpo", str(tmp_path))
        )
        with service(
            program("nginx", "/usr/sbin/nginx"),
            "-c",
            tmp_path / "nginx.conf",
            port=port,
        ):
            assert (
                "location: https://labserver/study/toy\n"
                in ask("/study/toy", "", to=plain)[1]
            )
            for path in (
                "/",
                "/study/toy/now",
                "/metrics",
                "/dashboard/",
                "/static/bundle.js",
            ):
                status, headers = ask(path, PASSWORD)
                assert (status, "max-age=31536000" in headers) == ("200", True), path
            assert "429" in [ask("/", "wrong")[0] for _ in range(15)]
            assert ask("/", "wrong", "--interface", "127.0.0.2")[0] == "401"
    with dashboard(
        "--storage", database_url, "--password-file", str(password)
    ) as running:
        wrong = {"Authorization": "Bearer wrong"}
        alone = [
            running.get("/", X_Forwarded_For=f"192.0.2.{k}", **wrong) for k in range(15)
        ]
        assert 429 in [got.status for got in alone], (
            "no proxy is trusted that was not named"
        )

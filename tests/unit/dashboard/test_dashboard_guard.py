"""The guard of the dashboard, asked as a WSGI server asks; no database."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from dashboards import Clock

from hpo.dashboard.guard import Guard
from hpo.dashboard.password import FREE_FAILURES, PAUSE_S, PasswordCheck

PASSWORD = "schöne Grüße zusammen"


def inner(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """What is guarded: says what it was asked for, and gives away too much."""
    headers = [
        ("Content-Type", "text/plain"),
        ("Server", "Secret/1.2.3"),
        ("Access-Control-Allow-Origin", "*"),
        ("Cache-Control", "public"),
    ]
    start_response("200 OK", headers)
    return [f"{environ['hpo.kind'].name.lower()} {environ['PATH_INFO']}".encode()]


class Client:
    """Asks a guard."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.status, self.headers = "", {}

    def __call__(self, path: str, method: str = "GET", **environ: str) -> str:
        def start_response(
            status: str, headers: list[tuple[str, str]], _: Any = None
        ) -> None:
            self.status, self.headers = status, dict(headers)

        request: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "HTTP_HOST": "localhost:8080",
            "REMOTE_ADDR": "192.0.2.1",
            **environ,
        }
        body = b"".join(self.guard(request, start_response)).decode()
        return str(json.loads(body)["reason"]) if body.startswith('{"reason"') else body


@pytest.fixture
def ask() -> Client:
    return Client(Guard(inner, frozenset({"labserver"})))


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("home", ["/"]),
        ("study", ["/study/seqdigits", "/study/seqdigits/now"]),
        ("metrics", ["/metrics"]),
        ("health", ["/healthz"]),
        ("file", ["/hpo/live.js"]),
        ("optuna_page", ["/dashboard", "/dashboard/studies/12/trialTable"]),
        ("optuna_file", ["/static/bundle.js", "/favicon.ico"]),
        ("optuna", ["/api/studies/12/plot/slice", "/csv/12"]),
    ],
)
def test_known_routes_pass(ask: Client, kind: str, paths: list[str]) -> None:
    for path in paths:
        assert ask(path) == f"{kind} {path}"
        assert ask(path, "HEAD") == ""
        assert ask.status == "200 OK"


OF_OPTUNA = [
    "/incompatible-rdb-schema",
    "/artifacts/12/0a1b-2c",
    "/api/studies/12/plot/contour",
]
MALFORMED = [
    "",
    "x",
    "/static/../x",
    "/static/..",
    "/./x",
    "/static/a\\b",
    "/a\0b",
    "/a\nb",
    "/study/a\0b",
    "/study/a\nb",
    "/static/a\0b",
    "/\xff",
]
OF_NOBODY = [
    "/study/",
    "/study/a/b",
    "/admin",
    "/dashboards",
    "/metrics/",
    "/hpo/live.js.py",
]


@pytest.mark.parametrize("path", [*OF_OPTUNA, *OF_NOBODY, *MALFORMED])
def test_other_routes_do_not_exist(ask: Client, path: str) -> None:
    assert ask(path) == "There is no such page."
    assert ask.status == "404 Not Found"


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]
)
def test_nothing_can_be_changed(ask: Client, method: str) -> None:
    for path in ("/", "/healthz", "/api/studies/1", "/incompatible-rdb-schema"):
        assert (
            ask(path, method)
            == "This dashboard is read-only. To change studies: hpo --help"
        )
        assert ask.status == "403 Forbidden"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:8080",
        "[::1]:8080",
        "10.1.2.3",
        "labserver:81",
    ],
)
def test_hosts_that_are_meant(ask: Client, host: str) -> None:
    ask("/", HTTP_HOST=host)
    assert ask.status == "200 OK"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_a_foreign_host_is_refused(ask: Client, host: str) -> None:
    """A page elsewhere whose name leads here would else read everything."""
    for path in ("/", "/healthz", "/api/studies"):
        assert (
            ask(path, HTTP_HOST=host)
            == "host: expected localhost, an IP address or an allowed name, got"
            f" {host}. If this is the dashboard's name, start it with --allowed-host"
            f" {host}."
        )
        assert ask.status == "421 Misdirected Request"
    ask("/", HTTP_HOST=host, HTTP_X_FORWARDED_HOST="localhost")
    assert ask.status == "421 Misdirected Request"


@pytest.mark.parametrize(
    "host", ["", "a b", "evil.example/localhost", "localhost, evil", "é", ":"]
)
def test_a_request_without_a_proper_host_is_refused(ask: Client, host: str) -> None:
    assert ask("/", HTTP_HOST=host) == "The request needs a valid Host header."
    assert ask.status == "400 Bad Request"


def test_headers_of_every_answer(ask: Client) -> None:
    answers = [("/", "GET"), ("/csv/1", "GET"), ("/x", "GET"), ("/api/studies", "POST")]
    for path, method in answers:
        ask(path, method)
        assert ask.headers["X-Content-Type-Options"] == "nosniff"
        assert ask.headers["Referrer-Policy"] == "no-referrer"
        assert ask.headers["Cache-Control"] == "no-store"
        assert ask.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "frame-ancestors" in ask.headers["Content-Security-Policy"]
        assert not {"Server", "Access-Control-Allow-Origin"} & ask.headers.keys()
    ask("/")
    assert "unsafe" not in ask.headers["Content-Security-Policy"]
    for path in ("/dashboard", "/study/toy"):
        ask(path)
        policy = ask.headers["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.partition("style-src")[0]
        assert ask.headers["X-Frame-Options"] == "DENY"


def test_a_failure_inside_shows_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise RuntimeError("secret detail")

    ask = Client(Guard(broken))
    assert ask("/") == "The dashboard failed; see its log."
    assert ask.status == "500 Internal Server Error"
    assert "secret detail" in caplog.text


# --- the password ---


def basic(password: str, user: str = "anyone") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def locked(clock: Clock) -> Client:
    return Client(Guard(inner, gate=PasswordCheck(PASSWORD, clock)))


def test_the_password_opens(locked: Client) -> None:
    needed = (
        "The dashboard needs its password, with any user name or as a bearer token."
    )
    assert locked("/api/studies") == needed
    assert locked.status == "401 Unauthorized"
    assert (
        locked.headers["WWW-Authenticate"]
        == 'Basic realm="hpo dashboard", charset="UTF-8"'
    )
    bearer = f"bearer {PASSWORD}".encode().decode("latin-1")  # as WSGI hands it on
    for header in (basic(PASSWORD), basic(PASSWORD, ""), bearer):
        assert locked("/", HTTP_AUTHORIZATION=header) == "home /"
    assert locked("/healthz") == "health /healthz", "which needs none"


@pytest.mark.parametrize(
    "header",
    [
        *(
            basic("wrong"),
            basic(""),
            "Basic",
            "Basic !!!",
            "Basic /w==",
            f"Basic {PASSWORD}",
        ),
        *("Bearer", "Bearer x", "Bearer ÿþ", "Digest a", PASSWORD),
    ],
)
def test_anything_else_does_not(locked: Client, header: str) -> None:
    for path, method in (("/", "GET"), ("/api/studies", "DELETE"), ("/nothing", "GET")):
        locked(path, method, HTTP_AUTHORIZATION=header)
        assert locked.status == "401 Unauthorized"


def test_wrong_passwords_are_told_to_wait_and_the_right_one_opens(
    locked: Client, clock: Clock
) -> None:
    for _ in range(
        50
    ):  # a browser asks without a password first, each time: not counted
        locked("/")
    for _ in range(FREE_FAILURES):
        locked("/", HTTP_AUTHORIZATION=basic("wrong"))
        assert locked.status == "401 Unauthorized"
    for _ in range(60):
        too_many = "Too many wrong passwords from this address. Wait a minute."
        assert locked("/", HTTP_AUTHORIZATION=basic("wrong")) == too_many
        assert locked.status == "429 Too Many Requests"
        assert locked.headers["Retry-After"] == "60"
        assert locked("/", HTTP_AUTHORIZATION=basic(PASSWORD)) == "home /"
    locked("/", HTTP_AUTHORIZATION=basic("wrong"), REMOTE_ADDR="192.0.2.2")
    assert locked.status == "401 Unauthorized"
    clock.now_s += PAUSE_S
    locked("/", HTTP_AUTHORIZATION=basic("wrong"))
    assert locked.status == "401 Unauthorized"
    locked("/", HTTP_AUTHORIZATION=basic("wrong"))
    assert locked.status == "429 Too Many Requests"


def test_addresses_of_one_ipv6_network_are_one(locked: Client) -> None:
    def status(address: str) -> str:
        locked("/", HTTP_AUTHORIZATION=basic("wrong"), REMOTE_ADDR=address)
        return locked.status[:3]

    assert {status(f"2001:db8::{i:x}") for i in range(FREE_FAILURES)} == {"401"}
    assert status("2001:db8::ffff") == "429"
    assert status("2001:db8:0:1::1") == status("") == "401"

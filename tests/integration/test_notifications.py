"""People are told of a study once: a real command, a real HTTP server, processes that
race."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from servers import connect
from settling import claim, finish
from workers import run_workers, start_worker, toy_spec

from hpo.config import NotifyDefaults
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study.trials import SlotState, StudyState
from hpo.worker import notifier
from hpo.worker.notifier import Notifier

SMALL = {"budget": {"trials": 4, "window": 4}}


class Hook(ThreadingHTTPServer):
    """A webhook: what it got, and how often it refuses at first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.refusals = 0
        self.on_post: Callable[[], object] = lambda: None
        self.address = f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def events(self) -> list[str]:
        return sorted(record["event"] for record in self.got)


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.on_post()
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.got.append(json.loads(body))
        self.send_response(500 if refused else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def look(storage: Storage, ledger: Ledger, hook: Hook) -> Callable[..., None]:
    """A worker looks, here and now."""

    def once(**settings: Any) -> None:
        notify = NotifyDefaults(**{"webhook": hook.address, **settings})
        Notifier(ledger, notify, None).look()

    return once


def fail(ledger: Ledger, study: str = "toy") -> None:
    """Have a study fail, which may be there already."""
    ledger.register(toy_spec(study, budget={"trials": 40}))
    while ledger.snapshot(study).state == StudyState.OPEN:
        finish(ledger, claim(ledger, study=study), SlotState.FAILED)


def test_of_many_workers_one_tells_by_every_way(
    database_url: str,
    ledger: Ledger,
    hook: Hook,
    look: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv("HPO_NOTIFY_WEBHOOK", hook.address)
    monkeypatch.setenv(
        "HPO_NOTIFY_COMMAND", f"(cat; echo; echo \"$HPO_TEXT\") >> '{told}'"
    )
    ledger.register(toy_spec(**SMALL))
    run_workers(database_url, "toy", 2)
    assert hook.events == ["done"]
    (done,) = hook.got
    assert done["study"] == "toy"
    assert done["state"] == "done"
    assert done["text"].startswith("toy is done: confirmed ")
    lines = told.read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["event"] for line in lines[::2]) == hook.events
    assert done["text"] in lines[1::2]
    what = sorted(event.what for event in ledger.events(9, "toy"))
    assert what == ["notified: done", "submitted"]

    run_workers(database_url, "toy", 1)
    look()
    assert len(hook.got) == 1


def test_a_worker_that_is_killed_while_it_tells_leaves_it_to_the_next(
    database_url: str, ledger: Ledger, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec(**SMALL))
    monkeypatch.setenv("HPO_NOTIFY_COMMAND", "kill -9 $PPID")
    worker = start_worker(database_url, "--study", "toy")
    worker.communicate(timeout=200)
    assert worker.returncode == -9
    monkeypatch.setenv("HPO_NOTIFY_COMMAND", "")
    monkeypatch.setenv("HPO_NOTIFY_WEBHOOK", hook.address)
    run_workers(database_url, "toy", 1)
    assert not hook.got, "somebody may be telling it"
    with connect(database_url) as connection:
        connection.execute(
            "UPDATE hpo_ledger.notices SET claimed_at = claimed_at - interval '121 s'"
        )
    run_workers(database_url, "toy", 1)
    assert hook.events == ["done"]
    assert [event.what for event in ledger.events(9, "toy")] == [
        "submitted",
        "notified: done",
    ]


def test_while_it_is_told_no_connection_is_held_and_nobody_else_tells(
    database_url: str, ledger: Ledger, hook: Hook, look: Callable[..., None]
) -> None:
    fail(ledger)
    held: list[int] = []
    with open_storage(database_url, worker=True) as own:

        def slow() -> None:
            held.append(own.engine.pool.checkedout())
            look()

        hook.on_post = slow
        Notifier(Ledger(own), NotifyDefaults(webhook=hook.address), None).look()
    assert held == [0]
    assert hook.events == ["failed"]
    assert "study failed" in hook.got[0]["text"]


def test_what_happens_again_is_told_again_by_one_of_those_who_look_at_once(
    ledger: Ledger, hook: Hook, look: Callable[..., None]
) -> None:
    for times in (1, 2):
        fail(ledger)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: look(), range(4)))
        assert hook.events == ["failed"] * times
        interventions.resume(ledger, "toy")
        look()
        assert hook.events == ["failed"] * times


def test_a_webhook_that_refuses_is_tried_three_times_and_costs_one_line(
    ledger: Ledger,
    hook: Hook,
    look: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(notifier, "PAUSES_S", (0.0, 0.0, 0.0))
    fail(ledger)
    hook.refusals = 2
    look()
    assert hook.events == ["failed"]

    fail(ledger, "other")
    hook.refusals = 3
    with caplog.at_level(logging.WARNING):
        look()
        look()
    line = "not notified: other, failed: HTTP Error 500: Internal Server Error"
    assert caplog.messages == [line]
    assert [event.what for event in ledger.events(9, "other")][
        -1
    ] == "not notified: failed"
    assert len(hook.got) == 1


def test_a_broken_file_of_defaults_keeps_nobody_from_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HPO_NOTIFY_WEBHOOK", "chat.example.org")
    assert notifier.configured() is None
    (line,) = caplog.messages
    assert line.startswith("notifications are off: HPO_NOTIFY_WEBHOOK: ")
    assert "an address that begins with https:// or http://" in line


COMMAND = "curl -H 'Authorization: secret' https://example.org"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such host"), "no such host"),
        (subprocess.TimeoutExpired(COMMAND, 8.0), "timed out after 8 s"),
        (TimeoutError(), "timed out after 8 s"),
        (subprocess.CalledProcessError(22, COMMAND), "exit status 22"),
    ],
)
def test_a_failure_to_tell_is_logged_without_the_command(
    error: Exception, text: str
) -> None:
    assert notifier._why(error) == text

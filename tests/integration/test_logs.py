"""Logs as JSON: every line of a process is one object, whoever writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workers import start_worker, toy_spec

from hpo.ledger.ledger import Ledger

KEYS = {"time", "level", "worker", "study", "trial", "message"}


def lines(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= KEYS for line in found)
    return found


def test_every_line_of_a_worker_is_one_object(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_LOG", "json")
    ledger.register(toy_spec(budget={"trials": 2}, confirm=None))
    worker = start_worker(database_url, "--study", "toy", "--name", "w")
    _, said = worker.communicate(timeout=250)
    assert worker.returncode == 0, said
    found = lines(said)
    finished = [line for line in found if "finished after" in line["message"]]
    assert [(o["worker"], o["study"], o["trial"]) for o in finished] == [
        ("w", "toy", 0),
        ("w", "toy", 1),
    ]
    assert found[-1]["trial"] is None

    refused = start_worker(database_url, "--study", "none", "--name", "w")
    _, said = refused.communicate(timeout=250)
    [line] = lines(said)
    assert (refused.returncode, line["level"]) == (1, "critical")


def test_a_crew_and_a_dashboard_write_objects(
    ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    ledger.register(toy_spec(budget={"trials": 1}, confirm=None))
    own = {**os.environ, "HPO_LOG": "json", "HPO_STORAGE": database_url}
    crew = [sys.executable, "-m", "hpo.worker", "--study", "toy", "--workers", "1"]
    crew += ["--logs", str(tmp_path)]
    done = subprocess.run(crew, env=own, capture_output=True, text=True, timeout=250)
    assert lines(done.stdout)[-1]["message"] == "all workers have ended"

    line = [sys.executable, "-m", "hpo", "dashboard", "--port", "0"]
    with subprocess.Popen(line, env=own, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout
        [first] = lines(shown.stdout.readline())
        shown.terminate()
    assert first["message"].startswith("http://127.0.0.1:")


def test_another_form_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_LOG", "xml")
    worker = start_worker(database_url)
    _, said = worker.communicate(timeout=250)
    assert said == (
        "error: HPO_LOG: expected text or json, got 'xml'. Set it to one of them, or"
        " leave it out for text.\n"
    )

"""``hpo status`` on a real database: one study, many studies, workers, and ``--watch``."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import settling
import sqlalchemy as sa
from servers import connect
from workers import ledger_at, run_workers, start_worker, toy_spec, wait_until

from hpo.cli import main
from hpo.study.trials import Phase

REPORTED = {"score": 0.95, "std": 0.01, "source": "us"}
SMALL = {"trials": 6, "window": 2, "members": 1, "epochs": 2}


def test_one_study_and_the_overview_say_the_same(
    database_url: str, hpo: Callable[..., str]
) -> None:
    with ledger_at(database_url) as ledger:
        confirm = {"top": 1, "members": 3}
        ledger.register(toy_spec(budget=SMALL, reported=REPORTED, confirm=confirm))
        run_workers(database_url, "toy", 1)
        result = ledger.result("toy")
    first, best = result.confirmations[0], result.best
    assert best is not None
    (listed,) = json.loads(hpo("status", "--json"))["studies"]
    assert listed["best_score"] == best.score
    assert (listed["confirmed"]["source"], listed["confirmed"]["n"]) == (first.source, 3)
    assert listed["confirmed"]["mean"] == pytest.approx(first.mean)
    for record in (json.loads(hpo("status", "toy", "--json")), listed):
        assert record["gap"] == pytest.approx(first.mean - 0.95)
        assert record["gap_of"] == "confirmed"
    assert "the confirmed score is " in hpo("status", "toy")
    assert " below the reported 95.00 ± 1.00 %" in hpo("status", "toy")
    hpo("exclude", "toy", "--trial", str(best.number))
    (listed,) = json.loads(hpo("status", "--json"))["studies"]
    assert (listed["confirmed"], listed["gap_of"]) == (None, "search"), "another is the best now"


def test_trials_are_sorted_cut_and_fit_the_terminal(
    database_url: str, hpo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget=SMALL, confirm=None))
        settling.run(ledger)
        trials = ledger.snapshot("toy").search
    best = sorted(trials, key=lambda slot: -(slot.score or 0.0))

    def numbers(*options: object) -> list[int]:
        record = json.loads(hpo("trials", "--study", "toy", "--json", *options))
        return [slot["number"] for slot in record["trials"]]

    assert numbers() == [0, 1, 2, 3, 4, 5]
    assert numbers("--top", 3) == [slot.number for slot in best[:3]]
    by_x = sorted(trials, key=lambda slot: slot.params["x"])
    assert numbers("--sort", "x", "--top", 2) == [slot.number for slot in by_x[:2]]
    assert hpo("trials", "toy", "--sort", "xx", status=1).startswith(
        "error: --sort: a column of toy must be named, but got 'xx'. Did you mean 'x'? Valid: "
    )
    monkeypatch.setattr("hpo.cli.trials.terminal_width", lambda: 50)
    lines = hpo("trials", "toy").splitlines()
    assert max(map(len, lines)) <= 50
    assert "members" not in lines[0]


def test_workers_are_shown_at_the_slot_that_they_hold(
    database_url: str, hpo: Callable[..., str]
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget={**SMALL, "epochs": 1000}, fixed={"sleep_s": 0.05}))
        workers = [start_worker(database_url, "--name", name) for name in ("one", "two")]
        try:
            wait_until(lambda: {w.trial for w in ledger.workers()} == {0, 1}, timeout_s=60)
            found = json.loads(hpo("status", "--json"))["workers"]
            assert {(w["study"], w["phase"], w["alive"]) for w in found} == {
                ("toy", Phase.SEARCH, True)
            }
            shown = hpo("status")
        finally:
            for process in workers:
                process.terminate()
            for process in workers:
                process.communicate(timeout=60)
        assert re.search(r"^one +\S+ +toy: trial [01](, member 1 of 1.*)? +\d s ago$", shown, re.M)
        assert all(w.study is None for w in ledger.workers()), "they gave their slots back"


class Terminal:
    """A command on a terminal of 24 lines by 80 characters."""

    def __init__(self, *command: str, env: dict[str, str]) -> None:
        self._end, its_end = pty.openpty()
        fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=its_end, stdout=its_end, stderr=its_end, env=env, start_new_session=True
        )
        os.close(its_end)
        self.said = ""

    def shows(self, text: str, timeout_s: float = 60.0) -> bool:
        """Read on until a text appears that was not read before."""
        begun, deadline = len(self.said), time.monotonic() + timeout_s
        while text not in self.said[begun:]:
            assert time.monotonic() < deadline, self.said[-3000:]
            if select.select([self._end], [], [], 0.2)[0]:
                self.said += os.read(self._end, 65536).decode(errors="replace")
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.mark.parametrize("study", [[], ["toy"]], ids=["overview", "study"])
def test_watching_survives_an_outage_and_ends_with_ctrl_c(
    database_url: str, server_url: str, study: list[str]
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget=SMALL, reported=REPORTED))
    name = sa.make_url(database_url).database
    support = str(Path(__file__).parents[1] / "support")
    env = {**os.environ, "HPO_STORAGE": database_url, "TERM": "xterm", "PYTHONPATH": support}
    hpo = [sys.executable, "-m", "hpo", "status", *study, "--watch", "0.3"]
    terminal = Terminal(*hpo, env=env)
    try:
        assert terminal.shows("0/6")
        with connect(server_url) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            assert terminal.shows("database unreachable for")
            assert terminal.shows("retrying")
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        run_workers(database_url, "toy", 1)
        assert terminal.shows("6/6")
        assert terminal.shows("Ctrl-C ends the watching")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(timeout=30) == 0
        assert "Traceback" not in terminal.said
    finally:
        terminal.close()


def test_watching_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (["--watch", "--json"], "argument --json: not allowed with argument --watch"),
        (["--watch"], "argument --watch: stdout must be a terminal, but it is not. Leave --watch"),
        (["--watch", "0"], "argument --watch: must be above 0 and finite, but got 0"),
    ):
        with pytest.raises(SystemExit):
            main.main(["status", *options])
        assert said in capsys.readouterr().err

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
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.trials import Phase

REPORTED = {"score": 0.95, "std": 0.01, "source": "us"}
SMALL = {"trials": 6, "window": 2, "members": 1, "epochs": 2}


def test_the_overview_agrees_with_the_snapshot(database_url: str, hpo: Callable[..., str]) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec("more", budget=SMALL, reported=REPORTED))
        less = "toy_objective:ToyLossObjective"
        ledger.register(toy_spec("less", budget=SMALL, reported=REPORTED, objective=less))
        for name in ("more", "less"):
            run_workers(database_url, name, 1)
        listed = {study["name"]: study for study in json.loads(hpo("status", "--json"))["studies"]}
        for name in ("more", "less"):
            snapshot = ledger.result(name)
            first, best = snapshot.confirmations[0], snapshot.best
            assert best is not None
            assert listed[name]["best_score"] == best.score
            confirmed = listed[name]["confirmed"]
            assert (confirmed["source"], confirmed["n"]) == (first.source, 3)
            assert confirmed["mean"] == pytest.approx(first.mean)
            assert confirmed["std"] == pytest.approx(first.std)
            one = json.loads(hpo("status", name, "--json"))
            for record in (one, listed[name]):
                assert record["gap"] == pytest.approx(first.mean - 0.95)
                assert record["gap_of"] == "confirmed"
    assert "the confirmed score is " in hpo("status", "more")
    assert " below the reported 95.00 ± 1.00 %" in hpo("status", "more")
    assert "(less is better)" in hpo("status", "less")


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


def test_a_configuration_that_is_no_longer_among_the_best_is_no_result(
    database_url: str, hpo: Callable[..., str]
) -> None:
    confirm = {"top": 1, "members": 2}
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget=SMALL, reported=REPORTED, confirm=confirm))
        run_workers(database_url, "toy", 1)
        best = ledger.result("toy").best
    assert best is not None
    hpo("exclude", "toy", "--trial", str(best.number))
    (study,) = json.loads(hpo("status", "--json"))["studies"]
    assert study["confirmed"] is None
    assert study["gap_of"] == "search"


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


def test_studies_that_have_not_changed_are_not_read_again(database_url: str) -> None:
    """Of 200 studies and one of 10,000 trials, which takes seconds the first time."""
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        for number in range(200):
            ledger.register(toy_spec(f"study-{number}", reported=REPORTED))
        ledger.register(toy_spec("large", reported=REPORTED, budget={"trials": 10_000}))
        with storage.engine.begin() as connection:
            connection.execute(sa.text(_TRIALS))
            connection.execute(sa.text(_FRESH_SEEDS))
        began_s = time.monotonic()
        first = ledger.results()
        between_s = time.monotonic()
        again = ledger.results()
        took_s, again_s = between_s - began_s, time.monotonic() - between_s
    print(f"{took_s:.1f} s, and again {again_s:.2f} s")
    assert [study.settled for study, _ in first] == [80] * 200 + [10_000]
    assert all(one is other for (_, one), (_, other) in zip(first, again, strict=True))
    assert all(r and r.confirmed and r.confirmed.source == 0 for _, r in first)
    assert took_s < 30.0, "it takes 4 s; the rest is a busy machine"
    assert again_s < 3.0, "it takes 0.1 s"


_TRIALS = """
INSERT INTO hpo_ledger.slots (study_id, phase, number, state, score, attempts, settled_at)
SELECT s.id, 'search', n, 'complete', 1 - n / 20000.0, 1, now()
FROM hpo_ledger.studies s, generate_series(0, CASE name WHEN 'large' THEN 9999 ELSE 79 END) n
"""
_FRESH_SEEDS = """
INSERT INTO hpo_ledger.slots (study_id, phase, number, source, state, score, attempts, settled_at)
SELECT s.id, 'confirm', 3 * source + i, source, 'complete', 0.9, 1, now()
FROM hpo_ledger.studies s, generate_series(0, 1) source, generate_series(0, 2) i
"""


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

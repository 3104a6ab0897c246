"""``hpo status`` on a real database: one study, many studies, workers, and ``--watch``."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from functools import partial

import pytest
import settling
from servers import cut_off
from terminal import Terminal
from users import User
from workers import ledger_at, run_workers, start_worker, toy_spec, wait_until

from hpo.study.trials import Phase

SMALL = {"trials": 6, "window": 2, "members": 1, "epochs": 2}


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


def test_watching_survives_an_outage_and_ends_with_ctrl_c(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with ledger_at(user.url) as ledger:
        ledger.register(toy_spec(budget=SMALL, confirm=None))
    terminal = Terminal(partial(user.start, "status", "toy", "--watch", "0.3"))
    try:
        assert terminal.shows("0/6")
        with cut_off(user.url):
            assert terminal.shows("database unreachable for")
            assert terminal.shows("0/6"), "the last view stays"
        run_workers(user.url, "toy", 1)
        assert terminal.shows("6/6")
        assert terminal.shows("Ctrl-C ends this view; workers continue")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(timeout=30) == 0
        assert "Traceback" not in terminal.said
    finally:
        terminal.close()

"""The same study with several seeds: one command, which continues."""

from __future__ import annotations

import json
import signal
import statistics

from users import User
from workers import ledger_at, table, wait_until

NAMES = ["toy-seed3", "toy-seed4", "toy-seed5"]


def test_a_killed_command_goes_on_and_reports_the_distribution(user: User) -> None:
    line = ("--repeat", "3", "--workers", "2", "--json", "--report", "all.html")
    command = user.launch(*line)
    user.wait_for_trials(4, "toy-seed4")
    command.send_signal(signal.SIGKILL)
    command.wait()
    wait_until(lambda: not user.workers())
    first = user.snapshot("toy-seed3")

    out, err = user.end(user.launch(*line))
    assert "toy-seed3: finished already" in err
    assert user.studies() == NAMES
    assert table(user.snapshot("toy-seed3")) == table(first)
    *_, last = map(json.loads, out.splitlines())
    with ledger_at(user.url) as ledger:
        results = [ledger.result(name) for name in NAMES]
    assert [result.spec.seed for result in results] == [3, 4, 5]
    means = [result.confirmed.mean for result in results if result.confirmed]
    assert last["event"] == "replication"
    assert last["confirmed"]["median"] == statistics.median(means)
    assert (last["confirmed"]["n"], last["report"]) == (3, "all.html")
    assert [search["study"] for search in last["searches"]] == NAMES
    assert "median" in (user.directory / "all.html").read_text()

    out, _ = user.end(user.launch("--repeat", "3", "--report", "all.svg"))
    assert out.startswith("toy: confirmed median ")
    assert "<svg" in (user.directory / "all.svg").read_text()


def test_a_study_of_one_of_the_names_is_refused_before_anything_runs(
    user: User,
) -> None:
    other = ("--name", "toy-seed5", "--trials", "2", "--no-confirm")
    user.launched(*other, "--seed", "9", "--workers", "1")
    _, err = user.launched("--repeat", "3", status=1)
    assert "error: study 'toy-seed5' exists already, and it differs in " in err
    assert user.studies() == ["toy-seed5"]
    _, err = user.launched("--repeat", "3", "--no-confirm", status=1)
    assert err == (
        "error: toy.toml: --repeat: expected a study that confirms its best trial, got"
        " one without a confirmation. Compare searches by what they confirm: write"
        " [confirm].\n"
    )

"""Launches as a user runs them: real processes, a real database, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from forkserver import genuine
from servers import cut_off
from terminal import Terminal
from users import User, somebody
from workers import kill, ledger_at, start_worker, table, wait_until

from hpo.launch.run import POLL_S
from hpo.postgres.embedded import Embedded
from hpo.study.trials import StudyState
from hpo.views.terminal.live import QUIET_S


def workers_of(launcher: subprocess.Popen[str]) -> list[int]:
    """Return the process ids of the workers of a launch."""
    children = (
        Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    )
    lines: dict[int, bytes] = {}
    for pid in children:
        with suppress(FileNotFoundError):  # it has ended
            lines[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [pid for pid, line in lines.items() if b"hpo.worker" in line]


def test_a_launch_runs_a_study_to_its_result_and_again_says_so_at_once(
    user: User,
) -> None:
    with genuine():  # and so is its worker
        out, err = user.run("launch", "--study", "toy.toml", "--workers", "1")
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert len(snapshot.search) == 12
    assert "toy: created in PostgreSQL " in err
    assert "1 worker starts here; logs in " in err
    assert (
        len(re.findall(r"^\[\d+/12\] trial \d+ complete [\d.]+ %", out, re.MULTILINE))
        == 12
    )
    assert (
        len(
            re.findall(
                r"^\[confirmation \d/3\] trial \d+, fresh seed", out, re.MULTILINE
            )
        )
        == 3
    )
    assert re.search(
        r"toy: confirmed [\d.]+ ± [\d.]+ % on 3 fresh seeds\n.* reported 60.00", out
    )
    assert "report     toy-report.html" in out
    assert (
        (user.directory / "toy-report.html").read_text().startswith("<!DOCTYPE html>")
    )
    assert len(list((user.directory / "home" / "logs" / "toy").iterdir())) == 1

    (user.directory / "toy-report.html").unlink()
    out, err = user.launched("--workers", "2", "--json")
    assert err == "toy: finished already; nothing left to run\n"
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["result"]
    assert table(user.snapshot()) == table(snapshot)
    assert not (user.directory / "toy-report.html").exists()


def test_json_is_one_strict_object_per_line(owner: User) -> None:
    lines = owner.said[0].splitlines()
    *events, result = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [e["event"] for e in events] == ["trial"] * 12 + ["confirmation"] * 3
    assert (result["outcome"], result["state"], result["report"]) == (
        "done",
        "done",
        None,
    )
    assert result["verdict"].startswith("confirmed ")
    assert result["confirmations"][0]["n"] == 3


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_stops_in_order_and_the_printed_command_goes_on(
    user: User, owner: User, signum: signal.Signals, status: int
) -> None:
    launcher = user.launch("--workers", "2", "--set", "fixed.sleep_s=0.05")
    user.wait_for_trials(3)
    workers = workers_of(launcher)
    assert len(workers) == 2
    began_s = time.monotonic()
    launcher.send_signal(signum)
    _, err = user.end(launcher, status)
    assert time.monotonic() - began_s < 10
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert "stopped. Resume with:" in err
    command = err.strip().splitlines()[-1].strip()
    assert command == "hpo launch --study toy.toml --workers 2 --set fixed.sleep_s=0.05"
    stopped = user.snapshot()
    assert stopped.state == StudyState.OPEN
    assert all(slot.losses == 0 for slot in stopped.search), "released, not lost"

    _, err = user.run(*command.split()[1:])
    assert "toy: continued in " in err
    scores = [slot.score for slot in user.snapshot().search]
    assert scores == [slot.score for slot in owner.snapshot().search]


def test_ctrl_c_counts_down_and_a_second_one_stops_at_once(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    options = ("--study", "toy.toml", "--workers", "2", "--set", "fixed.sleep_s=1.0")
    terminal = Terminal(partial(user.start, "launch", *options))
    user.wait_for_workers(2)
    workers = workers_of(terminal.process)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)  # they cannot stop in order
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.shows("(Ctrl-C again: stop at once)")
    assert terminal.shows("ending 2 workers: 1 s so far")
    began_s = time.monotonic()
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.shows("workers killed; nothing is lost")
    assert terminal.process.wait(timeout=30) == 130
    assert time.monotonic() - began_s < 5
    left = [slot for slot in user.snapshot().search if slot.finished_at is None]
    assert left
    assert not any(slot.held for slot in left), "free at once"
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_stop_when_their_launcher_is_killed(user: User) -> None:
    launcher = user.launch(
        "--workers", "1", "--lease", "3", "--set", "fixed.sleep_s=1.0"
    )
    wait_until(lambda: len(workers_of(launcher)) == 1, timeout_s=30)
    (pid,) = workers_of(launcher)
    launcher.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=20)


def test_a_database_that_goes_away_is_waited_for(user: User) -> None:
    launcher = user.launch("--workers", "2", "--set", "fixed.sleep_s=0.05")
    user.wait_for_trials(2)
    with cut_off(user.url):
        time.sleep(POLL_S[1] + 2.0)  # so that it asks meanwhile, however busy it is
        assert launcher.poll() is None
    out, _ = user.end(launcher)
    assert out.count("database unreachable, retrying") == 1
    assert out.count("the database is back") == 1
    assert "a worker ended" not in out
    assert user.snapshot().state == StudyState.DONE


def test_a_timeout_stops_and_says_how_to_go_on(user: User) -> None:
    out, err = user.run(
        "launch", "--study", "toy.toml", "--workers", "1", "--timeout", "3",
        "--set", "fixed.sleep_s=0.3", status=1,
    )  # fmt: skip
    assert (
        "error: toy: stopped after 3 s (--timeout); nothing is lost. Resume with:"
        in err
    )
    assert "hpo launch --study toy.toml --workers 1 --timeout 3" in err
    assert "of 12 trials finished" in out
    assert user.snapshot().state == StudyState.OPEN


def test_a_search_without_confirmation_is_extended_and_another_value_is_refused(
    user: User,
) -> None:
    out, _ = user.launched("--workers", "1", "--no-confirm")
    before = user.snapshot()
    assert before.finished == 12
    assert before.confirm == ()
    assert "not confirmed yet" in out
    _, err = user.launched("--workers", "1", "--trials", "14")
    assert "toy: extended in " in err
    after = user.snapshot()
    assert after.state == StudyState.DONE
    assert table(after)[:12] == table(before)
    _, err = user.launched("--seed", "4", "--trials", "14", status=1)
    assert "it differs in seed: 3 -> 4." in err


def test_a_failing_study_ends_with_its_error(user: User) -> None:
    out, err = user.launched("--workers", "1", "--set", "fixed.fail='always'", status=1)
    assert "error: toy: study failed: " in err
    assert "RuntimeError: the toy breaks" in out
    out, _ = user.run("status", "toy")
    assert "why it failed:" in out
    assert "--name NEW" in out
    _, err = user.launched("--set", "fixed.fail='always'", status=1)
    assert "error: toy: study failed: " in err, "again, and at once"


def test_a_standing_worker_is_used_and_a_launch_without_workers_follows(
    user: User,
) -> None:
    worker = start_worker(user.url)
    with ledger_at(user.url) as ledger:
        wait_until(lambda: any(w.alive for w in ledger.workers()))
    _, err = user.launched()
    assert "workers serve this study already (1): starting none here" in err
    assert user.snapshot().state == StudyState.DONE
    follower = user.launch("--name", "slow", "--set", "fixed.sleep_s=0.3")
    user.wait_for_trials(1, "slow")
    follower.send_signal(signal.SIGINT)
    _, err = user.end(follower, 130)
    assert "the study continues with 1 worker started elsewhere. Stop it with:" in err
    assert "hpo stop slow" in err
    assert "checkpoint" not in err, "it stops no worker"
    kill(worker, signal.SIGTERM)
    _, err = user.launched(
        "--name", "other", "--workers", "0", "--timeout", "3", status=1
    )
    assert (
        "no worker serves this study; start some, with HPO_STORAGE set to this"
        " database: " in err
    )
    assert "hpo worker other" in err


def test_a_second_launch_on_the_embedded_server_starts_no_workers_until_the_first_ends(
    tmp_path: Path, hpo_home: Path
) -> None:
    (tmp_path / "home").symlink_to(hpo_home)
    with Embedded(hpo_home) as server, somebody(tmp_path, server.acquire()) as user:
        first = user.launch("--workers", "1", "--set", "fixed.sleep_s=0.2")
        user.wait_for_workers(1)
        second = user.launch("--no-report", "--set", "fixed.sleep_s=0.2")
        user.wait_for_trials(3)
        assert workers_of(second) == []
        first.send_signal(signal.SIGTERM)
        out, err = user.end(second)
    assert "workers serve this study already (1): starting none here" in err
    assert "the workers that served this study are gone: " in out + err


def test_a_launch_says_so_when_the_workers_at_hand_refuse_its_study(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objective is known here, and not where they are."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text("from toy_objective import ToyObjective as Mine")
    study = (user.directory / "toy.toml").read_text()
    (tmp_path / "mine.toml").write_text(
        study.replace("toy_objective:ToyObjective", "mine:Mine")
    )
    worker = start_worker(user.url, "--name", "standing", "--lease=3")
    with ledger_at(user.url) as ledger:
        wait_until(lambda: any(w.alive for w in ledger.workers()))
        launcher = user.start("launch", "--study", "mine.toml")
        wait_until(lambda: any("refuses mine" in w.doing for w in ledger.workers()))
        refused_s = time.monotonic()
        assert ledger.snapshot("mine").helpers == []
    assert launcher.stdout is not None
    lines = iter(launcher.stdout.readline, "")
    out = next(line for line in lines if "mine: refused by 1 worker on " in line)
    assert time.monotonic() - refused_s < QUIET_S / 2, "at once"
    assert (
        ": study 'mine' in the database: objective: objective 'mine:Mine' cannot be"
        " imported: No module named 'mine' in the working directory, nor installed."
        " Built in: ctrnn, " in out
    )
    advice = (
        "fix that, or start some, with HPO_STORAGE set to this database: hpo worker"
    )
    assert advice in next(lines)
    launcher.send_signal(signal.SIGINT)
    _, err = user.end(launcher, 130)
    assert "workers serve this study already (1): starting none here (--workers)" in err
    kill(worker, signal.SIGTERM)

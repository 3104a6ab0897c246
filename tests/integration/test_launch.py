"""Launches as a user runs them: real processes, a real database, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from forkserver import genuine
from servers import connect, database
from workers import SUPPORT, kill, ledger_at, start_worker, table, wait_until

from hpo.ledger.artifacts import ArtifactStore
from hpo.postgres.connect import open_storage
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.views.terminal.progress import QUIET_S

STUDY = """
objective = "toy_objective:ToyObjective"
seed = 3
[budget]
trials = 12
window = 4
members = 2
epochs = 4
[fixed]
sleep_s = 0.01
[space]
x = { low = 0.0, high = 1.0 }
k = { low = 1, high = 8 }
colour = { choices = ["red", "green"] }
[sampler]
n_startup_trials = 4
[confirm]
top = 1
members = 3
[reported]
score = 0.6
std = 0.02
source = "toy paper"
[reported.params]
x = 0.5
"""
SLOW, BRISK = ("--set", "fixed.sleep_s=0.1"), ("--set", "fixed.sleep_s=0.04")
NETWORK = (
    "--set=objective=toy_network:ToyNetworkObjective",
    "--set=confirm.epochs=40",
    "--set=confirm.members=2",
    "--trials=2",
)
LONG = ("--set=confirm.epochs=25",)  # the network is not made before the launch can be asked
TO_BE_MADE = "the best network for the dashboard is still to be made: hpo artifacts toy --make\n"


class User:
    """Somebody with a shell in a directory of his own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url
        self.said = ("", "")
        """What his launch said, on stdout and stderr."""
        self.started: list[subprocess.Popen[str]] = []
        (directory / "toy.toml").write_text(STUDY)

    def start(self, *line: str) -> subprocess.Popen[str]:
        """Run ``hpo`` in the background."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo", *line],
            cwd=self.directory,
            env={
                **os.environ,
                "HPO_STORAGE": self.url,
                "HPO_HOME": str(self.directory / "home"),
                "PYTHONPATH": str(SUPPORT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *line: str, status: int = 0) -> tuple[str, str]:
        """Run ``hpo`` to its end; returns what it said on stdout and stderr."""
        process = self.start(*line)
        out, err = process.communicate(timeout=120)
        assert process.returncode == status, err
        assert "hpo/launch/run.py" not in err, "a traceback of ours is no message"
        return out, err

    def launch(self, *options: str) -> subprocess.Popen[str]:
        return self.start("launch", "--study", "toy.toml", *options)

    def launched(self, *options: str, status: int = 0) -> tuple[str, str]:
        """Launch to the end, without the report, which takes longest."""
        line = ("launch", "--study", "toy.toml", "--no-report", *options)
        return self.run(*line, status=status)

    def snapshot(self, name: str = "toy") -> StudySnapshot:
        with ledger_at(self.url) as ledger:
            return ledger.snapshot(name, curves=True)

    def wait_for_trials(self, count: int, name: str = "toy") -> None:
        with ledger_at(self.url) as ledger:

            def enough() -> bool:
                known = [study.name for study in ledger.studies()]
                return name in known and ledger.snapshot(name).settled >= count

            wait_until(enough, timeout_s=60)


@pytest.fixture
def user(tmp_path: Path, database_url: str) -> Iterator[User]:
    with somebody(tmp_path, database_url) as user:
        yield user


@pytest.fixture(scope="module")
def owner(
    tmp_path_factory: pytest.TempPathFactory, server_url: str, with_tables: str
) -> Iterator[User]:
    """Somebody whose study is finished; who uses it only looks."""
    directory = tmp_path_factory.mktemp("owner")
    with database(server_url, with_tables) as url, somebody(directory, url) as user:
        user.said = user.launched("--workers", "2", "--json")
        yield user


@contextmanager
def somebody(directory: Path, url: str) -> Iterator[User]:
    user = User(directory, url)
    yield user
    for process in user.started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def workers_of(launcher: subprocess.Popen[str]) -> list[int]:
    """Process ids of the workers that a launch has started."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, line in lines.items() if b"hpo.worker" in line]


def end(launcher: subprocess.Popen[str]) -> tuple[str, str]:
    return launcher.communicate(timeout=60)


def test_a_launch_runs_a_study_to_its_result_and_again_says_so_at_once(user: User) -> None:
    with genuine():  # and so is its worker
        out, err = user.run("launch", "--study", "toy.toml", "--workers", "1")
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert len(snapshot.search) == 12
    assert "toy: created in PostgreSQL " in err
    assert "1 worker starts here; logs in " in err
    assert len(re.findall(r"^\[\d+/12\] trial \d+ complete [\d.]+ %", out, re.MULTILINE)) == 12
    assert len(re.findall(r"^\[confirmation \d/3\] trial \d+, fresh seed", out, re.MULTILINE)) == 3
    assert re.search(r"toy: confirmed [\d.]+ ± [\d.]+ % on 3 fresh seeds; reported 60.00", out)
    assert "report     toy-report.html" in out
    assert (user.directory / "toy-report.html").read_text().startswith("<!DOCTYPE html>")
    assert len(list((user.directory / "home" / "logs" / "toy").iterdir())) == 1

    out, err = user.run("launch", "--study", "toy.toml", "--workers", "2")
    assert err == "toy: finished already; nothing is left to run\n"
    assert "toy: confirmed " in out
    assert table(user.snapshot()) == table(snapshot)


def test_json_is_one_strict_object_per_line(owner: User) -> None:
    out, _ = owner.said
    events = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["trial"] * 12 + ["confirmation"] * 3 + ["result"]
    result = events[-1]
    assert (result["outcome"], result["state"], result["report"]) == ("done", "done", None)
    assert result["verdict"].startswith("confirmed ")
    assert result["confirmations"][0]["n"] == 3
    assert not (owner.directory / "toy-report.html").exists()


def test_ctrl_c_stops_in_order_and_the_printed_command_goes_on(user: User, owner: User) -> None:
    launcher = user.launch("--workers", "2", "--set", "fixed.sleep_s=0.05")
    user.wait_for_trials(3)
    workers = workers_of(launcher)
    assert len(workers) == 2
    began_s = time.monotonic()
    launcher.send_signal(signal.SIGINT)
    _, err = end(launcher)
    assert launcher.returncode == 130
    assert time.monotonic() - began_s < 10
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert "nothing is lost" in err
    command = err.strip().splitlines()[-1].strip()
    assert command == "hpo launch --study toy.toml --workers 2 --set fixed.sleep_s=0.05"
    stopped = user.snapshot()
    assert stopped.state == StudyState.OPEN
    assert all(slot.losses == 0 for slot in stopped.search), "released, not lost"

    _, err = user.run(*command.split()[1:])
    assert "toy: continued in " in err
    scores = [slot.score for slot in user.snapshot().search]
    assert scores == [slot.score for slot in owner.snapshot().search]


def test_a_second_ctrl_c_stops_at_once(user: User) -> None:
    launcher = user.launch("--workers", "2", *SLOW)
    user.wait_for_trials(1)
    workers = workers_of(launcher)

    def stopped_at_work() -> bool:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)  # they cannot stop in order
        if any(slot.settled_at is None for slot in user.snapshot().search):
            return True
        for pid in workers:
            os.kill(pid, signal.SIGCONT)  # between two trials: try again
        return False

    wait_until(stopped_at_work)
    launcher.send_signal(signal.SIGINT)
    time.sleep(1.0)
    began_s = time.monotonic()
    launcher.send_signal(signal.SIGINT)
    _, err = end(launcher)
    assert launcher.returncode == 130
    assert time.monotonic() - began_s < 5
    assert "killed; still nothing is lost" in err
    left = [slot for slot in user.snapshot().search if slot.settled_at is None]
    assert left
    assert not any(slot.held for slot in left), "free at once"
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_sigterm_is_ctrl_c_with_its_own_status(user: User) -> None:
    launcher = user.launch("--workers", "1", *SLOW)
    user.wait_for_trials(1)
    workers = workers_of(launcher)
    launcher.terminate()
    _, err = end(launcher)
    assert launcher.returncode == 143
    assert "Go on with:" in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow  # the leases of the killed workers must run out first
def test_killed_workers_are_replaced_and_the_study_finishes(user: User) -> None:
    user.launched("--name", "calm", "--workers", "1")
    launcher = user.launch("--workers", "2", "--set", "fixed.sleep_s=0.05")
    user.wait_for_trials(2)
    for pid in workers_of(launcher):
        os.kill(pid, signal.SIGKILL)
    out, err = end(launcher)
    assert launcher.returncode == 0, err
    assert out.count("(killed by SIGKILL); the next one starts in 1 s; log: ") == 2
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert [s.score for s in snapshot.search] == [s.score for s in user.snapshot("calm").search]


def test_workers_stop_when_their_launcher_is_killed(user: User) -> None:
    launcher = user.launch("--workers", "1", "--lease", "3", "--set", "fixed.sleep_s=1.0")
    wait_until(lambda: len(workers_of(launcher)) == 1, timeout_s=30)
    (pid,) = workers_of(launcher)
    launcher.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=20)


def test_a_database_that_goes_away_is_waited_for(user: User, server_url: str) -> None:
    launcher = user.launch("--workers", "2", "--set", "fixed.sleep_s=0.05")
    user.wait_for_trials(2)
    name = sa.make_url(user.url).database
    with connect(server_url) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        time.sleep(2.5)
        assert launcher.poll() is None
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    out, err = end(launcher)
    assert launcher.returncode == 0, err
    assert out.count("database unreachable, retrying") == 1
    assert out.count("the database is back") == 1
    assert "a worker ended" not in out
    assert user.snapshot().state == StudyState.DONE


def test_a_timeout_stops_and_says_how_to_go_on(user: User) -> None:
    out, err = user.run(
        "launch", "--study", "toy.toml", "--workers", "1", "--timeout", "3",
        "--set", "fixed.sleep_s=0.3", status=1,
    )  # fmt: skip
    assert "error: toy: stopped after 3 s, as --timeout says; nothing is lost. Go on with:" in err
    assert "hpo launch --study toy.toml --workers 1 --timeout 3" in err
    assert "of 12 trials settled" in out
    assert user.snapshot().state == StudyState.OPEN


def test_a_launch_waits_for_the_learning_curve(owner: User) -> None:
    _, err = owner.said
    assert "to be made" not in err
    out, _ = owner.run("artifacts", "toy")
    assert len(out.splitlines()) == 2
    _, err = owner.launched()
    assert "a worker keeps" not in err


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_best_network_can_be_left_for_later(
    user: User, signum: signal.Signals, status: int
) -> None:
    launch = user.launch("--workers", "1", "--no-report", *SLOW, *NETWORK, *LONG)
    with open_storage(user.url) as storage:
        store = ArtifactStore(storage.engine)
        assert launch.stderr is not None
        said = iter(launch.stderr.readline, "")
        assert any("toy: a worker keeps the best network" in line for line in said)
        launch.send_signal(signum)
        out, err = launch.communicate(timeout=60)
        assert launch.returncode == status, err
        assert ("toy: confirmed" in out) == (signum == signal.SIGINT)
        assert (TO_BE_MADE in err) == (signum == signal.SIGINT)
        assert (store.due(), store.listed("toy")) == (["toy"], [])
        _, err = user.launched(*SLOW, *NETWORK, *LONG)
        assert TO_BE_MADE in err, "again, since nothing makes it by itself"


@pytest.mark.slow  # a worker that is busy for so long must be killed, after its grace
def test_a_launch_waits_for_the_best_network_no_longer_than_its_timeout(user: User) -> None:
    line = ("--set", "objective=toy_network:LingeringObjective")
    begun_s = time.monotonic()
    _, err = user.launched("--workers", "1", "--timeout", "30", *line)
    assert 30 < time.monotonic() - begun_s < 60, "and not the minute that it would wait"
    assert TO_BE_MADE in err


def test_a_sweep_whose_figure_was_changed_says_how_its_artifact_is_made_anew(user: User) -> None:
    study = (
        'objective = "toy_objective:ToyObjective"\nprotocol = "confirm"\n'
        "[budget]\nmembers = 2\nepochs = 2\n"
        '[[sweep.curves]]\nlabel = "toy"\nx = "x"\nvalues = [0.1, 0.5]\n'
        '[figure]\nkind = "curves"\nx_label = '
    )
    file = user.directory / "swept.toml"
    file.write_text(f'{study}"before"\n')
    user.run("launch", "--study", "swept.toml", "--workers", "1")
    file.write_text(f'{study}"after"\n')
    command = "hpo artifacts swept --make\n"
    _, err = user.run("launch", "--study", "swept.toml")
    assert f"the figure for the dashboard is still to be made: {command}" in err
    user.run(*command.split()[1:])
    _, err = user.run("launch", "--study", "swept.toml")
    assert "to be made" not in err


def test_two_launches_keep_the_best_network_once(user: User) -> None:
    launches = [
        user.start(
            "launch", "--study", "toy.toml", "--workers", "1", *NETWORK, *BRISK, "--report", f
        )
        for f in ("a.html", "b.html")
    ]
    for launch in launches:
        _, err = launch.communicate(timeout=120)
        assert launch.returncode == 0, err
        assert "to be made" not in err, "the other one's worker was at it"
    out, _ = user.run("artifacts", "toy")
    assert len(out.splitlines()) == 7


def test_a_search_without_confirmation_is_extended_and_another_value_is_refused(user: User) -> None:
    out, _ = user.launched("--workers", "1", "--no-confirm")
    before = user.snapshot()
    assert before.settled == 12
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


def test_a_standing_worker_is_used_and_a_launch_without_workers_follows(user: User) -> None:
    worker = start_worker(user.url)
    with ledger_at(user.url) as ledger:
        wait_until(lambda: any(w.alive for w in ledger.workers()))
    _, err = user.launched()
    assert "1 worker serves this study: starting none here" in err
    assert user.snapshot().state == StudyState.DONE
    kill(worker, signal.SIGTERM)
    launcher = user.launch("--name", "other", "--workers", "0", "--timeout", "3")
    _, err = end(launcher)
    assert launcher.returncode == 1
    assert "no worker serves this study; start some, with HPO_STORAGE set to this database: " in err
    assert "hpo worker other" in err


def test_a_launch_says_so_when_the_workers_at_hand_refuse_its_study(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objective is known here, and not where they are."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text("from toy_objective import ToyObjective as Mine")
    study = STUDY.replace("toy_objective:ToyObjective", "mine:Mine")
    (tmp_path / "mine.toml").write_text(study)
    leases_s = (3, 15)
    workers = [
        start_worker(user.url, "--name", f"standing-{k}", f"--lease={lease_s}")
        for k, lease_s in enumerate(leases_s)
    ]
    with ledger_at(user.url) as ledger:
        wait_until(lambda: sum(w.alive for w in ledger.workers()) == 2)
        workers[1].send_signal(signal.SIGSTOP)  # it refuses later than the other
        launcher = user.start("launch", "--study", "mine.toml")
        wait_until(lambda: any("refuses mine: " in w.doing for w in ledger.workers()))
        time.sleep(2.0)  # the launch looks twice a second
        workers[1].send_signal(signal.SIGCONT)
        going_on_s = time.monotonic()
        wait_until(lambda: all("refuses mine: " in w.doing for w in ledger.workers()))
        assert ledger.snapshot("mine").helpers == []
        assert set(ledger.snapshot("mine").refusing.values()) == {
            "study 'mine' in the database: objective: objective 'mine:Mine' cannot be imported: No "
            "module named 'mine'. Built in: ctrnn, ctrnn-prediction, spintronic, "
            "spintronic-prediction."
        }
    assert launcher.stdout is not None
    lines = iter(launcher.stdout.readline, "")
    advice = "mend that, or start some, with HPO_STORAGE set to this database: hpo worker"
    out = next(line for line in lines if "2 workers refuse this study, such as standing-" in line)
    assert time.monotonic() - going_on_s < QUIET_S / 2, "at once, although one refused before"
    assert "objective 'mine:Mine' cannot be imported: No module named 'mine'. Built in: " in out
    assert advice in next(lines)
    launcher.send_signal(signal.SIGINT)
    _, err = end(launcher)
    assert launcher.returncode == 130
    assert "2 workers serve this study: starting none here (--workers)" in err
    for worker in workers:
        kill(worker, signal.SIGTERM)


def test_every_view_of_a_study(owner: User) -> None:
    snapshot = owner.snapshot()
    best = snapshot.best
    assert best is not None

    out, _ = owner.run("studies")
    assert re.search(r"^toy +done +12/12 +96 +0 ", out, re.MULTILINE)
    assert "seqdigits" in out
    listed = json.loads(owner.run("studies", "--json")[0])
    assert listed["studies"][0]["name"] == "toy"

    assert owner.run("status", "toy")[0].startswith("toy: done, confirmed ")
    status = json.loads(owner.run("status", "toy", "--json")[0])
    assert (status["settled"], status["complete"], status["best"]["number"]) == (
        12,
        12,
        best.number,
    )
    assert "toy" in owner.run("status")[0]
    assert json.loads(owner.run("status", "--json")[0])["studies"][0]["settled"] == 12

    lines = owner.run("trials", "toy")[0].splitlines()
    assert len(lines) == 1 + 12 + 3
    assert lines[0].split() == ["trial", "state", "score", "members", "seconds", "x", "k", "colour"]
    assert len(owner.run("trials", "toy", "--csv")[0].splitlines()) == 1 + 12 + 3
    trials = json.loads(owner.run("trials", "toy", "--json")[0])["trials"]
    assert [t["score"] for t in trials] == [s.score for s in (*snapshot.search, *snapshot.confirm)]
    assert len(owner.run("trials", "toy", "--state", "failed")[0].splitlines()) == 1

    out, _ = owner.run("best", "toy", "--top", "2")
    assert f"trial {best.number}" in out
    assert "reported" in out
    assert len(json.loads(owner.run("best", "toy", "--top", "2", "--json")[0])["best"]) == 2

    out, _ = owner.run("report", "toy", "-o", "deep/toy.html")
    assert out == "deep/toy.html\n"
    assert (owner.directory / "deep" / "toy.html").stat().st_size > 100_000
    _, err = owner.run("report", "toy", "-o", "toy.toml/x.html", status=1)
    assert err.startswith("error: toy.toml/x.html: the report cannot be written: ")


def test_export_holds_every_member(owner: User) -> None:
    snapshot = owner.snapshot()
    owner.run("export", "toy", "-o", "toy.csv")
    rows = (owner.directory / "toy.csv").read_text().splitlines()
    assert len(rows) == 1 + 12 * 2 + 3
    owner.run("export", "toy", "-o", "toy.jsonl", "--curves")
    records = [
        json.loads(line) for line in (owner.directory / "toy.jsonl").read_text().splitlines()
    ]
    exported = [member["curve"] for record in records for member in record["members"]]
    stored = [list(m.curve) for s in (*snapshot.search, *snapshot.confirm) for m in s.members]
    assert exported == stored
    out, _ = owner.run("export", "toy", "--format", "jsonl")
    assert len(out.splitlines()) == 15
    _, err = owner.run("export", "toy", "-o", "toy.xls", status=1)
    assert "the ending must be .csv or .jsonl, but got .xls." in err


def test_an_unknown_study_lists_those_that_exist(user: User, owner: User) -> None:
    _, err = user.run("status", "toy", status=1)
    assert "study 'toy': the database must hold it, but it holds no study yet." in err
    for command in ("status", "trials", "best", "report", "export"):
        _, err = owner.run(command, "toi", status=1)
        assert err.startswith("error: study 'toi': the database must hold it, but it holds toy.")


def test_a_database_that_is_not_there_is_one_message(user: User) -> None:
    user.url = "postgresql://me:secret@127.0.0.1:1/nowhere"
    for line in (["status"], ["launch", "--study", "toy.toml"], ["storage", "url"]):
        _, err = user.run(*line, status=1)
        assert err.startswith("error: database nowhere at 127.0.0.1:1, user me: ")
        assert "secret" not in err


def test_storage_of_a_url(user: User) -> None:
    assert user.run("storage", "status")[0].startswith("PostgreSQL ")
    url = user.run("storage", "url")[0].strip()
    assert json.loads(user.run("storage", "url", "--json")[0]) == {"url": url}
    with ledger_at(url) as ledger:
        assert ledger.studies() == []


def test_the_embedded_server_is_held_looked_at_and_stopped(hpo_home: Path, tmp_path: Path) -> None:
    user = User(tmp_path, "")

    def hpo(*line: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "hpo", "storage", *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert "not running; starts when needed" in hpo("status").communicate(timeout=30)[0]
    holder = hpo("url", "--hold")
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    user.url = url
    time.sleep(4)  # longer than the server outlives its last user
    status = json.loads(hpo("status", "--json").communicate(timeout=30)[0])
    assert status["server"]["running"]
    assert status["server"]["home"] == str(hpo_home)
    refused = hpo("stop")
    assert "must be unused to be stopped" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 1
    holder.send_signal(signal.SIGINT)
    holder.communicate(timeout=30)
    assert holder.returncode == 130
    stopped = hpo("stop")
    assert "is stopped" in stopped.communicate(timeout=100)[0]
    assert stopped.returncode == 0

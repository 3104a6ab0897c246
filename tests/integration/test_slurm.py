"""Launches whose workers are jobs of a real SLURM, and all that may happen to jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm import NODE
from workers import SUPPORT, ledger_at, table, wait_until

from hpo import studyfile
from hpo.snapshot import StudySnapshot, StudyState, WorkerInfo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STUDY = """
objective = "toy_objective:ToyObjective"
seed = 3
[budget]
trials = 24
window = 4
members = 2
epochs = 6
[fixed]
sleep_s = 0.1
[space]
x = { low = 0.0, high = 1.0 }
k = { low = 1, high = 8 }
colour = { choices = ["red", "green"] }
[sampler]
n_startup_trials = 4
[confirm]
top = 1
members = 3
"""
PLAIN = ("--executor", "slurm", "--workers", "4", "--no-report", "--lease", "60")


class User:
    """Somebody at a login node, with a directory that the nodes share."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url
        self.started: list[subprocess.Popen[str]] = []
        (directory / "toy.toml").write_text(STUDY)
        self.environment = {
            **os.environ,
            "HPO_STORAGE": url,
            "HPO_HOME": str(directory / "home"),
            "PYTHONPATH": str(SUPPORT),
        }

    def launch(self, *options: str, **streams: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo", "launch", "--study", "toy.toml", *PLAIN, *options],
            cwd=self.directory,
            env=self.environment,
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        self.started.append(process)
        return process

    def run(self, *options: str, status: int = 0) -> tuple[str, str]:
        launcher = self.launch(*options)
        out, err = launcher.communicate(timeout=300)
        assert launcher.returncode == status, err + out
        assert "Traceback" not in err
        return out, err

    def snapshot(self) -> StudySnapshot:
        with ledger_at(self.url) as ledger:
            return ledger.snapshot("toy", curves=True)

    def workers(self) -> list[WorkerInfo]:
        """Those that hold a trial."""
        with ledger_at(self.url) as ledger:
            return [w for w in ledger.workers() if w.alive and w.trial is not None]

    def wait_for_workers(self, count: int, timeout_s: float = 60) -> list[WorkerInfo]:
        wait_until(lambda: len(self.workers()) >= count, timeout_s=timeout_s)
        return self.workers()

    def calm(self) -> list[Any]:
        """The table that a local worker gives."""
        with ledger_at(self.url) as ledger:
            ledger.register(
                studyfile.load(str(self.directory / "toy.toml"), values={"name": "calm"})
            )
            subprocess.run(
                [sys.executable, "-m", "hpo.worker", "--study", "calm", "--no-artifacts"],
                env=self.environment,
                check=True,
                capture_output=True,
            )
            return table(ledger.snapshot("calm", curves=True))


@pytest.fixture
def user(tmp_path: Path, database_url: str, slurm_conf: Path) -> Iterator[User]:
    somebody = User(tmp_path, database_url)
    yield somebody
    for process in somebody.started:
        process.kill()
        process.communicate()
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "-h"), timeout_s=60)


def slurm(*command: str) -> str:
    """What a program of SLURM says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def states() -> dict[str, str]:
    """State and reason of every job in the queue, by its id."""
    rows = [line.split("|") for line in slurm("squeue", "-h", "-r", "-o", "%i|%T %r").splitlines()]
    return {row[0]: row[1] for row in rows}


def job_of(worker: WorkerInfo) -> str:
    return (worker.job or "").removeprefix("slurm ")


def crew_of(worker: WorkerInfo) -> int:
    """Process id of a worker's crew."""
    return int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_four_jobs_run_a_study_to_its_exact_budget(user: User) -> None:
    launcher = user.launch()
    workers = user.wait_for_workers(4)
    done = subprocess.run(
        [sys.executable, "-m", "hpo", "status", "toy", "--json"],
        env=user.environment,
        cwd=user.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = [w for w in json.loads(done.stdout)["workers"] if w["alive"]]
    assert {w["job"] for w in listed} == {w.job for w in workers}
    assert all("trial" in Path(w["log"]).read_text() for w in listed if w["trial"] is not None)
    out, err = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, err
    assert "4 jobs of SLURM with 1 worker each; logs in " in err
    assert "a node reaches the database" in out
    assert "submitted 4 jobs to SLURM: " in out
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert len(snapshot.search) == 24
    assert table(snapshot) == user.calm()
    wait_until(lambda: not states(), timeout_s=60)


def test_scancel_a_kill_and_a_drained_node_lose_nothing(user: User) -> None:
    launcher = user.launch("--set", "fixed.sleep_s=0.4")
    workers = user.wait_for_workers(4)
    slurm("scancel", job_of(workers[0]))
    os.kill(crew_of(workers[1]), signal.SIGKILL)
    os.kill(workers[2].pid, signal.SIGKILL)
    slurm("scontrol", "update", f"NodeName={NODE}", "State=DRAIN", "Reason=test")
    try:
        wait_until(lambda: any("PENDING" in s for s in states().values()), timeout_s=60)
        slurm("scancel", job_of(workers[3]))
        time.sleep(12)
    finally:
        slurm("scontrol", "update", f"NodeName={NODE}", "State=RESUME")
    out, err = launcher.communicate(timeout=280)
    assert launcher.returncode == 0, err + out
    assert re.search(r"job \d+_\d ended after \d+ s \(CANCELLED\); if there is work left", out)
    assert re.search(r"job \d+_\d ended after \d+ s \(FAILED\); if there is work left", out)
    assert "in the queue: " in out
    snapshot = user.snapshot()
    assert [r[4:] for r in table(snapshot)] == [r[4:] for r in user.calm()]
    assert sum(slot.losses for slot in snapshot.search) <= 2, "only those that were killed"


def test_before_its_time_limit_a_job_keeps_its_work_and_queues_again(user: User) -> None:
    launcher = user.launch("--set", "fixed.sleep_s=0.4")
    first = user.wait_for_workers(4)[0]
    job = job_of(first)
    slurm("scancel", "--signal=USR2", "--batch", job)
    wait_until(lambda: "Restarts=1" in slurm("scontrol", "show", "job", job), timeout_s=60)
    wait_until(
        lambda: any(w.job == first.job and w.name != first.name for w in user.workers()),
        timeout_s=200,
    )
    out, err = launcher.communicate(timeout=280)
    assert launcher.returncode == 0, err + out
    snapshot = user.snapshot()
    assert [r[4:] for r in table(snapshot)] == [r[4:] for r in user.calm()]
    assert not any(slot.losses for slot in snapshot.search), "released, not lost"
    log = (user.directory / f"home/logs/toy/slurm/{job}.log").read_text()
    assert "the time limit is near: the workers have stopped, the job queues again" in log

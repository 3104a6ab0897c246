"""Launches whose workers are jobs of a real SLURM, and all that may happen to jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from slurm import NODE
from terminal import Terminal
from users import User
from workers import table, wait_until

from hpo.study.trials import StudyState, WorkerInfo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PLAIN = ("--executor", "slurm", "--workers", "4", "--no-report", "--lease", "60")


@pytest.fixture
def user(tmp_path: Path, database_url: str, slurm_conf: Path) -> Iterator[User]:
    somebody = User(tmp_path, database_url, always=PLAIN)
    yield somebody
    somebody.leave()
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "-h"), timeout_s=60)


def slurm(*command: str) -> str:
    """What a program of SLURM says."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def states() -> dict[str, str]:
    """State and reason of every job in the queue, by its id."""
    rows = [
        line.split("|")
        for line in slurm("squeue", "-h", "-r", "-o", "%i|%T %r").splitlines()
    ]
    return {row[0]: row[1] for row in rows}


def job_of(worker: WorkerInfo) -> str:
    return (worker.job or "").removeprefix("slurm ")


def crew_of(worker: WorkerInfo) -> int:
    """Process id of a worker's crew."""
    return int(
        Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1]
    )


def test_jobs_run_a_study_to_its_exact_budget_and_are_left_and_found_again(
    user: User,
) -> None:
    options = ("--workers-per-job", "2", "--set", "fixed.sleep_s=0.3")
    launcher = user.launch(*options)
    workers = user.wait_for_workers(4)
    said, _ = user.run("status", "toy", "--json")
    listed = [w for w in json.loads(said)["workers"] if w["alive"]]
    assert {w["job"] for w in listed} == {w.job for w in workers}
    logs = [Path(w["log"]) for w in listed]
    ends = {log.name.partition("_")[2] for log in logs}
    assert ends == {f"{job}-{worker}.log" for job in (0, 1) for worker in (1, 2)}
    launcher.terminate()
    out, err = user.end(launcher, 143)
    assert "2 jobs of SLURM with 2 workers each; logs in " in err
    assert " tests if a node reaches the database (--no-probe skips it)" in out
    assert "submitted 2 jobs to SLURM: " in out
    assert "2 jobs of this study continue in SLURM" in err, (
        "who is not at a terminal is not asked"
    )
    assert len(states()) == 2
    out, _ = user.launched(*options)
    assert "2 jobs of this study in the queue already" in out
    snapshot = user.snapshot()
    assert snapshot.state == StudyState.DONE
    assert len(snapshot.search) == 24
    assert table(snapshot) == user.calm()
    assert {worker.name for worker in snapshot.workers} == {
        worker.name for worker in workers
    }
    assert all("finished after" in log.read_text() for log in logs)
    wait_until(lambda: not states(), timeout_s=60)


def test_scancel_a_killed_crew_and_a_killed_worker_lose_nothing(user: User) -> None:
    launcher = user.launch("--no-probe", "--set", "fixed.sleep_s=0.4")
    workers = user.wait_for_workers(4)
    slurm("scancel", job_of(workers[0]))
    os.kill(crew_of(workers[1]), signal.SIGKILL)
    os.kill(workers[2].pid, signal.SIGKILL)
    wait_until(lambda: queued_again(job_of(workers[1])), timeout_s=60)
    out, _ = user.end(launcher)
    assert re.search(
        rf"job {job_of(workers[0])} ended after \S+ on \S+ \(CANCELLED\); log: ", out
    )
    snapshot = user.snapshot()
    assert table(snapshot) == user.calm()
    assert sum(slot.losses for slot in snapshot.search) <= 2, (
        "only those that were killed"
    )


def queued_again(job: str) -> bool:
    return "Restarts=1" in slurm("scontrol", "show", "job", job)


def near_its_limit(job: str) -> None:
    slurm("scancel", "--signal=USR2", "--batch", job)


def pre_empted(job: str) -> None:
    line = (
        "sbatch",
        "--parsable",
        "--partition=urgent",
        "--ntasks=8",
        "--output=/dev/null",
    )
    urgent = slurm(*line, "--wrap=sleep 5")
    wait_until(lambda: "RUNNING" in states().get(urgent, ""), timeout_s=90)


@pytest.mark.parametrize("end", [near_its_limit, pre_empted])
def test_a_job_that_must_end_keeps_its_work_and_queues_again(
    user: User, end: Callable[[str], None]
) -> None:
    options = ("--slurm-partition", "debug", "--no-probe", "--set", "fixed.sleep_s=0.4")
    launcher = user.launch(*options)
    first = user.wait_for_workers(4)[0]
    end(job_of(first))
    wait_until(lambda: queued_again(job_of(first)), timeout_s=60)
    wait_until(
        lambda: any(
            w.job == first.job and w.name != first.name for w in user.workers()
        ),
        90,
    )
    user.end(launcher)
    snapshot = user.snapshot()
    assert table(snapshot) == user.calm()
    assert not any(slot.losses for slot in snapshot.search), "released, not lost"
    log = user.directory / f"home/logs/toy/slurm/{job_of(first)}.log"
    assert "asked to stop: the workers have stopped" in log.read_text()


def test_what_sbatch_refuses_leaves_no_study_behind(user: User) -> None:
    _, err = user.launched("--slurm-option", "licenses=none:3", status=1)
    assert "error: slurm: sbatch failed: sbatch: error: " in err
    assert (
        "Correct the options (--slurm-…, hpo.toml); --dry-run shows the script." in err
    )
    assert not states()
    assert "toy: removed again, since no worker could start" in err
    assert not user.studies(), "it would be open, and standing workers would take it"


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        (
            "export HPO_STORAGE=postgresql://me@127.0.0.1:1/hpo",
            "cannot connect within",
        ),
        (
            "exec > /dev/null 2>&1; exit 3",
            "(no log: do nodes share its directory, see HPO_HOME, and /",
        ),
    ],
)
def test_a_node_that_cannot_work_is_found_out_by_a_probe(
    user: User, setup: str, said: str
) -> None:
    (user.directory / "hpo.toml").write_text(f"[slurm]\nsetup = ['{setup}']\n")
    _, err = user.launched(status=1)
    rule = "error: slurm: the probe job, which tests if a node reaches the database, "
    assert re.search(rf"{rule}\d+ failed \(FAILED on {NODE}\):\n", err)
    assert said in err
    wait_until(lambda: not states(), timeout_s=30)


def test_ctrl_c_at_a_terminal_asks_and_leaves_or_cancels_the_jobs(user: User) -> None:
    launch = partial(
        user.launch, "--no-probe", "--set=fixed.sleep_s=0.3", "--set=budget.trials=60"
    )
    one = Terminal(launch)
    workers = user.wait_for_workers(4)
    one.process.send_signal(signal.SIGINT)
    one.shows("leave the 4 workers running, or cancel them? [L/c] ")
    one.write("\n")
    one.shows(
        "4 jobs of this study continue in SLURM; cancel with: scancel --name=hpo-toy-"
    )
    one.shows("Follow them with:")
    assert one.process.wait(timeout=60) == 130
    assert len(states()) == 4

    two = Terminal(launch)
    two.shows("4 jobs of this study in the queue already")
    assert {job_of(w) for w in user.wait_for_workers(4)} == {job_of(w) for w in workers}
    two.process.send_signal(signal.SIGINT)
    two.shows("[L/c] ")
    two.write("c\n")
    two.shows("stopped. Resume with:")
    assert two.process.wait(timeout=60) == 130
    assert not states()
    assert not any(slot.held or slot.losses for slot in user.snapshot().search), (
        "released"
    )
    for terminal in (one, two):
        terminal.close()

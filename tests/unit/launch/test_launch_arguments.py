"""A launch before it touches a database: its options, its plan, its dry run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import snapshots

from hpo import console
from hpo.launch import plan


def test_the_command_to_go_on_with_hides_passwords() -> None:
    line = "hpo launch --study x --storage 'postgresql://me:p%40ss@host:5432/hpo?a=b'"
    assert console.without_password(line) == (
        "hpo launch --study x --storage 'postgresql://me:***@host:5432/hpo?a=b'"
    )
    assert console.without_password("postgresql://me@host/hpo") == "postgresql://me@host/hpo"


def test_default_workers_are_no_more_than_cores_or_work(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = snapshots.spec(confirm=False, budget={"trials": 60, "window": 4})
    monkeypatch.setattr(plan, "cores", lambda: 64)
    assert plan.default_workers(spec) == 4
    assert plan.default_workers(snapshots.spec()) == 20, "2 configurations, 10 fresh seeds each"
    monkeypatch.setattr(plan, "cores", lambda: 2)
    assert plan.default_workers(spec) == 2


def test_helpers_are_workers_that_will_take_this_study_up() -> None:
    serving = [snapshots.worker(str(study), serves=study) for study in (None, "toy-study", "other")]
    refusing = snapshots.worker("refusing", refuses={"toy-study": "no data", "other": "no GPU"})
    workers = (*serving, refusing, snapshots.worker("dead", alive=False))
    snapshot = snapshots.snapshot(snapshots.spec(), workers=workers).snapshot
    assert [worker.name for worker in snapshot.helpers] == ["None", "toy-study"]
    assert snapshot.refusing == {refusing: "no data"}


STUDY = """
objective = "toy_objective:ToyObjective"
[budget]
trials = 6
[space]
x = { low = 0.0, high = 1.0, step = 0.5 }
k = { low = 1, high = 8 }
colour = { choices = ["red", "green"] }
[sampler]
n_startup_trials = 3
[reported]
score = 0.9
source = "toy"
[reported.params]
x = 0.5
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(STUDY)
    return path


def dry_run(study: Path, *options: str) -> subprocess.CompletedProcess[str]:
    home = study.parent / "home"
    done = subprocess.run(
        [sys.executable, "-m", "hpo.launch", "--study", str(study), "--dry-run", *options],
        env={
            **os.environ,
            "HPO_HOME": str(home),
            "HPO_STORAGE": "postgresql://me:secret@127.0.0.1:1/nowhere?sslpassword=secret",
            "PYTHONPATH": str(Path(snapshots.__file__).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert not home.exists(), "a dry run starts no server"
    assert "secret" not in done.stdout + done.stderr
    return done


def test_a_dry_run_shows_the_plan_and_touches_no_database(study: Path) -> None:
    done = dry_run(study, "--trials", "7", "--workers", "3", "--set", "seed=5")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "toy (from ",
        "7 trials × 3 networks × 60 epochs, 8 trials in flight at most",
        "training   1,260 epochs in the search; 600 in the confirmation",
        "tpe n_startup_trials=3",
        "the best trial, on 10 fresh seeds each, 60 epochs",
        "90.00 % (toy)",
        "database nowhere at 127.0.0.1:1, user me",
    ):
        assert words in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["x", "0", "…", "1,", "step", "0.5", "0.5"] in rows
    assert ["k", "1", "…", "8,", "whole", "numbers", "–"] in rows
    assert ["colour", "red", "|", "green", "–"] in rows
    assert ["workers", "3"] in rows


def test_a_dry_run_shows_the_race_and_the_end_of_the_search(study: Path) -> None:
    done = dry_run(
        study,
        "--set",
        "racing={rungs=[1], reduction_factor=2, keep=1}",
        "--set",
        "budget.window=1",
        "--set",
        "stop={target=0.9, patience=50}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in done.stdout.split("\n\n")[0].splitlines())
    assert facts["racing"] == "after 1 network, the best one goes on"
    assert facts["stop"] == "target = 0.9, or patience = 50"
    assert facts["training"] == (
        "at most 1,080 epochs in the search, which [stop] may end before; 600 in the confirmation"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["racing={rungs=[1], reduction_factor=2, keep=1}", "budget.window=1"],
            "at most 1,080 epochs in the search, at least 360 (a trial can end after 60 epochs)",
        ),
        (
            ["pruner={name='successive-halving', min_resource=5}"],
            "at most 1,080 epochs in the search, at least 30 (a trial can end after 5 epochs)",
        ),
        (
            ["pruner={name='median'}"],
            "at most 1,080 epochs in the search, at least 6 (a trial can end after 1 epoch)",
        ),
        (
            ["stop={max_epochs=300}", "budget.window=1"],
            "at most 480 epochs in the search, which [stop] may end before",
        ),
        (["budget.epochs=2"], "36 epochs in the search"),
    ],
)
def test_a_dry_run_says_how_much_is_trained(study: Path, options: list[str], said: str) -> None:
    line = [word for option in options for word in ("--set", option)]
    done = dry_run(study, "--set", "confirm=false", *line)
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = [row for row in done.stdout.splitlines() if row.startswith("training")]
    assert found.removeprefix("training").strip() == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "budget.window=6"], "6"),
        (
            ["--set", "budget.window=4"],
            "6, of which the search keeps 4 at work (budget.window = 4)",
        ),
        (["--trials", "5"], "6, of which the search keeps 5 at work (budget.trials = 5)"),
    ],
)
def test_a_dry_run_tells_of_workers_that_find_no_work(
    study: Path, options: list[str], said: str
) -> None:
    done = dry_run(study, "--workers", "6", *options)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("workers")]
    assert line.removeprefix("workers").strip() == said


def test_a_dry_run_for_programs(study: Path) -> None:
    done = dry_run(study, "--json", "--name", "other", "--seed", "9")
    plan_ = json.loads(done.stdout)
    assert (plan_["event"], plan_["study"], plan_["spec"]["seed"]) == ("dry-run", "other", 9)
    assert (plan_["epochs_at_most"], plan_["epochs_at_least"]) == (1080, 1080)


def test_a_dry_run_shows_the_script_of_jobs(study: Path) -> None:
    line = ("--executor", "slurm", "--workers", "6", "--workers-per-job", "2", "--slurm-time", "5")
    done = dry_run(study, *line)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    jobs = "jobs 3 jobs of SLURM with 2 workers each, for 5 min 00 s at a time; logs in "
    assert any(line.startswith(jobs) for line in lines)
    script = done.stdout.partition("#!/bin/bash")[2]
    assert "#SBATCH --array=0-2%3\n#SBATCH --cpus-per-task=2\n" in script
    assert "#SBATCH --time=5\n" in script
    assert "/home/logs/toy/slurm/%A_%a.log\n" in script
    assert "-m hpo.worker --study=toy --workers=2 --threads=1 " in script
    assert json.loads(dry_run(study, *line, "--json").stdout)["script"].endswith(script)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "slurm"], "slurm: the number of workers must be given, but got workers="),
        (["--slurm-time", "soon"], "--slurm-time: slurm.time: minutes, H:MM:SS or D-H:MM:SS must"),
        (["--set", "bugdet.trials=3"], "bugdet: unknown key. Did you mean 'budget'?"),
        (["--set", "budget.trials"], "error: --set budget.trials: `key=value` must hold."),
        (["--set", "space.x.low=2"], "space.x: `low < high` must hold, but got low=2, high=1.0."),
        (["--set", "sampler.n_start=2"], "sampler.n_start: 'tpe' has no such option."),
        (["--name", "a b"], "name: a name must have 1 to 100 letters"),
        (["--storage", "sqlite:///x.db"], "the storage must be a PostgreSQL database"),
    ],
)
def test_a_mistake_is_one_message_before_anything_runs(
    study: Path, options: list[str], message: str
) -> None:
    done = dry_run(study, *options)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr

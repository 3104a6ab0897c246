"""A launch before it touches a database: its options, its plan, its dry run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import snapshots

from hpo.launch import __main__ as launch
from hpo.launch import plan


def test_default_workers_are_no_more_than_cores_or_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = snapshots.spec(confirm=False, budget={"trials": 60, "window": 4})
    monkeypatch.setattr(plan, "cores", lambda: 64)
    assert plan.default_workers(spec) == 4
    assert plan.default_workers(snapshots.spec()) == 20, (
        "2 configurations, 10 fresh seeds each"
    )
    monkeypatch.setattr(plan, "cores", lambda: 2)
    assert plan.default_workers(spec) == 2


def test_helpers_are_workers_that_will_take_this_study_up() -> None:
    serving = [
        snapshots.worker(str(study), serves=study)
        for study in (None, "toy-study", "other")
    ]
    refusing = snapshots.worker(
        "refusing", refuses={"toy-study": "no data", "other": "no GPU"}
    )
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
DryRun = Callable[..., str]


@pytest.fixture
def dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> DryRun:
    """What a dry run says; on stderr if it fails, and then nothing on stdout."""
    study, home = tmp_path / "toy.toml", tmp_path / "home"
    study.write_text(STUDY)
    monkeypatch.setenv("HPO_HOME", str(home))
    url = "postgresql://me:secret@127.0.0.1:1/nowhere?sslpassword=secret"
    monkeypatch.setenv("HPO_STORAGE", url)

    def run(*options: str, status: int = 0) -> str:
        assert launch.launch(["--study", str(study), "--dry-run", *options]) == status
        assert not home.exists(), "a dry run starts no server"
        said = capsys.readouterr()
        assert "secret" not in said.out + said.err
        assert not (said.out if status else said.err)
        return said.err if status else said.out

    return run


def facts(said: str) -> dict[str, str]:
    """The first table of a dry run."""
    return dict(line.split(maxsplit=1) for line in said.split("\n\n")[0].splitlines())


def test_a_dry_run_shows_the_plan_and_touches_no_database(dry_run: DryRun) -> None:
    said = dry_run("--trials", "7", "--workers", "3", "--set", "seed=5")
    for words in (
        "7 trials × 3 networks × 60 epochs, 8 trials in flight at most",
        "training   1,260 epochs in the search; 600 in the confirmation",
        "tpe n_startup_trials=3",
        "the best trial, on 10 fresh seeds each, 60 epochs",
        "database nowhere at 127.0.0.1:1, user me",
    ):
        assert words in said
    rows = [" ".join(line.split()) for line in said.splitlines()]
    space = [
        "x 0 to 1 in steps of 0.5 0.5",
        "k 1 to 8, whole numbers –",
        "colour red | green –",
    ]
    assert {*space, "workers 3"} <= {*rows}


def test_a_dry_run_of_a_function_has_no_table_of_its_unknown_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("def score(trial): return trial.suggest_int('n', 1, 3)")
    assert launch.launch(["train.py:score", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert facts(said)["parameters"].startswith("those that the function asks for")
    assert "searched" not in said


def test_a_direction_that_cannot_be_read_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "def score(trial): return 1.0\nif False: create_study(direction=way)\n"
    Path("train.py").write_text(text)
    assert launch.launch(["train.py:score", "--dry-run"]) == 1
    assert capsys.readouterr().err == (
        "error: train.py gives create_study a direction that cannot be read (line 2):"
        " add --direction maximize or minimize.\n"
    )
    line = ["train.py:score", "--dry-run", "--direction", "maximize"]
    assert launch.launch(line) == 0
    assert "function score: maximize value" in capsys.readouterr().out


TOLD = """
import optuna
from optuna.samplers import TPESampler
def score(trial): return 1.0
if __name__ == "__main__":
    sampler = TPESampler(seed=3, multivariate=True)
    pruner = optuna.pruners.MedianPruner(n_warmup_steps=3)
    study = optuna.create_study(sampler=sampler, pruner=pruner, storage=None)
    study.enqueue_trial({"x": 1})
    study.optimize(score, 30)
"""


@pytest.mark.parametrize(
    ("options", "untaken"),
    [
        (
            [],
            "from train.py: TPESampler(seed=3, multivariate=True),"
            " MedianPruner(n_warmup_steps=3), n_trials=30, enqueue_trial: use"
            " --sampler, --pruner, --trials, hpo enqueue",
        ),
        (
            ["--trials", "30", "--pruner", "median", "--sampler", "random"],
            "from train.py: enqueue_trial: use hpo enqueue",
        ),
    ],
)
def test_what_a_script_gives_optuna_and_the_study_lacks_is_named(
    options: list[str],
    untaken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(TOLD)
    assert launch.launch(["train.py:score", "--dry-run", *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"not taken {untaken} budget" in said
    assert launch.launch(["train.py:score", "--dry-run", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["not_taken"] == untaken


MEDIAN = ["--set", "pruner={name='median', n_warmup_steps=60}"]
STOP = ["--set", "stop={target=0.9, patience=50}"]


@pytest.mark.parametrize(
    ("options", "fact", "said"),
    [
        (STOP, "stop", "target=0.9 patience=50"),
        (
            [*MEDIAN, *STOP],
            "training",
            (
                "at most 1,080 epochs in the search; [stop] may end it earlier; 600 in"
                " the confirmation"
            ),
        ),
        (
            [*MEDIAN, "--set", "confirm=false"],
            "training",
            (
                "at most 1,080 epochs in the search, at least 360 (a trial can end"
                " after 60 epochs)"
            ),
        ),
    ],
)
def test_a_dry_run_says_how_the_budget_is_spent(
    dry_run: DryRun, options: list[str], fact: str, said: str
) -> None:
    assert facts(dry_run(*options))[fact] == said


SLOW = "plain PyTorch, 4 to 100 times slower, most with small batches"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], []),
        (["--set", "fixed.integrator=rk4"], ["integrator='rk4'"]),
        (
            [
                "--set",
                "fixed={}",
                "--set",
                'space.integrator={choices=["exponential-ab3", "ab3", "heun"]}',
            ],
            ["integrator='ab3'", "integrator='heun'"],
        ),
    ],
)
def test_a_dry_run_says_what_no_kernel_computes(
    capsys: pytest.CaptureFixture[str], options: list[str], names: list[str]
) -> None:
    line = ["seqdigits", "--dry-run", *options]
    assert launch.launch(line) == 0
    said = facts(capsys.readouterr().out).get("slow")
    text = f"no compiled kernel for {', '.join(names)}: {SLOW}"
    assert said == (text if names else None)
    assert launch.launch([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uncompiled"] == names


def test_a_dry_run_for_programs_and_of_jobs(dry_run: DryRun) -> None:
    found = json.loads(dry_run("--json", "--name", "other", "--seed", "9"))
    assert (found["event"], found["study"], found["spec"]["seed"]) == (
        "dry-run",
        "other",
        9,
    )
    assert (found["epochs_at_most"], found["epochs_at_least"]) == (1080, 1080)
    assert found["script"] is found["sampled"] is None
    line = (
        "--executor",
        "slurm",
        "--workers",
        "6",
        "--workers-per-job",
        "2",
        "--slurm-time",
        "5",
    )
    said = dry_run(*line)
    jobs = "3 jobs of SLURM with 2 workers each, for 5 min 00 s at a time; logs in "
    assert facts(said)["jobs"].startswith(jobs)
    script = said.partition("#!/bin/bash")[2]
    assert "#SBATCH --time=5\n" in script
    assert json.loads(dry_run(*line, "--json"))["script"].endswith(script)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "slurm"], "slurm: the number of workers is missing."),
        (
            ["--slurm-time", "soon"],
            "--slurm-time: slurm.time: expected minutes, H:MM:SS or D-H:MM:SS",
        ),
        (["--set", "bugdet.trials=3"], "unknown key bugdet. Did you mean 'budget'?"),
        (["--name", "a b"], "name: expected 1 to 100 letters"),
        (["--storage", "sqlite:///x.db"], "expected the URL of a PostgreSQL database"),
    ],
)
def test_a_mistake_is_one_message_before_anything_runs(
    dry_run: DryRun, options: list[str], message: str
) -> None:
    said = dry_run(*options, status=1)
    assert said.startswith("error: ")
    assert message in said

"""Functions of Optuna's kind run unchanged, and are pure functions of their specs: what
scripts users bring, and what befalls their workers."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from servers import database
from stack import ROOT
from users import User
from workers import (
    kill,
    ledger_at,
    start_worker,
    table,
    wait_until,
)

from hpo.ledger.ledger import Ledger
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, StudyState

EXAMPLES = ROOT / "docs/examples/optuna"
WORKERS = 3
KILLS = 4
LEASE = "--lease=1"

FEW = {
    "budget.trials": 8,
    "budget.window": 3,
    "sampler.n_startup_trials": 2,
    "confirm.seeds": 2,
}
HIGHEST = {"directions": "maximize"}
OURS = {"sampler.name": "kriging-believer"}
PRUNE = {"pruner.name": "median", "pruner.n_startup_trials": 2}
SCRIPTS: dict[str, dict[str, Any]] = {
    "conditional": HIGHEST | OURS,
    "cross_validation": HIGHEST,
    "failures": OURS,
    "lightgbm_pruning": HIGHEST | PRUNE,
    "multi_objective": {"directions": ["minimize", "minimize"]},
    "noisy": OURS | {"confirm.by": "posterior_mean"},
    "oscillators": HIGHEST,
    "parameters": HIGHEST,
    "quadratic": {},
    "sgd_pruning": PRUNE | OURS,
    "torch_mlp": HIGHEST | PRUNE,
}
"""Options of a launch of each example."""
LONG = ("cross_validation", "oscillators", "parameters", "sgd_pruning", "torch_mlp")
"""Examples whose calls take longest."""
SHORT = [name for name in SCRIPTS if name not in LONG]


def read(script: str) -> StudySpec:
    """Return a small study of an example."""
    name = f"{EXAMPLES / script}.py:objective"
    return file.load(name, values=FEW | SCRIPTS[script])


Table = list[Any]
Done = Callable[[], bool]


def run(
    url: str, scripts: Sequence[str], serve: Callable[[str, Ledger, Done], None]
) -> dict[str, Table]:
    """Run a study of each example, all at once; return by example all that must not
    depend on workers.

    Args:
        url: an empty database.
        scripts: names of examples.
        serve: has workers at work until the condition that it is given is true.
    """
    with ledger_at(url) as ledger:
        for script in scripts:
            ledger.register(read(script))

        def done() -> bool:
            states = {study.name: study.state for study in ledger.studies()}
            assert StudyState.FAILED not in states.values(), states
            return set(states.values()) == {StudyState.DONE}

        serve(url, ledger, done)
        return {
            script: table_of(ledger.snapshot(script, curves=True)) for script in scripts
        }


def table_of(snapshot: StudySnapshot) -> Table:
    """Return the usual table, with user attributes and reasons of failures."""
    slots = [*snapshot.search, *snapshot.confirm]
    facts = [own.info for slot in slots for own in slot.members]
    return [*table(snapshot), *facts, *[slot.message for slot in slots]]


def one_worker(url: str, ledger: Ledger, done: Done) -> None:
    """Let one worker serve all studies."""
    worker = start_worker(url)
    wait_until(done, 250)
    kill(worker, signal.SIGTERM)


def several_that_die(url: str, ledger: Ledger, done: Done) -> None:
    """Let some workers serve all studies, and kill those that call functions."""
    workers = {}
    for _ in range(KILLS):
        while len(workers) < WORKERS:
            worker = start_worker(url, "--lease=1")
            workers[worker.pid] = worker
        victim = workers.pop(wait_for_call(ledger, set(workers), done))
        time.sleep(random.uniform(0.0, 0.3))
        kill(victim)
        assert victim.returncode == -signal.SIGKILL
    wait_until(done, 250)
    for worker in workers.values():
        kill(worker, signal.SIGTERM)


def wait_for_call(ledger: Ledger, pids: set[int], done: Done) -> int:
    """Wait until one of these processes has a trial; return its number."""

    def busy() -> list[int]:
        with_trial = {one.pid for one in ledger.workers() if one.trial is not None}
        return [*with_trial & pids]

    wait_until(lambda: bool(busy()) or done(), 120)
    return random.choice(busy() or [*pids])


@pytest.mark.parametrize(
    "scripts",
    [SHORT, pytest.param(LONG, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
def test_examples_have_the_same_tables_with_and_without_kills(
    server_url: str, with_tables: str, scripts: Sequence[str]
) -> None:
    with database(server_url, with_tables) as url:
        undisturbed = run(url, scripts, one_worker)
    with database(server_url, with_tables) as url:
        disturbed = run(url, scripts, several_that_die)
    assert [name for name in scripts if undisturbed[name] != disturbed[name]] == []


def test_every_example_is_one_of_them() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SCRIPTS)


def test_the_commands_of_the_page_run(user: User) -> None:
    shutil.copytree(EXAMPLES, user.directory, dirs_exist_ok=True)
    page = (ROOT / "docs/how-to/from-optuna.md").read_text("utf-8")
    lines = re.findall(r"^    hpo (launch (\w+)\.py:.*)", page, re.MULTILINE)
    names = []
    for line, name in lines:
        words = shlex.split(line, comments=True)
        small = ("--trials", "3", "--set", "confirm.seeds=2", "--no-report")
        out, _ = user.run(*words, *small, "--workers", "1")
        assert f"{name}: " in out
        assert user.snapshot(name).state == StudyState.DONE
        names.append(name)
    assert names == ["conditional", "torch_mlp", "oscillators"]


def test_a_function_that_always_fails_stops_its_study(user: User) -> None:
    script = user.directory / "broken.py"
    script.write_text("def objective(trial):\n    return float('nan')\n")
    line = ("launch", "broken.py:objective", "--workers", "1", "--no-report")
    _, err = user.run(*line, status=1)
    assert user.snapshot("broken").finished == 10
    assert "10 trials in a row failed; the last one:" in err
    assert "the function returned NaN" in err


def test_a_function_with_more_values_than_directions_needs_another_study(
    user: User,
) -> None:
    script = user.directory / "two.py"
    script.write_text("def objective(trial):\n    return 1, 2\n")
    line = ("launch", "two.py:objective", "--workers", "1", "--no-report")
    out, _ = user.run(*line, "--trials", "2", status=5)
    what = (
        "a retry fails again: the function returns 2 values, and the study has 1"
        " direction. Start another study with the direction of each value: `"
    )
    assert out.count(what) == 2, "of the verdict, and below the failed trials"
    assert "--retry" not in out
    another = out.partition(what)[2].partition("`")[0]
    words = shlex.split(another.replace("NEW", "both"))
    user.run(*words[1:], "--trials", "2", "--workers", "1", "--no-report")
    assert user.snapshot("both").state == StudyState.DONE


def test_every_call_of_a_trial_sees_its_history(user: User) -> None:
    (user.directory / "better.py").write_text(
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    return 9.0 if trial.number == 0 else x + 0 * trial.study.best_value\n"
    )
    small = ("--trials", "3", "--seeds", "2", "--sampler", "random")
    window = ("--set", "budget.window=1", "--set", "confirm.seeds=2")
    user.run("launch", "better.py:objective", *small, *window, "--no-report")
    study = user.snapshot("better")
    slots = [*study.search, *study.confirm]
    assert [slot.state for slot in slots] == [SlotState.COMPLETE] * 5

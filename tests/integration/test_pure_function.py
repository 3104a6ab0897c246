"""A study is a pure function of its spec, whoever runs it and however often it is disturbed."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from workers import (
    kill,
    ledger_at,
    run_workers,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from hpo.search.seeds import derive
from hpo.study.file import load
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState

SAMPLERS = [
    {"name": "tpe", "n_startup_trials": 4},
    {"name": "random"},
    {"name": "qmc", "scramble": True},
    {"name": "gp", "n_startup_trials": 4},
    {"name": "cmaes", "n_startup_trials": 4},
    {"name": "kriging-believer", "n_startup_trials": 4},
]
PRUNERS = [
    {"name": "none"},
    {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 2},
    {"name": "percentile", "percentile": 60.0, "n_startup_trials": 4},
    {"name": "wilcoxon", "p_threshold": 0.3, "n_startup_steps": 2},
    {"name": "successive-halving", "min_resource": 2, "reduction_factor": 2},
]


@pytest.mark.parametrize("workers", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_number_of_workers_does_not_matter(database_url: str, workers: int) -> None:
    alone = undisturbed(database_url, toy_spec("alone"))
    many = toy_spec("many", fixed={"sleep_s": 0.002})
    with ledger_at(database_url) as ledger:
        ledger.register(many)
        run_workers(database_url, "many", workers)
        snapshot = ledger.snapshot("many", curves=True)
    assert snapshot.state == StudyState.DONE
    assert table(snapshot) == alone
    assert len({slot.worker for slot in snapshot.search}) > 1, "one worker did it all: no test"
    seeds = [derive(many.seed, "member", member) for member in range(many.budget.members)]
    for slot in snapshot.search:  # every trial's networks begin from the same random numbers
        assert [m.seed for m in slot.members] == seeds[: len(slot.members)]
    assert {slot.state for slot in snapshot.search} == {SlotState.COMPLETE, SlotState.PRUNED}


@pytest.mark.slow
@pytest.mark.parametrize("pruner", PRUNERS, ids=lambda p: str(p["name"]))
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: str(s["name"]))
def test_with_every_sampler_and_pruner(
    database_url: str, sampler: dict[str, object], pruner: dict[str, object]
) -> None:
    tables = {"sampler": sampler, "pruner": pruner, "budget": {"members": 4}}
    alone = undisturbed(database_url, toy_spec("alone", **tables))
    slow = toy_spec("many", **tables, fixed={"sleep_s": 0.002})
    with ledger_at(database_url) as ledger:
        ledger.register(slow)
        run_workers(database_url, "many", 3)
        assert table(ledger.snapshot("many", curves=True)) == alone


def test_stopped_twice_and_killed_once(database_url: str) -> None:
    alone = undisturbed(database_url, toy_spec("alone"))
    spec = toy_spec("disturbed", fixed={"sleep_s": 0.01})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        for settled, signum in [(3, signal.SIGTERM), (7, signal.SIGINT), (11, signal.SIGKILL)]:
            worker = start_worker(database_url, "--study", spec.name, "--lease", "1")
            wait_until(lambda n=settled: ledger.snapshot(spec.name).settled >= n)  # type: ignore[misc]
            said = kill(worker, signum)
            assert worker.returncode == (-signal.SIGKILL if signum == signal.SIGKILL else 0), said
            running = ledger.snapshot(spec.name).count(SlotState.RUNNING)
            assert running <= 1
        run_workers(database_url, spec.name, 2, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
    assert table(snapshot) == alone
    assert sum(slot.attempts for slot in snapshot.search) > len(snapshot.search)


def test_exact_budget_with_more_workers_than_needed(database_url: str) -> None:
    spec = toy_spec("forty", budget={"trials": 40, "window": 16, "members": 1, "epochs": 2})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, spec.name, 5)
        snapshot = ledger.snapshot(spec.name)
    assert [slot.number for slot in snapshot.search] == list(range(40))
    assert snapshot.settled == 40


def test_grid_runs_each_point_once(database_url: str) -> None:
    spec = toy_spec(
        "grid",
        budget={"trials": 30, "window": 16, "members": 1, "epochs": 1},
        space={"x": {"low": 0.0, "high": 1.0, "points": 5}, "k": {"low": 1, "high": 6, "step": 1}},
        sampler={"name": "grid"},
        pruner={"name": "none"},
        confirm={"top": 1, "members": 2},
    )
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, spec.name, 3)
        points = [(s.params["x"], s.params["k"]) for s in ledger.snapshot(spec.name).search]
    assert len(points) == len(set(points)) == 30
    assert set(points) == {(x / 4, k) for x in range(5) for k in range(1, 7)}


def networks(name: str, *, study: str, **changes: object) -> StudySpec:
    """A shipped study with another name, and with other values by dotted key."""
    return load(study, values={"name": name, **changes})


SMALL: dict[str, Any] = {
    "fixed.width": 12,
    "fixed.layers": 2,
    "confirm.epochs": 3,
    "confirm.members": 3,
}
TPE: dict[str, Any] = {
    "study": "seqdigits-tpe",
    "budget.trials": 14,
    "budget.epochs": 4,
    "pruner.n_warmup_steps": 2,
}
RACED: dict[str, Any] = {
    "study": "seqdigits",
    "budget.trials": 24,
    "budget.epochs": 6,
    "budget.members": 4,
    "pruner.min_resource": 2,
    "racing.rungs": [1, 2],
    "racing.reduction_factor": 6,
}
PAPER: dict[str, Any] = {
    "study": "seqdigits",
    "budget.trials": 24,
    "budget.epochs": 20,
    "confirm.epochs": 20,
}


@pytest.mark.slow  # seconds of chaos do the same to networks of another study
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL | TPE, id="small"),
        pytest.param(SMALL | RACED, id="raced"),
        pytest.param(PAPER, id="paper"),
    ],
)
def test_real_networks_by_one_worker_and_by_three_with_a_kill(
    database_url: str, size: dict[str, Any]
) -> None:
    alone = undisturbed(database_url, networks("alone", **size))
    spec = networks("three", **size)
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        victim = start_worker(database_url, "--study", spec.name, "--lease", "2")
        wait_until(lambda: ledger.snapshot(spec.name).settled >= 5, 120)
        kill(victim, signal.SIGKILL)
        run_workers(database_url, spec.name, 3, "--lease", "2", timeout_s=280)
        snapshot = ledger.snapshot(spec.name, curves=True)
    assert table(snapshot) == alone
    assert len({slot.worker for slot in snapshot.search}) > 2

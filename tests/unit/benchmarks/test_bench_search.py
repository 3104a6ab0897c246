"""The search benchmark: table, surrogate, accounts; what docs/explanation/search.md says."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.search import page, real, results, surrogate, table
from benchmarks.search.memo import Memo
from benchmarks.search.simulate import run
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from benchmarks.search.tasks import SEQDIGITS, TASKS, Task

SPEC, RECORDS = SEQDIGITS.spec(table=True), table.read(SEQDIGITS.file(surrogate.TABLE))


@pytest.mark.parametrize("task", [t for t in TASKS.values() if t.file(surrogate.TABLE).exists()])
def test_the_table_is_whole(task: Task) -> None:
    assert task.file(surrogate.TABLE).stat().st_size < 1_000_000
    for record in table.read(task.file(surrogate.TABLE)):
        curves = record["search"].values()
        assert {len(curve) for curve in curves} == {task.epochs}
        assert len(curves) - 1 <= len(record["confirm"]) <= len(curves)


def test_points_of_the_cube_are_parameters_and_back() -> None:
    unit = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9, 0.3])
    params = table.to_params(SPEC, unit)
    assert (params["batch_size"], type(params["batch_size"])) == (20, int)
    assert params["f_cut_per_ns"] == pytest.approx(10**-0.75)
    assert table.to_unit(SPEC, params) == pytest.approx(unit)


@pytest.mark.slow  # it is fitted anew to every part of the table but one
def test_the_surrogate_does_as_well_on_points_held_back_as_it_says() -> None:
    stored = json.loads(SEQDIGITS.file(surrogate.KERNELS).read_text())
    known = surrogate.data(SEQDIGITS, RECORDS)
    again = surrogate.validate(SEQDIGITS, known, stored["kernels"])
    for kind, told in stored["validation"].items():
        for what, said in told.items():
            assert again[kind][what] == pytest.approx(said, abs=0.01)


@pytest.mark.parametrize("name", [DEFAULT, "TPE, median"])
def test_a_search_is_the_same_whenever_it_is_run_and_counts_every_epoch(name: str) -> None:
    spec, world = STRATEGIES[name].spec(3), surrogate.load()
    trained: list[float | None] = []

    class Counting:
        good, true = world.good, staticmethod(world.true)

        def train(self, spec: Any, params: Any, seed: int, tell: Any) -> float:
            return world.train(
                spec, params, seed, lambda score: tell(trained.append(score) or score)
            )

    once, again = run(spec, Counting(), 400), run(spec, world, 400)
    assert 400 <= len(trained) < 700
    assert [s.claimed for s in once.steps] == [s.claimed for s in again.steps]
    assert all(a.epochs < b.epochs for a, b in pairwise(once.steps))
    assert once.steps[-1].epochs <= len(trained)


def test_every_search_of_the_page_was_run_with_what_is_committed() -> None:
    found = {name: results.load(task) for name, task in TASKS.items()}
    assert {DEFAULT, "Optuna TPE", "random"} <= set(found["seqdigits"])
    written = page.PAGE.read_text()
    for mark, own in page.tables(found).items():
        if f"<!-- {mark} -->" in written:
            assert f"<!-- {mark} -->\n{own}\n<!-- end -->" in written, mark


@pytest.mark.parametrize("name", TASKS)
def test_the_default_is_the_study_file_of_the_task(name: str) -> None:
    spec = TASKS[name].spec()
    own = STRATEGIES[DEFAULT].spec(0, replace(TASKS[name], tried=("fixed.q=0.1",)), table=False)
    assert own.fixed == {**spec.fixed, "q": 0.1}
    budget = spec.budget.model_copy(update={"trials": own.budget.trials})
    assert own == spec.model_copy(update={"name": "search", "fixed": own.fixed, "budget": budget})


def test_a_network_is_trained_once_and_again_only_to_go_further(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"budget": SPEC.budget.model_copy(update={"epochs": 3})})
    trained, params = [], table.to_params(SPEC, np.full(8, 0.5))
    for epochs in (2, 1, 2, 100, 3):
        world = real.Real(memo=Memo(path=tmp_path / "memo"))
        told: list[float | None] = []

        def tell(accuracy: float | None, told: Any = told, epochs: int = epochs) -> None:
            told.append(accuracy)
            if len(told) == epochs:
                raise InterruptedError

        with suppress(InterruptedError):
            world.train(spec, params, 1, tell)
        trained.append(world.memo.trained)
    assert trained == [1, 0, 0, 1, 0]


def test_searches_of_two_processes_are_added_to_one_file(tmp_path: Path) -> None:
    for seed in (1, 0, 1):
        found = {"task": "columns", "set": [], "strategy": "random", "seed": seed}
        real.add(found, tmp_path / "real.json")
    assert [one["seed"] for one in real.load(tmp_path / "real.json")] == [0, 1]
    assert real.main([DEFAULT, "--set", "ema_decoy=1"]) == 2

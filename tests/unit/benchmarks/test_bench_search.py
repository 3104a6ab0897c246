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

from benchmarks.search import designs as designs_of
from benchmarks.search import page, real, results, surrogate, table
from benchmarks.search.memo import Memo
from benchmarks.search.simulate import run
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from benchmarks.search.tasks import SEQDIGITS, TASKS
from hpo.study import file
from hpo.study.tables import Budget
from objectives.contract import Protocol


def budget(**changes: int) -> Budget:
    return SEQDIGITS.spec().budget.model_copy(update=changes)


DESIGNS = {"whole": 64, "good": 7, "known": 32, "better": 128, "small": 24}
PAIRS = ("whole", "good", "known")
"""Designs with two networks a point, of which the first was judged after 100 epochs."""


def test_the_table_is_whole() -> None:
    records = table.read()
    designs = [record["design"] for record in records]
    assert {name: designs.count(name) for name in set(designs)} == DESIGNS
    for record in records:
        curves = list(record["search"].values())
        assert {len(curve) for curve in curves} == {table.EPOCHS}
        judged = 99 if record["design"] in PAIRS else -1
        good = [curve[judged] >= designs_of.HOPELESS * 269 for curve in curves]
        assert len(curves) == (2 if good[0] and record["design"] in PAIRS else 1)
        assert len(record["confirm"]) == sum(good)
    assert table.TABLE.stat().st_size < 1_000_000


def test_a_record_can_be_trained_again() -> None:
    """The beginning of its first learning curve, to a few per cent: noise and steps are others."""
    record = next(r for r in table.read() if r["design"] == "known")
    member, curve = next(iter(record["search"].items()))
    spec = table.spec()
    told: list[float] = []

    class Enough(Exception):
        pass

    def tell(accuracy: float | None) -> None:
        told.append(accuracy or 0.0)
        if len(told) == 2:
            raise Enough

    from hpo.study.spec import derived_seed

    world = real.Real(memo=Memo())
    with pytest.raises(Enough):
        world.train(spec, record["params"], derived_seed(0, "member", int(member)), tell)
    assert [round(accuracy * 269) for accuracy in told] == pytest.approx(curve[:2], abs=15)


def test_points_of_the_cube_are_parameters_and_back() -> None:
    spec = table.spec()
    unit = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9, 0.3])
    params = table.to_params(spec, unit)
    assert params["batch_size"] == 20
    assert isinstance(params["batch_size"], int)
    assert params["f_cut_per_ns"] == pytest.approx(10**-0.75)
    assert table.to_unit(spec, params) == pytest.approx(unit)


@pytest.mark.slow  # it is fitted anew to every part of the table but one
def test_the_surrogate_does_as_well_on_points_held_back_as_it_says() -> None:
    stored = json.loads(surrogate.KERNELS.read_text())
    known = surrogate.data(table.spec(), table.read())
    again = surrogate.validate(known, stored["kernels"])
    for kind in ("all", "good"):
        for what in ("epoch 15", "epoch 60", "confirmed"):
            for measure in ("r2", "rank_correlation", "rms_error"):
                said = stored["validation"][kind][what][measure]
                assert again[kind][what][measure] == pytest.approx(said, abs=0.01)


@pytest.mark.parametrize("name", [DEFAULT, "TPE, median"])
def test_a_search_is_the_same_whenever_it_is_run_and_counts_every_epoch(name: str) -> None:
    spec, world = STRATEGIES[name].spec(3), surrogate.load()
    trained = 0

    class Counting(surrogate.Surrogate):
        def __init__(self) -> None:
            self.__dict__.update(world.__dict__)

        def train(self, spec: Any, params: Any, seed: int, tell: Any) -> float:
            def told(accuracy: float | None) -> None:
                nonlocal trained
                trained += 1
                tell(accuracy)

            return super().train(spec, params, seed, told)

    once, again = run(spec, Counting(), 400), run(spec, world, 400)
    assert 400 <= trained < 700
    assert [s.claimed for s in once.steps] == [s.claimed for s in again.steps]
    assert once.steps
    assert all(a.epochs < b.epochs for a, b in pairwise(once.steps))
    assert once.steps[-1].epochs <= trained


def test_every_search_of_the_page_was_run_with_what_is_committed() -> None:
    found = results.load()
    assert {DEFAULT, "Optuna TPE", "random"} <= set(found)
    written = page.PAGE.read_text()
    for mark, own in page.tables(found).items():
        assert f"<!-- {mark} -->\n{own}\n<!-- end -->" in written, mark


def test_the_default_is_the_study_file_with_cold_networks() -> None:
    spec, own = file.load("seqdigits"), STRATEGIES[DEFAULT].spec(0)
    alike = ("space", "sampler", "pruner", "racing", "task")
    assert all(getattr(own, name) == getattr(spec, name) for name in alike)
    assert own.fixed == {**spec.fixed, "thermal_power": 0.0, "max_step_ns": 0.35}
    as_recorded = {"trials": own.budget.trials, "score_every": 1}
    assert own.budget == spec.budget.model_copy(update=as_recorded)


def test_a_network_is_trained_once_and_again_only_to_go_further(tmp_path: Path) -> None:
    spec = SEQDIGITS.spec().model_copy(update={"budget": budget(epochs=3, score_every=1)})
    params = dict(spec.reported.params if spec.reported else {}) | {"f_cut_per_ns": 0.01}
    file = tmp_path / "memo.jsonl"

    def train(memo: Memo, least: float) -> list[float | None]:
        """Train until so many epochs are told."""
        told: list[float | None] = []

        def tell(accuracy: float | None) -> None:
            told.append(accuracy)
            if len(told) == least:
                raise InterruptedError

        with suppress(InterruptedError):
            memo.train(spec, params, Protocol.VALIDATION, 1, 3, tell)
        return told

    first = Memo(path=file)
    cut = train(first, 2)
    assert (train(first, 1), train(first, 2), first.trained) == (cut[:1], cut, 1)
    again = Memo(path=file)
    whole = train(again, 99)
    assert (whole[:2], len(whole), again.trained) == (cut, 3, 1)
    last = Memo(path=file)
    assert (train(last, 99), train(last, 2), last.trained) == (whole, cut, 0)
    other = spec.model_copy(update={"fixed": {**spec.fixed, "ema_decay": 0.5}})
    last.train(other, params, Protocol.VALIDATION, 1, 1)
    assert last.trained == 1


def test_searches_of_two_processes_are_added_to_one_file(tmp_path: Path) -> None:
    found = {"task": "columns", "set": [], "strategy": "random", "budget": 1}
    for seed in (1, 0, 1):
        real.add({**found, "seed": seed}, tmp_path / "real.json")
    assert [one["seed"] for one in real.load(tmp_path / "real.json")] == [0, 1]


@pytest.mark.parametrize("name", TASKS)
def test_the_reported_optimum_and_the_space_of_a_task_load(name: str) -> None:
    spec = STRATEGIES[DEFAULT].spec(0, TASKS[name], table=False)
    assert (spec.fixed["thermal_power"], spec.budget.score_every) == (1e-3, 5)
    tried = replace(TASKS[name], tried=("fixed.ema_decay=0.8",))
    assert STRATEGIES[DEFAULT].spec(0, tried, table=False).fixed["ema_decay"] == 0.8


def test_a_strategy_or_a_value_that_is_unknown_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert real.main(["no such"]) == 2
    assert "'no such': no such strategy" in capsys.readouterr().err
    assert real.main([DEFAULT, "--set", "ema_decoy=1"]) == 2
    assert "ema_decoy" in capsys.readouterr().err

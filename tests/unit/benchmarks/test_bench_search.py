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
from benchmarks.search.tasks import SEQDIGITS, TASKS
from hpo.study.spec import StudySpec, derived_seed


def curve_of(memo: Memo, spec: StudySpec, params: Any, least: int, seed: int) -> list[float]:
    """What a network tells until so many epochs are told."""
    told: list[float] = []

    def tell(accuracy: float | None) -> None:
        told.append(accuracy or 0.0)
        if len(told) == least:
            raise InterruptedError

    with suppress(InterruptedError):
        real.Real(memo=memo).train(spec, params, seed, tell)
    return told


SPEC, RECORDS = SEQDIGITS.spec(table=True), table.read(SEQDIGITS.file(surrogate.TABLE))
DESIGNS = {"whole": 64, "good": 7, "known": 32, "better": 128, "small": 24}
PAIRS = ("whole", "good", "known")
"""Designs with two networks a point, of which the first was judged after 100 epochs."""


def test_the_table_is_whole() -> None:
    records = RECORDS
    designs = [record["design"] for record in records]
    assert {name: designs.count(name) for name in set(designs)} == DESIGNS
    for record in records:
        curves = list(record["search"].values())
        assert {len(curve) for curve in curves} == {SEQDIGITS.epochs}
        judged = 99 if record["design"] in PAIRS else -1
        good = [curve[judged] >= SEQDIGITS.hopeless * 269 for curve in curves]
        assert len(curves) == (2 if good[0] and record["design"] in PAIRS else 1)
        assert len(record["confirm"]) == sum(good)
    assert SEQDIGITS.file(surrogate.TABLE).stat().st_size < 1_000_000


def test_a_record_can_be_trained_again() -> None:
    """The beginning of its first learning curve, to a few per cent: noise and steps are others."""
    record = next(r for r in RECORDS if r["design"] == "known")
    member, curve = next(iter(record["search"].items()))
    told = curve_of(Memo(), SPEC, record["params"], 2, derived_seed(0, "member", int(member)))
    assert [round(accuracy * 269) for accuracy in told] == pytest.approx(curve[:2], abs=15)


def test_points_of_the_cube_are_parameters_and_back() -> None:
    spec = SPEC
    unit = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9, 0.3])
    params = table.to_params(spec, unit)
    assert params["batch_size"] == 20
    assert isinstance(params["batch_size"], int)
    assert params["f_cut_per_ns"] == pytest.approx(10**-0.75)
    assert table.to_unit(spec, params) == pytest.approx(unit)


@pytest.mark.slow  # it is fitted anew to every part of the table but one
def test_the_surrogate_does_as_well_on_points_held_back_as_it_says() -> None:
    stored = json.loads(SEQDIGITS.file(surrogate.KERNELS).read_text())
    known = surrogate.data(SEQDIGITS, RECORDS)
    again = surrogate.validate(SEQDIGITS, known, stored["kernels"])
    for kind in ("all", "good"):
        for what in ("epoch 15", "epoch 60", "confirmed"):
            for measure in ("r2", "rank_correlation", "rms_error"):
                said = stored["validation"][kind][what][measure]
                assert again[kind][what][measure] == pytest.approx(said, abs=0.01)


@pytest.mark.parametrize("name", [DEFAULT, "TPE, median"])
def test_a_search_is_the_same_whenever_it_is_run_and_counts_every_epoch(name: str) -> None:
    spec, world = STRATEGIES[name].spec(3), surrogate.load()
    trained: list[float | None] = []

    class Counting:
        true = staticmethod(world.true)

        def train(self, spec: Any, params: Any, seed: int, tell: Any) -> float:
            return world.train(
                spec, params, seed, lambda score: tell(trained.append(score) or score)
            )

    once, again = run(spec, Counting(), 400), run(spec, world, 400)
    assert 400 <= len(trained) < 700
    assert [s.claimed for s in once.steps] == [s.claimed for s in again.steps]
    assert once.steps
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
    alike = ("space", "sampler", "pruner", "racing", "task", "confirm")
    assert all(getattr(own, table) == getattr(spec, table) for table in alike)
    assert own.fixed == {**spec.fixed, "q": 0.1}
    assert own.budget.model_copy(update={"trials": spec.budget.trials}) == spec.budget


def test_a_network_is_trained_once_and_again_only_to_go_further(tmp_path: Path) -> None:
    spec, trained = SEQDIGITS.spec(), []
    params = table.to_params(spec, np.full(8, 0.5))
    for told in (2, 1, 2, 100, 3):
        memo = Memo(path=tmp_path / "memo")
        curve_of(memo, spec, params, told, 1)
        trained.append(memo.trained)
    assert trained == [1, 0, 0, 1, 0]


def test_searches_of_two_processes_are_added_to_one_file(tmp_path: Path) -> None:
    for seed in (1, 0, 1):
        found = {"task": "columns", "set": [], "strategy": "random", "seed": seed}
        real.add(found, tmp_path / "real.json")
    assert [one["seed"] for one in real.load(tmp_path / "real.json")] == [0, 1]
    assert real.main([DEFAULT, "--set", "ema_decoy=1"]) == 2

"""The search benchmark: table, surrogate, accounts; what docs/explanation/search.md says."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from benchmarks.search import designs as designs_of
from benchmarks.search import page, real, results, surrogate, table
from benchmarks.search.simulate import run
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from hpo.study import file

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

    def tell(accuracy: float) -> None:
        told.append(accuracy)
        if len(told) == 2:
            raise Enough

    from hpo.study.spec import derived_seed

    with pytest.raises(Enough):
        real.Real().train(spec, record["params"], derived_seed(0, "member", int(member)), tell)
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
            def told(accuracy: float) -> None:
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
    as_recorded = {"trials": own.budget.trials, "score_every": None}
    assert own.budget == spec.budget.model_copy(update=as_recorded)

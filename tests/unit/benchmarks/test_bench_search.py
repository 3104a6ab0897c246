"""The search benchmark: table, surrogate, accounts; what docs/explanation/search.md
says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from benchmarks import marks
from benchmarks.search import page, peers, real, results, surrogate, table, transfer
from benchmarks.search.memo import Memo
from benchmarks.search.simulate import run
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from benchmarks.search.tasks import SEQDIGITS, TASKS
from hpo.study.spec import StudySpec

RECORDS = table.read(surrogate.TABLE)


def test_the_table_is_whole() -> None:
    for record in RECORDS:
        curves = record["search"].values()
        assert {len(curve) for curve in curves} == {surrogate.CURVE_EPOCHS}
        assert len(curves) - 1 <= len(record["confirm"]) <= len(curves)


@pytest.mark.slow  # it is fitted anew to every part of the table but one
def test_the_surrogate_does_as_well_on_points_held_back_as_it_says() -> None:
    stored = json.loads(surrogate.KERNELS.read_text())
    known = surrogate.data(RECORDS)
    again = surrogate.validate(known, stored["kernels"])
    for kind, told in stored["validation"].items():
        for what, said in told.items():
            assert again[kind][what] == pytest.approx(said, abs=0.01)


@pytest.mark.parametrize("name", [DEFAULT, "TPE, median"])
def test_a_search_is_the_same_whenever_it_is_run_and_counts_every_epoch(
    name: str,
) -> None:
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
    found = results.load()
    assert {DEFAULT, "Optuna TPE", "random"} <= set(found)
    assert marks.missing(page.PAGES, page.tables(found)) == []


@pytest.mark.parametrize("name", TASKS)
def test_the_default_is_the_study_file_of_the_task(name: str) -> None:
    spec = TASKS[name].spec()
    own = STRATEGIES[DEFAULT].spec(
        0, replace(TASKS[name], tried=("fixed.q=0.1",)), table=False
    )
    assert own.fixed == {**spec.fixed, "q": 0.1}
    budget = spec.budget.model_copy(update={"trials": own.budget.trials})
    assert own == spec.model_copy(
        update={"name": "search", "fixed": own.fixed, "budget": budget}
    )


# --- peers: what they train is counted, what they return is kept ---

WHOLE = 20
EPOCHS = 150


class Hill:
    """A world of one hill; curves rise towards their end, and every seed has its own
    luck."""

    good = 0.85

    def __init__(self) -> None:
        self.curves: list[list[float]] = []
        self.tried: list[Any] = []

    def train(
        self, spec: StudySpec, params: Any, seed: int, tell: Callable[[float], None]
    ) -> float:
        end = self.true(params) + 0.01 * (seed % 1000 / 1000)
        curve: list[float] = []
        self.curves.append(curve)
        self.tried.append(params)
        for epoch in range(1, spec.budget.epochs + 1):
            curve.append(end * (1 - math.exp(-epoch / 4)))
            tell(curve[-1])
        return curve[-1]

    def true(self, params: Any) -> float:
        return (
            0.1
            + 0.4 * params["density_inter"]
            + 0.4 * (params["batch_size"] - 60) / 180
        )


def study(seed: int = 1) -> StudySpec:
    spec = SEQDIGITS.spec(table=True)
    budget = spec.budget.model_copy(update={"epochs": WHOLE})
    return spec.model_copy(update={"seed": seed, "budget": budget})


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_spends_its_epochs_and_returns_what_it_found(name: str) -> None:
    if not peers.installed(name):
        pytest.skip(f"{peers.PEERS[name].library} is not installed")
    spec, world = study(), Hill()
    steps = peers.run(name, spec, world, EPOCHS).steps
    *before, last = [len(curve) for curve in world.curves]
    assert sum(before) < EPOCHS <= sum(before) + last
    assert max([*before, last]) == WHOLE
    assert steps
    for step in steps:
        assert step.params.keys() == spec.space.keys()
        assert isinstance(step.params["batch_size"], int)
        assert step.true == world.true(step.params)
        assert step.epochs == sum(map(len, world.curves[: step.trial + 1]))
    again = peers.run(name, spec, Hill(), EPOCHS).steps
    assert [(s.trial, s.claimed) for s in again] == [
        (s.trial, s.claimed) for s in steps
    ]
    other = Hill()
    peers.run(name, study(2), other, WHOLE + 1)
    assert other.tried[:2] != world.tried[:2]


# --- an earlier study ---


class Formula(Memo):
    """Networks of which a formula says how good they are."""

    def train(
        self,
        spec: StudySpec,
        params: Any,
        protocol: Any,
        seed: int,
        epochs: int,
        tell: Callable[[float | None], None] = lambda accuracy: None,
    ) -> float:
        end = 0.2 + 0.7 * spec.dimensions["lr0"].share(params["lr0"])
        for epoch in range(1, epochs + 1):
            tell(end * (1 - math.exp(-epoch / 10)))
        return end + 1e-6 * (seed % 100)


def test_a_search_with_an_earlier_study_begins_where_that_was_good() -> None:
    found = {}
    for mode in transfer.MODES:
        own = transfer.search("columns", "seqdigits", mode, 0, 200, 2, Formula())
        found[mode] = own["held"][0]
        assert own["strategy"] == f"{mode} seqdigits"
    assert found["with"]["true"] > 0.85
    assert found["with"]["true"] > found["without"]["true"]
    assert found["with"]["true"] > found["shuffled"]["true"]


def test_the_table_of_earlier_studies_is_that_of_the_results() -> None:
    made = transfer.tables(real.load(transfer.FOUND))
    assert marks.missing([transfer.PAGE], made) == []

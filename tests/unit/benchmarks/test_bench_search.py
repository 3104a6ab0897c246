"""The search benchmark: table, surrogate, accounts; what docs/explanation/search.md says."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from stack import ROOT

from benchmarks.search import __main__ as command
from benchmarks.search import page, real, results, ridge, surrogate, table
from benchmarks.search.simulate import Search, Step, passes, run, value_at
from benchmarks.search.strategies import DEFAULT, PLAIN, STRATEGIES, Strategy
from hpo.study import file


def step(epochs: int, true: float, claimed: float = 0.9) -> Step:
    return Step(
        trial=epochs, epochs=epochs, seconds=epochs / 2, claimed=claimed, true=true, expected=0.9
    )


def test_the_table_is_whole() -> None:
    records = table.read()
    designs = [record["design"] for record in records]
    assert {name: designs.count(name) for name in set(designs)} == {
        "whole": 112,
        "good": 112,
        "better": 112,
        "best": 80,
    }
    for record in records:
        assert [len(curve) for curve in record["search"].values()] == [table.EPOCHS] * 2
        assert len(record["confirm"]) == 2
    assert table.TABLE.stat().st_size < 1_000_000


def test_a_record_can_be_trained_again() -> None:
    """The beginning of its first learning curve, up to what another processor rounds otherwise."""
    record = next(r for r in table.read() if r["design"] == "best")
    member, curve = next(iter(record["search"].items()))
    spec = table.spec()
    told: list[float] = []

    class Enough(Exception):
        pass

    def tell(accuracy: float) -> None:
        told.append(accuracy)
        if len(told) == 2:
            raise Enough

    from hpo.search import seeds

    with pytest.raises(Enough):
        real.Real().train(spec, record["params"], seeds.derive(0, "member", int(member)), tell)
    assert [round(accuracy * 269) for accuracy in told] == pytest.approx(curve[:2], abs=2)


def test_points_of_the_cube_are_parameters_and_back() -> None:
    spec = table.spec()
    unit = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.1, 0.9])
    params = table.to_params(spec, unit)
    assert params["f_cut_per_ns"] == pytest.approx(10**-1.5)
    assert table.to_unit(spec, params) == pytest.approx(unit)


@pytest.mark.slow
def test_the_surrogate_does_as_well_on_points_held_back_as_it_says() -> None:
    stored = json.loads(surrogate.KERNELS.read_text())
    known = surrogate.data(table.spec(), table.read())
    again = surrogate.validate(known, stored["kernels"])
    for kind in ("all", "good"):
        for what in ("epoch 8", "epoch 40", "confirmed"):
            for measure in ("r2", "rank_correlation", "rms_error"):
                said = stored["validation"][kind][what][measure]
                assert again[kind][what][measure] == pytest.approx(said, abs=0.01)
    assert again["all"]["confirmed"]["r2"] > 0.9
    assert again["good"]["confirmed"]["rank_correlation"] > 0.6


def test_networks_of_a_point_differ_by_seed_and_are_reproducible() -> None:
    world, spec = surrogate.load(), STRATEGIES[PLAIN].spec(0)
    params = {k: v for k, v in table.read()[0]["params"].items() if k in spec.space}

    def curve(seed: int) -> list[float]:
        told: list[float] = []
        assert world.train(spec, params, seed, told.append) == told[-1]
        return told

    first = curve(1)
    assert len(first) == spec.budget.epochs
    assert all((269 * accuracy) % 1 == pytest.approx(0, abs=1e-6) for accuracy in first)
    assert curve(1) == first != curve(2)


@pytest.mark.parametrize("name", [DEFAULT, PLAIN])
def test_a_search_is_the_same_whenever_it_is_run_and_counts_every_epoch(name: str) -> None:
    own = STRATEGIES[name]
    strategy = Strategy(name=name, budget=own.budget, tables=own.tables, spend=400)
    spec, world = strategy.spec(3), surrogate.load()
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
    assert once.epochs == trained >= 400
    assert [s.claimed for s in once.steps] == [s.claimed for s in again.steps]
    assert once.steps
    assert all(a.claimed < b.claimed and a.epochs < b.epochs for a, b in pairwise(once.steps))


def test_when_a_level_is_passed() -> None:
    steps = [step(100, 0.8), step(200, 0.93), step(300, 0.91), step(400, 0.94)]
    assert passes(steps, 0.92, "epochs") == 200
    assert passes(steps, 0.92, "epochs", for_good=True) == 400
    assert passes(steps, 0.92, "seconds") == 100
    assert passes(steps, 0.95, "epochs") == passes([], 0.1, "epochs") == math.inf
    assert passes(steps[:3], 0.92, "epochs", for_good=True) == math.inf
    assert list(value_at(steps, np.array([50, 100, 350]))) == [0.1, 0.8, 0.91]


def test_epochs_per_success_count_those_of_searches_that_failed() -> None:
    def search(until: int | None) -> Search:
        steps = [step(50, 0.8)] + ([] if until is None else [step(until, 0.95)])
        return Search(steps=steps, trials=9, complete=9, epochs=1000, seconds=1.0, suggestion_s=0.1)

    ours = page.per_success([search(100), search(300)], 0.9, for_good=False)
    theirs = page.per_success([search(200), search(None)], 0.9, for_good=False)
    assert ours.tolist() == [[100.0, 300.0], [1.0, 1.0]]
    assert theirs.tolist() == [[200.0, 1000.0], [1.0, 0.0]]
    middle, low, high = page.ratio(ours, theirs)
    assert middle == 1200 / 200
    assert low < middle < high == math.inf


def test_every_search_of_the_page_was_run_with_what_is_committed() -> None:
    found = results.load()
    assert results.missing(found, STRATEGIES, None) == []
    written = page.PAGE.read_text()
    for mark, own in page.tables(found).items():
        assert f"<!-- {mark} -->\n{own}\n<!-- end -->" in written, mark


def test_the_default_is_the_study_file_and_wins_as_the_page_says() -> None:
    spec, own = file.load("seqdigits"), STRATEGIES[DEFAULT].spec(0)
    assert (own.sampler, own.pruner, own.racing) == (spec.sampler, spec.pruner, spec.racing)
    assert own.budget.model_copy(update={"trials": spec.budget.trials}) == spec.budget
    assert own.space == table.spec().space
    found = results.load()
    ours, theirs = (
        page.per_success(list(found[name].values()), 0.92, for_good=False)
        for name in (DEFAULT, PLAIN)
    )
    assert page.ratio(ours, theirs)[0] >= 5


def test_real_networks_are_searched_where_the_study_file_does() -> None:
    spec, own = file.load("seqdigits"), STRATEGIES[DEFAULT].spec(0, of_table=False)
    alike = ("space", "fixed", "sampler", "pruner", "racing", "task")
    assert all(getattr(own, name) == getattr(spec, name) for name in alike)
    plain = STRATEGIES[PLAIN].spec(0, of_table=False)
    assert (plain.space, plain.budget.members) == (spec.space, 1)


def test_incumbents_of_the_real_thing_were_judged() -> None:
    found = real.load()
    for space in real.SPACES:
        assert {f["strategy"] for f in found if f["space"] == space} >= {DEFAULT, PLAIN}
    for search in found:
        assert all(s["error"] is not None for s in search["steps"] if s["claimed"] >= real.JUDGED)
        assert all(a["claimed"] <= b["claimed"] for a, b in pairwise(search["steps"]))


@pytest.mark.parametrize("of_table", [True, False])
def test_plain_optuna_trains_real_networks_and_counts_their_epochs(of_table: bool) -> None:
    spec = STRATEGIES[PLAIN].spec(0, of_table=of_table)
    spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"epochs": 2})})
    search = real._Plain(spec=spec, budget=1)
    steps = search.search()
    assert search.spent == steps[0].epochs == 2
    assert steps[0].params.keys() == spec.space.keys()
    assert 0.0 < steps[0].claimed < 1.0


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "nothing*"]) == 2
    assert (
        "--only must match a strategy, but got 'nothing*'. See --list." in capsys.readouterr().err
    )
    assert command.main(["--list", "--only", DEFAULT]) == 0
    assert f"10 of  10  {DEFAULT}" in capsys.readouterr().out
    assert real.main(["tpe9"]) == 2
    assert "'tpe9': no such strategy" in capsys.readouterr().err


def test_make_runs_it() -> None:
    assert "-m benchmarks.search\n" in (ROOT / "Makefile").read_text()


def test_the_page_shows_every_point_of_the_ridge() -> None:
    written = page.PAGE.read_text()
    for amplification, lr0, batch_size in ridge.points():
        assert f"| {amplification:g} | {lr0:.2g} | {batch_size} | " in written

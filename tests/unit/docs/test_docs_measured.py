"""What pages of docs/ say of measurements and studies is what those are."""

from __future__ import annotations

import statistics
import tomllib

import pytest
from stack import ROOT

from benchmarks import marks
from benchmarks.accuracy import (
    ablationpage,
    devices,
    integratorpage,
    integrators,
    predictionpage,
)
from benchmarks.networks.implementations import KINDS
from benchmarks.outside import page as outside
from benchmarks.outside import runs
from benchmarks.search import clock
from benchmarks.service import window
from hpo.study import file

PURE = (ROOT / "docs/explanation/pure-function.md").read_text()
WINDOW = PURE.partition("\n## The window\n")[2].partition("\n## ")[0]
ROBUST = (ROOT / "docs/how-to/robust.md").read_text()
FOUND = integrators.Found.read()
RESULTS = (ROOT / "benchmarks/RESULTS.md").read_text().partition("\n## Window\n")[2]


# --- integrators ---


def test_tables_are_those_of_the_data() -> None:
    pages = {
        integratorpage.PAGE: integratorpage.tables(FOUND),
        devices.PAGE: {"devices": devices.table(devices.read_results())},
        ablationpage.PAGE: ablationpage.tables(),
        predictionpage.PAGE: predictionpage.tables(),
        outside.PAGE: outside.tables(runs.load()),
    }
    for page, tables in pages.items():
        assert marks.missing([page], tables) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_has_a_gap_of_half_a_point_at_most(kind: str) -> None:
    default = integrators.default_of(kind)
    here = [
        training
        for training in FOUND.trainings
        if integrators.NETWORKS[training.network][0] == kind
        and (training.integrator, training.steps) == default
    ]
    assert here
    for training in here:
        gaps = [
            own - solved
            for own, solved in zip(training.own, training.solved, strict=True)
        ]
        assert abs(statistics.fmean(gaps)) <= 0.005


def test_two_solutions_agree() -> None:
    assert set(FOUND.checks) == set(integrators.NETWORKS)
    assert max(FOUND.checks.values()) < 1e-4


# --- window ---


def test_its_tables_are_those_of_the_benchmarks() -> None:
    rows = [line for line in WINDOW.splitlines() if line.startswith("|")]
    assert rows
    assert set(rows) <= {*clock.table(clock.read())}


@pytest.mark.parametrize("workers", [2, 8, 16])
def test_idle_shares_can_be_simulated_again(workers: int) -> None:
    pool = window.durations()
    shares = [
        window.steady(pool, workers, factor * workers) for factor in window.FACTORS
    ]
    cells = " | ".join(f"{100 * max(share, 0.0):.1f} %" for share in shares)
    assert f"| {workers} | {cells} |" in RESULTS.splitlines()


# --- robust ---


def test_the_hardware_of_the_page_is_that_of_the_search() -> None:
    table = file.load("seqdigits-robust").variability
    block = ROBUST[ROBUST.index("\n[variability]\n") :].split("```")[0]
    assert tomllib.loads(block)["variability"] == table

"""What docs/explanation/integrators.md says is what was measured."""

from __future__ import annotations

import statistics

import pytest
from stack import ROOT

from benchmarks import integratorpage, integrators
from benchmarks.networks import KINDS

DOCUMENT = (ROOT / "docs/explanation/integrators.md").read_text()
FOUND = integrators.Found.read()


def test_its_tables_are_those_of_the_data() -> None:
    for name, table in integratorpage.tables(FOUND).items():
        assert f"<!-- {name} -->\n{table}\n<!-- end -->" in DOCUMENT


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
        gaps = [own - solved for own, solved in zip(training.own, training.solved, strict=True)]
        assert abs(statistics.fmean(gaps)) <= 0.005


def test_two_solutions_agree() -> None:
    assert set(FOUND.checks) == set(integrators.NETWORKS)
    assert max(FOUND.checks.values()) < 1e-4

"""A study of real networks with one integration step per point, as all of them once were."""

from __future__ import annotations

import re

import pytest
from workers import ledger_at, run_workers

from hpo.study.file import validate
from hpo.study.result import Result
from hpo.views import verdict


def one_step_study(database_url: str) -> Result:
    """The paper's point: one short trial, two networks that are confirmed after 15 epochs."""
    raw = {
        "name": "map",
        "objective": "spintronic",
        "budget": {"trials": 1, "window": 1, "members": 1, "epochs": 1},
        "fixed": {"integrator": "exponential", "max_step_ns": 1.0},
        "space": {"lr0": {"low": 0.149, "high": 0.15}},
        "sampler": {"name": "random"},
        "confirm": {"top": 1, "members": 2, "epochs": 15},
        "reported": {"score": 0.8983, "source": "arXiv:2408.02835"},
    }
    with ledger_at(database_url) as ledger:
        ledger.register(validate(raw, where="test"))
        run_workers(database_url, "map", 1)
        return ledger.result("map")


def test_a_map_of_the_oscillator_is_called_one(database_url: str) -> None:
    of_a_map = one_step_study(database_url)
    said = re.search(
        r"a result of the integration step, not of the oscillator: (\d\d\.\d) % with one step per "
        r"point, (\d+\.\d) % solved; needs oscillator powers below .* Lower max_step_ns\. "
        r"Train with thermal_power$",
        verdict.verdict(of_a_map),
    )
    assert said is not None, verdict.verdict(of_a_map)
    assert float(said[1]) > 70.0
    assert float(said[2]) < 50.0
    item = of_a_map.confirmed
    assert item is not None
    assert item.mean == pytest.approx(float(said[2]) / 100, abs=6e-4), "what is claimed"

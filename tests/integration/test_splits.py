"""A confirmation on several splits of the data, by workers at work side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from split_objective import STEP, SplitObjective
from workers import run_workers, toy_spec

from hpo.contract import Protocol
from hpo.ledger.ledger import Ledger
from hpo.study.seeds import derive_seed

TABLES: dict[str, Any] = {
    "objective": "split_objective:SplitObjective",
    "task": {"split_seed": 4},
    "budget": {"trials": 6},
    "confirm": {"top": 2, "seeds": 2, "splits": 3},
}


def test_each_network_of_a_split_has_its_data_and_a_seed_of_its_own(
    ledger: Ledger, database_url: str, hpo: Callable[..., str]
) -> None:
    spec = toy_spec("splits", **TABLES)
    ledger.register(spec)
    run_workers(database_url, "splits", 2)
    result = ledger.result("splits")
    for item in result.confirmations:
        scores = []
        for index in range(6):
            outcome = SplitObjective().evaluate(
                spec.params(item.params, epochs=spec.confirm_epochs),
                task=spec.task_params.on_split(index // 2),
                protocol=Protocol.CONFIRM,
                member_seed=derive_seed(spec.seed, "confirm", index),
                on_epoch=lambda progress: None,
            )
            scores.append(outcome.score)
        assert list(item.scores) == scores
        assert [split.number for split in item.splits] == [0, 1, 2]
    (baseline,) = result.baselines
    assert baseline.score == pytest.approx(0.5 + 5 * STEP)
    assert (baseline.std, baseline.n) == (pytest.approx(STEP), 3)
    record = json.loads(hpo("status", "splits", "--json"))["confirmations"][0]
    assert [split["scores"] for split in record["splits"]["each"]] == [
        record["scores"][:2],
        record["scores"][2:4],
        record["scores"][4:],
    ]

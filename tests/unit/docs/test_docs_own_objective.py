"""The objective that docs/how-to/own-objective.md shows keeps the contract."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stack import ROOT

import objectives
from objectives.contract import Outcome, Progress, Protocol

EXAMPLES = ROOT / "docs/examples"


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains a small network for four epochs."""
    monkeypatch.syspath_prepend(EXAMPLES)
    objective = objectives.load("conv:ConvObjective")
    params = objective.Params(epochs=4, width=8)
    task = objective.tasks["sequential-digits"]()

    def run(protocol: Protocol, resume: bytes | None = None) -> tuple[Outcome, list[Any]]:
        told: list[Any] = []

        def on_epoch(progress: Progress) -> None:
            told.append((progress.epoch, progress.score, progress.checkpoint()))

        outcome = objective.evaluate(
            params, task=task, protocol=protocol, member_seed=3, on_epoch=on_epoch, resume=resume
        )
        return outcome, told

    return run


@pytest.mark.parametrize("protocol", [Protocol.VALIDATION, Protocol.CONFIRM])
def test_it_resumes_bit_for_bit(train: Any, protocol: Protocol) -> None:
    outcome, told = train(protocol)
    resumed, rest = train(protocol, resume=told[1][2])
    assert resumed == outcome
    assert [told[:2] for told in rest] == [told[:2] for told in told[2:]]


def test_it_learns_and_tells_no_score_of_a_confirmation(train: Any) -> None:
    outcome, told = train(Protocol.VALIDATION)
    assert outcome.score > 0.5
    assert tuple(score for _, score, _ in told) == outcome.curve
    outcome, told = train(Protocol.CONFIRM)
    assert [score for _, score, _ in told] == [None] * 4
    assert outcome.curve == ()
    assert outcome.score > 0.5


def test_its_class_is_short() -> None:
    source = (EXAMPLES / "conv.py").read_text(encoding="utf-8")
    lines = source[source.index("class ConvObjective") :].splitlines()
    assert len([line for line in lines if line.strip()]) < 40
    assert not re.search(r"hpo\.", source)

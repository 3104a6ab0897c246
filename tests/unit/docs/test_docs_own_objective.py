"""The objective that docs/how-to/own-objective.md shows keeps the contract.

Of a search, the test that ``hpo new`` writes says so: ``tests/unit/cli/test_new.py`` runs it.
"""

from __future__ import annotations

import re

import pytest
from stack import ROOT

import objectives
from objectives.contract import Outcome, Progress, Protocol

EXAMPLES = ROOT / "docs/examples"


def test_a_confirmation_tells_no_score_and_resumes_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    objective = objectives.load("conv:ConvObjective")
    params, task = objective.Params(epochs=4, width=8), objective.tasks["sequential-digits"]()
    scores: list[float | None] = []
    saved: list[bytes] = []

    def on_epoch(progress: Progress) -> None:
        scores.append(progress.score)
        saved.append(progress.checkpoint())

    def train(resume: bytes | None = None) -> Outcome:
        protocol = Protocol.CONFIRM
        return objective.evaluate(
            params, task=task, protocol=protocol, member_seed=3, on_epoch=on_epoch, resume=resume
        )

    whole = train()
    assert (scores, whole.curve) == ([None] * 4, ())
    assert whole.score > 0.5
    assert train(resume=saved[1]) == whole
    assert len(saved) == 4 + 2


def test_its_class_is_short() -> None:
    source = (EXAMPLES / "conv.py").read_text(encoding="utf-8")
    lines = source[source.index("class ConvObjective") :].splitlines()
    assert len([line for line in lines if line.strip()]) < 40
    assert not re.search(r"hpo\.", source)

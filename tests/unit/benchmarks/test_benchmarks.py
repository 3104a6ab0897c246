"""The benchmarks compare like with like, and their page says what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy import integrators
from benchmarks.networks import implementations, runners

DEFAULT = integrators.name_of(integrators.default_of("spintronic"))


def small(kind: str) -> implementations.Case:
    """Little of the data, and a network of few neurons that has begun to learn it."""
    case = implementations.Case.trained(kind, 8, epochs=1)
    few = np.arange(runners.BATCH)
    split = replace(
        case.split, train=case.split.train.take(few), score=case.split.score.take(few)
    )
    return replace(case, split=split)


@pytest.mark.parametrize("kind", implementations.KINDS)
def test_implementations_of_one_scheme_are_one_network(kind: str) -> None:
    case = small(kind)
    entries = implementations.same_scheme(case)
    single = [entry for entry in entries.values() if not entry.scheme]
    errors = [entry.error for entry in single if entry.error is not None]
    assert len(errors) == 4
    assert errors == pytest.approx([errors[0]] * 4, rel=1e-2)
    together = entries[f"eager, {implementations.MEMBERS} members"].runner.logits(
        case.split.score.x
    )
    alone = case.ours().logits(case.split.score.x)
    assert len(together) == implementations.MEMBERS
    assert abs(together - alone).max() < 1e-4

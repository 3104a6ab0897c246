"""Trainings of the built-in objectives on the digits."""

from __future__ import annotations

from typing import Any

import objectives
from objectives.contract import OnEpoch, Outcome, Protocol
from objectives.tasks.sequential_digits import SequentialDigitsParams

SMALL: dict[str, Any] = {"layers": 2, "width": 6, "batch_size": 300}
"""A network that trains within milliseconds."""


def member(
    kind: str, protocol: Protocol = Protocol.VALIDATION, *, seed: int = 0, **params: Any
) -> Any:
    """A network of the objective ``kind``, not trained yet."""
    objective: Any = objectives.load(kind)
    return objective.member(
        objective.Params(**params),
        task=SequentialDigitsParams(),
        protocol=protocol,
        member_seed=seed,
    )


def evaluate(
    kind: str,
    protocol: Protocol = Protocol.VALIDATION,
    *,
    seed: int = 0,
    split_seed: int = 0,
    on_epoch: OnEpoch = lambda progress: None,
    resume: bytes | None = None,
    **params: Any,
) -> Outcome:
    """What a training of the objective ``kind`` gives."""
    objective: Any = objectives.load(kind)
    outcome: Outcome = objective.evaluate(
        objective.Params(**params),
        task=SequentialDigitsParams(split_seed=split_seed),
        protocol=protocol,
        member_seed=seed,
        on_epoch=on_epoch,
        resume=resume,
    )
    return outcome


def checkpoints(kind: str, protocol: Protocol = Protocol.VALIDATION, **how: Any) -> list[bytes]:
    """Those after every epoch of such a training."""
    kept: list[bytes] = []
    evaluate(kind, protocol, on_epoch=lambda progress: kept.append(progress.checkpoint()), **how)
    return kept

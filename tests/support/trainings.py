"""Trainings of the built-in objectives."""

from __future__ import annotations

from typing import Any

from hpo import objectives
from hpo.contract import OnEpoch, Outcome, Protocol, TaskParams
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams

SMALL: dict[str, Any] = {"layers": 2, "width": 6, "batch_size": 300}
"""A network that trains within milliseconds."""


def member(
    kind: str,
    protocol: Protocol = Protocol.VALIDATION,
    *,
    seed: int = 0,
    task: TaskParams | None = None,
    **params: Any,
) -> Any:
    """Return an untrained network of the objective ``kind``, for the digits or another
    task."""
    objective: Any = objectives.load(kind)
    return objective.member(
        objective.Params(**params),
        task=task or SequentialDigitsParams(),
        protocol=protocol,
        member_seed=seed,
    )


def evaluate(
    kind: str,
    protocol: Protocol = Protocol.VALIDATION,
    *,
    on_epoch: OnEpoch = lambda progress: None,
    resume: bytes | None = None,
    **how: Any,
) -> Outcome:
    """Train such a network, and return its outcome."""
    outcome: Outcome = member(kind, protocol, **how).train(on_epoch, resume)
    return outcome


def checkpoints(
    kind: str, protocol: Protocol = Protocol.VALIDATION, **how: Any
) -> list[bytes]:
    """Return the checkpoint after each epoch of such a training."""
    kept: list[bytes] = []
    evaluate(
        kind,
        protocol,
        on_epoch=lambda progress: kept.append(progress.checkpoint()),
        **how,
    )
    return kept

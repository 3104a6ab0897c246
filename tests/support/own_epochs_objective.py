"""Toys that train for epochs of their own, and toys that report none.

Neither gives a checkpoint: an interrupted training begins anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from toy_objective import ToyObjective, ToyParams

from hpo.contract import OnEpoch, Outcome, Progress


class OwnEpochsObjective(ToyObjective):
    """Trains ``k`` epochs, whatever the budget."""

    name: ClassVar[str] = "toy-own-epochs"

    def evaluate(self, params: ToyParams, *, on_epoch: OnEpoch, **how: Any) -> Outcome:
        """Train without checkpoints."""

        def report(progress: Progress) -> None:
            on_epoch(replace(progress, checkpoint=None))

        own = params.model_copy(update={"epochs": params.k})
        return super().evaluate(own, on_epoch=report, **how)


class SilentObjective(ToyObjective):
    """Reports nothing but its outcome."""

    name: ClassVar[str] = "toy-silent"

    def evaluate(self, params: ToyParams, *, on_epoch: OnEpoch, **how: Any) -> Outcome:
        """Train without a call of ``on_epoch``."""
        return super().evaluate(params, on_epoch=lambda _: None, **how)

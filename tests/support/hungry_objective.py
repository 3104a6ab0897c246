"""The toy objective, with a training that takes a MiB more in every epoch."""

from __future__ import annotations

from typing import Any

from toy_objective import ToyObjective, ToyParams

from objectives.contract import OnEpoch, Outcome, Progress


class HungryObjective(ToyObjective):
    """``objective = "hungry_objective:HungryObjective"``."""

    def evaluate(self, params: ToyParams, *, on_epoch: OnEpoch, **rest: Any) -> Outcome:
        """Pretend to train, and keep what is taken until the end."""
        taken = []

        def hungry(progress: Progress) -> None:
            taken.append(b"\1" * 2**20)
            on_epoch(progress)

        return super().evaluate(params, on_epoch=hungry, **rest)

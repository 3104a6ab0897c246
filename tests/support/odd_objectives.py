"""Toys that each do one odd thing: keep memory, tell no costs, tell their threads,
train for epochs of their own, report none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from toy_objective import ToyObjective, ToyParams

from hpo.contract import OnEpoch, Outcome, Progress


class HungryObjective(ToyObjective):
    """Its training takes a MiB more in every epoch."""

    def evaluate(self, params: ToyParams, *, on_epoch: OnEpoch, **rest: Any) -> Outcome:
        """Pretend to train, and keep what is taken until the end."""
        taken = []

        def hungry(progress: Progress) -> None:
            taken.append(b"\1" * 2**20)
            on_epoch(progress)

        return super().evaluate(params, on_epoch=hungry, **rest)


class MuteObjective(ToyObjective):
    """Leaves its costs out of what it tells of a network."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Outcome:
        """See ``ToyObjective``."""
        return super().evaluate(*args, **kwargs).replace(info={})


class ThreadsObjective(ToyObjective):
    """Tells how many threads its process may use."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Outcome:
        """See ``ToyObjective``."""
        import numba
        import torch

        threads = {"torch": torch.get_num_threads(), "numba": numba.get_num_threads()}
        return super().evaluate(*args, **kwargs).replace(info=threads)


class OwnEpochsObjective(ToyObjective):
    """Trains ``k`` epochs, whatever the budget; interrupted, it begins anew."""

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

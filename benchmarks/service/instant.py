"""An objective that takes no time, or a given one: all other time is the service's."""

from __future__ import annotations

import time
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hpo.contract import (
    Objective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
    TaskParams,
)

Unit = Annotated[float, Field(ge=0, le=1)]

starts_s: list[float] = []
"""CPU time of this process whenever a member began to train."""


class InstantParams(ObjectiveParams):
    """Five numbers, and how long it sleeps."""

    a: Unit = 0.5
    b: Unit = 0.5
    c: Unit = 0.5
    d: Unit = 0.5
    e: Unit = 0.5
    sleep_s: Annotated[
        float, Field(ge=0, description="seconds that a training takes")
    ] = 0.0


class InstantTask(TaskParams):
    """Nothing to learn."""

    name: Literal["instant"] = "instant"


class InstantObjective(Objective[InstantParams, InstantTask]):
    """Reports a learning curve at once."""

    name: ClassVar[str] = "instant"
    Params: ClassVar[type[ObjectiveParams]] = InstantParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"instant": InstantTask}

    def evaluate(
        self,
        params: InstantParams,
        *,
        task: InstantTask,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """See ``Objective.evaluate``."""
        starts_s.append(time.process_time())
        time.sleep(params.sleep_s)
        limit = 1.0 - (params.a - 0.3) ** 2 - (params.b - 0.6) ** 2
        curve = tuple(
            limit * epoch / (epoch + 5.0) for epoch in range(1, params.epochs + 1)
        )
        for epoch, score in enumerate(curve, start=1):
            on_epoch(Progress(epoch=epoch, score=score, checkpoint=bytes))
        return Outcome(score=curve[-1], curve=curve, loss_curve=curve)

"""The toy of ``stepped_objective`` on simulated chips, with a thermal power."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from stepped_objective import SteppedObjective, SteppedParams

from hpo.contract import ObjectiveParams, Outcome, Protocol


class Chips(BaseModel):
    """The table ``[variability]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spread: Annotated[
        float, Field(ge=0, le=1, description="what the worst chip scores less")
    ] = 0.1
    draws: Annotated[
        int, Field(ge=1, le=100, description="chips that a network is scored on")
    ] = 4


class ChipsParams(SteppedParams):
    """The stepped toy's, and the chips."""

    variability: Chips | None = None


class ChipsObjective(SteppedObjective):
    """Scores on each chip less than on the one before; a network's score is their
    mean."""

    name: ClassVar[str] = "toy-chips"
    Params: ClassVar[type[ObjectiveParams]] = ChipsParams
    variability: ClassVar[type[BaseModel] | None] = Chips

    def evaluate(
        self, params: ChipsParams, *, protocol: Protocol, **how: Any
    ) -> Outcome:
        """Train like the toy; its scores are those of the mean chip."""
        outcome = super().evaluate(params, protocol=protocol, **how)
        table = params.variability
        if table is None or protocol != Protocol.CONFIRM or outcome.solved is None:
            return outcome
        steps = [k - (table.draws - 1) / 2 for k in range(table.draws)]
        loss = table.spread / max(table.draws - 1, 1)
        return outcome.replace(
            chips=tuple(outcome.solved.score - loss * step for step in steps)
        )

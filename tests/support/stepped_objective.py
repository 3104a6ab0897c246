"""The toy of ``toy_objective`` as one that integrates an equation in steps that can be
checked.

``objective = "stepped_objective:SteppedObjective"``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from toy_objective import ToyObjective, ToyParams, ToyTask

from hpo.contract import (
    ObjectiveParams,
    Outcome,
    Protocol,
    Solved,
    TaskParams,
    Thermal,
)


class SteppedParams(ToyParams):
    """The toy's, and how it is integrated."""

    integrator: Annotated[
        Literal["map", "exact"], Field(description="map: one step a point")
    ] = "exact"
    max_step_ns: Annotated[float, Field(gt=0, le=10, description="longest step")] = 0.35
    noise_drop: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="how much less with thermal noise; None: no such check",
        ),
    ] = None
    drop: Annotated[
        float,
        Field(ge=0, le=1, description="how much less it scores on the solved equation"),
    ] = 0.0


class SteppedObjective(ToyObjective):
    """The same scores; on the solved equation, a network scores ``drop`` less."""

    name: ClassVar[str] = "toy-stepped"
    Params: ClassVar[type[ObjectiveParams]] = SteppedParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"toy": ToyTask}

    def evaluate(
        self, params: SteppedParams, *, protocol: Protocol, member_seed: int, **how: Any
    ) -> Outcome:
        """Train as the toy does; the network of an odd seed does not settle if it drops
        much."""
        how |= {"protocol": protocol, "member_seed": member_seed}
        outcome = super().evaluate(params, **how)
        if protocol == Protocol.SEARCH_ON_TEST:
            return outcome
        solved = Solved(
            score=max(0.0, outcome.score - params.drop),
            converged=params.drop < 0.5 or member_seed % 2 == 0,
            steps_per_point=128,
            trained_steps_per_point=1,
            remedy="Lower max_step_ns.",
        )
        drop = params.noise_drop if protocol == Protocol.CONFIRM else None
        return outcome.replace(solved=solved, thermal=_thermal(solved.score, drop))


def _thermal(score: float, noise_drop: float | None) -> Thermal | None:
    """A network that scores the same at all thermal powers, and less with thermal
    noise."""
    if noise_drop is None:
        return None
    powers = {"power": 1e-3, "device_power": 1e-3, "holds_below": 3e-3}
    scores = dict.fromkeys(("at_device", "third", "triple", "none"), score)
    return Thermal(
        **powers, **scores, noisy=(score - noise_drop,) * 4, remedy="Train with noise."
    )

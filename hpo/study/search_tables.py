"""The tables of a study file that say how it is searched and what is confirmed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    model_validator,
)

from hpo.study.tables import Table, check_list


class _Choice(BaseModel):
    """A sampler or pruner by name; the other keys are its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for its class."""
        return dict(self.model_extra or {})


class Sampler(_Choice):
    """``[sampler]``: one of Optuna's, or ours, ``kriging-believer``."""

    name: Literal["tpe", "random", "qmc", "gp", "grid", "cmaes", "nsga2", "kriging-believer"] = (
        "tpe"
    )


class Pruner(_Choice):
    """``[pruner]``: an Optuna pruner."""

    name: Literal["none", "median", "percentile", "wilcoxon", "successive-halving"] = "none"


def _names(name: Any) -> tuple[Any, ...]:
    if not isinstance(name, str | list | tuple):
        raise ValueError("a text, or a list of texts")
    return (name,) if isinstance(name, str) else tuple(name)


class Cost(Table):
    """``[cost]``: one objective more, or several; as little as possible, beside the score."""

    name: Annotated[tuple[str, ...], BeforeValidator(_names)]
    """Of ``Objective.costs``: a text, or a list; the first decides what is cheapest."""

    @field_serializer("name")
    def _as_written(self, name: tuple[str, ...]) -> str | list[str]:
        return name[0] if len(name) == 1 else list(name)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_list("name", "cost", self.name, "Name one")
        return self


def _positive(value: Any) -> Any:
    """Costs above 0; a message tells the name of the one of several that is not."""
    for name, cost in value.items() if isinstance(value, Mapping) else ():
        if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 < cost < math.inf:
            raise ValueError(
                f".{name}: a number greater than 0 must hold, but got {name}={cost!r}. Change it."
            )
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        raise ValueError("greater than 0")
    return value


Published = Annotated[float | dict[str, float], BeforeValidator(_positive)]
"""What is reported to cost: a number, or of several costs numbers by name."""


class Racing(Table):
    """``[racing]``: most trials train few networks, and only those that may win train them all."""

    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=100)]
    """Numbers of networks after which a trial is compared with those before it; see ``racing``."""
    reduction_factor: Annotated[
        int, Field(ge=2, le=1000, description="of so many trials, one goes on")
    ] = 20
    keep: Annotated[
        int, Field(ge=1, le=1000, description="at a rung, only trials among so many best go on")
    ] = 3


class Confirm(Table):
    """``[confirm]``: what is retrained from fresh seeds and tested once on the test part."""

    top: Annotated[int, Field(ge=1, le=100, description="best configurations to confirm")] = 1
    members: Annotated[int, Field(ge=2, le=1000, description="fresh seeds of each")] = 10
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of a confirmation training; without it, as many as in the search."""
    by: Literal["score", "expected"] | None = None
    """What is best: the highest score, as without it, or what the sampler's process expects of
    another network of the same configuration."""
    yield_above: float | None = None
    """Score that a simulated chip must reach to count in the yield; without it, the reported score.
    No trial depends on it."""

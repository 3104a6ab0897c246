"""The tables of a study file that say how it is searched and what is confirmed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hpo.study.tables import Table


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


def _one_name(name: Any) -> Any:
    if isinstance(name, list):
        raise ValueError(
            f"one cost must be given, but got name={name}. Search one, and bound the others in "
            f"[constraints]."
        )
    return name


class Cost(Table):
    """``[cost]``: a second objective; as little of it as possible, beside the score."""

    name: Annotated[str, BeforeValidator(_one_name)]
    """One of ``Objective.costs``."""


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

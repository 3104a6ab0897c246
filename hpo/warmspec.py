"""``[warm_start]`` of a study file: what the first trials of a search begin with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hpo.spectable import ParamValue, Table

TOP = 5
"""Trials that are taken over where nobody says how many."""


class WarmStart(Table):
    """Trials 0 .. n-1 get these points; what a point leaves out, the sampler draws.

    A study file gives ``study``, or ``points`` by hand. When the study is registered, its points
    are looked up once and pinned beside ``study``: from then on, only they count.
    """

    study: Annotated[str, Field(min_length=1)] | None = None
    """Another study of the same database, whose best trials are the points; see ``warmstart``."""
    top: Annotated[int, Field(ge=1, le=1000, description="how many trials of `study`")] | None = (
        None
    )
    points: (
        Annotated[
            tuple[Annotated[dict[str, ParamValue], Field(min_length=1)], ...],
            Field(min_length=1, max_length=1000),
        ]
        | None
    ) = None
    """Parameters by name, one table for each trial."""

    @property
    def count(self) -> int:
        """How many trials are told where to begin, at most."""
        return (self.top or TOP) if self.points is None else len(self.points)

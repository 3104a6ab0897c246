"""Types of fields that several ``[task]`` tables have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpo.contract import Sha256

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0.05, le=0.95)]
Names = Annotated[str, Field(max_length=100_000)]
"""Names of arrays or columns, with commas between them."""
Place = Annotated[str, Field(min_length=1)]
DataHash = Annotated[
    Sha256 | None,
    Field(
        description=(
            "hash of the data; set when the study file is read, and verified by"
            " every worker"
        ),
    ),
]
Normalisation = Literal["none", "minmax", "standard"]
Normalise = Annotated[
    Normalisation,
    Field(
        description=(
            "of every channel, by statistics of the training part: none; minmax, to"
            " 0..1; standard, to mean 0 and standard deviation 1"
        )
    ),
]
Padding = Annotated[
    Literal["before"] | None,
    Field(
        description=(
            "how series become as long as the longest: before, by 0 (after normalise)"
            " before their first point; without it, all must have one length"
        )
    ),
]

"""What every table of a study file shares: frozen, strict, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

ParamValue = float | int | str | bool
"""A suggested value, as Optuna's distributions give it."""


class Table(BaseModel):
    """One table of a study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

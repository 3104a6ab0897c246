"""Imperfections of hardware: which are tried on a trained network, and what hardware
has.

``imperfections.toml`` has them, each under a key of ``[variability]`` or a parameter
of a device. A spread of any parameter has the levels of ``spread``. Light to import.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("imperfections.toml")
SPREAD = "spread"
"""The entry that stands for the spread of any parameter."""


class Imperfection(BaseModel):
    """One way in which hardware differs from the ideal network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    unit: Literal["ns", "bits", "%", "times", ""] = ""
    """Unit of an amount; one of ``%`` is a fraction of 1."""
    needs: str = ""
    """The condition on hardware, where ``{}`` is an amount."""
    chips: Literal["one", "signs", "drawn"] = "one"
    """On which chips it is measured: one; two, with the error and its opposite; or
    several that are drawn."""
    levels: tuple[float, ...] = ()
    """Amounts that are tried, from mild to severe."""
    times: str = ""
    """The parameter that the levels multiply; empty: none."""
    hardware: tuple[float, float] | None = None
    """Amounts that hardware has today: of a good one, and of a usual one."""
    source: str = ""

    @property
    def fewer_is_worse(self) -> bool:
        """Whether an amount is worse the smaller it is, as bits are."""
        return self.unit == "bits"


@cache
def known() -> Mapping[str, Imperfection]:
    """Return all imperfections by name, in the order of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Imperfection(**table) for name, table in tables.items()}


def find(name: str) -> Imperfection:
    """Return an imperfection by name; one that is not known has its name alone.

    >>> find("tau_ns_spread").label, find("weight_bits").unit, find("hum_mv").label
    ('spread of tau_ns', 'bits', 'hum_mv')
    """
    if name in known():
        return known()[name]
    parameter = name.removesuffix(f"_{SPREAD}")
    if parameter == name:
        return Imperfection(label=name)
    spread = known()[SPREAD]
    label = f"{SPREAD} of {parameter}"
    needs = spread.needs.replace(SPREAD, label)
    return spread.model_copy(update={"label": label, "needs": needs})

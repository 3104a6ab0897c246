"""The strategies that are compared: study files that differ in how they search alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.search import table
from hpo.spec import StudySpec
from hpo.specrules import validate

Table = Mapping[str, Any]
PLAIN = "plain Optuna"
"""What is written today: TPE, one network per trial, the median pruner, all as Optuna has them."""
_TRIALS = 100_000
"""A search ends with its epochs."""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to search, as tables of a study file."""

    name: str
    sampler: Table
    pruner: Table = field(default_factory=lambda: {"name": "none"})
    members: int = 1
    epochs: int = 40
    window: int = 4
    more: Table = field(default_factory=dict)
    """Further tables, such as ``racing``."""
    budget: int = 16_000
    """Epochs of a whole search."""
    repetitions: int = 10

    @cached_property
    def raw(self) -> dict[str, Any]:
        """The study file."""
        raw = tomllib.loads(table.STUDY.read_text(encoding="utf-8"))
        raw.pop("racing", None)
        raw["budget"] = {
            "trials": _TRIALS,
            "window": self.window,
            "members": self.members,
            "epochs": self.epochs,
        }
        return {**raw, "sampler": dict(self.sampler), "pruner": dict(self.pruner), **self.more}

    def spec(self, seed: int) -> StudySpec:
        """The study with a seed."""
        return validate({**self.raw, "name": "search", "seed": seed}, where=f"strategy {self.name}")


DEFAULT = "the default"
"""``studies/seqdigits.toml`` as it is."""
WINDOWS: dict[str, str] = {}
DRAWN: tuple[str, ...] = ()
STRATEGIES: dict[str, Strategy] = {}

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


_MEDIAN = {"name": "median"}
_HALVING = {"name": "successive-halving"}
_SAMPLERS: dict[str, Table] = {
    "random": {"name": "random"},
    "qmc": {"name": "qmc", "scramble": True},
    "tpe": {"name": "tpe"},
    "cmaes": {"name": "cmaes"},
    "gp": {"name": "gp"},
}


def _all() -> list[Strategy]:
    found = [
        Strategy(name="plain Optuna", sampler={"name": "tpe"}, pruner=_MEDIAN, budget=4000),
        Strategy(
            name="our first default",
            sampler={"name": "tpe", "n_startup_trials": 12},
            pruner={"name": "median", "n_startup_trials": 8, "n_warmup_steps": 8},
            members=2,
            budget=8000,
        ),
    ]
    for epochs in (8, 15, 25, 40):
        for name, sampler in _SAMPLERS.items():
            found.append(
                Strategy(
                    name=f"{name} {epochs}",
                    sampler=sampler,
                    epochs=epochs,
                    budget=min(100 * epochs, 8000),
                )
            )
        found.append(
            Strategy(
                name=f"tpe median {epochs}",
                sampler={"name": "tpe"},
                pruner=_MEDIAN,
                epochs=epochs,
                budget=2000,
            )
        )
    return found


STRATEGIES = {strategy.name: strategy for strategy in _all()}

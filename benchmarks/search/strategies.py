"""What is compared: the study file ``seqdigits``, changes of how it searches, and the peers.

All of them search its space, with as many epochs of training; what networks do is a world's to say.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmarks.search import peers, simulate, table
from benchmarks.search.simulate import Search, World
from hpo.study.rules.check import validate
from hpo.study.spec import StudySpec

Table = Mapping[str, Any]
DEFAULT = "the default"
"""As ``studies/seqdigits.toml`` searches."""
EPOCHS = 10_000
"""Of a search, all networks together."""
SEEDS = 10
"""Study seeds of each."""
_HOW = ("budget", "sampler", "pruner", "racing")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to search: what it changes in how ``studies/seqdigits.toml`` does."""

    name: str
    tables: Table = field(default_factory=dict)
    """Tables in place of the file's own, ``budget`` merged into it."""
    peer: bool = False
    """Whether a library searches, called by this name in ``peers``."""

    @cached_property
    def raw(self) -> dict[str, Any]:
        """The study file."""
        raw = tomllib.loads(table.STUDY.read_text(encoding="utf-8"))
        raw["fixed"] = dict(table.spec().fixed)  # with all that the file leaves to its defaults
        budget = {**raw["budget"], **self.tables.get("budget", {}), "trials": 100_000}
        return {**raw, **self.tables, "budget": budget, "name": "search"}

    @property
    def how(self) -> dict[str, Any]:
        """What decides how it searches."""
        if self.peer:
            return {"peer": self.name, "epochs": self.raw["budget"]["epochs"]}
        return {name: self.raw.get(name) for name in _HOW}

    def spec(self, seed: int) -> StudySpec:
        """The study with a seed."""
        return validate({**self.raw, "seed": seed}, where=f"strategy {self.name}")

    def run(self, seed: int, world: World, epochs: int = EPOCHS) -> Search:
        """A whole search."""
        if self.peer:
            return peers.run(self.name, self.spec(seed), world, epochs)
        return simulate.run(self.spec(seed), world, epochs)


_QUARTER: Table = {
    "name": "percentile",
    "percentile": 75.0,
    "n_startup_trials": 4,
    "n_warmup_steps": 4,
    "interval_steps": 10,
}
"""After 5, 15, 25 ... epochs."""
_HALVES: Table = {"name": "successive-halving", "min_resource": 15, "reduction_factor": 2}
"""Half go on after 15 epochs, and of these after 30."""

STRATEGIES = {
    own.name: own
    for own in (
        Strategy(name=DEFAULT),
        Strategy(name="no curve cut short", tables={"pruner": {"name": "none"}}),
        Strategy(name="worst quarter cut short", tables={"pruner": _QUARTER}),
        Strategy(name="half go on after 15, 30", tables={"pruner": _HALVES}),
        Strategy(
            name="TPE, median", tables={"sampler": {"name": "tpe"}, "pruner": {"name": "median"}}
        ),
        *(
            Strategy(name=name, peer=True, tables={"budget": {"epochs": table.CONFIRMED}})
            for name in peers.PEERS
        ),
    )
}
"""Peers train their networks for as long as the confirmation does."""

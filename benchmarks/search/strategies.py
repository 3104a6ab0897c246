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
from hpo.study.file import validate
from hpo.study.spec import StudySpec

Table = Mapping[str, Any]
DEFAULT = "the default"
"""As ``studies/seqdigits.toml`` searches; ``table.spec`` says what networks it trains."""
EPOCHS = 10_000
"""Of a search, all networks together."""
SEEDS = 10
"""Study seeds of each."""
_HOW = ("budget", "sampler", "pruner", "racing", "confirm")


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
        """The study file, with the networks of the table."""
        raw = tomllib.loads(table.STUDY.read_text(encoding="utf-8"))
        raw["fixed"] = dict(table.spec().fixed)  # with all that the file leaves to its defaults
        del raw["budget"]["score_every"]  # see ``table.spec``
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


_SCORE: Table = {"top": 1, "members": 10, "epochs": table.CONFIRMED}
"""``[confirm]`` of the highest score."""
_THIRDS: Table = {"name": "successive-halving", "min_resource": 5, "reduction_factor": 3}
_SHORT: Table = {"budget": {"epochs": 60}, "pruner": _THIRDS, "confirm": _SCORE}
_TPE: Table = {"sampler": {"name": "tpe"}, "pruner": {"name": "median"}, "confirm": _SCORE}

STRATEGIES = {
    own.name: own
    for own in (
        Strategy(name=DEFAULT),
        Strategy(name="highest score", tables={"confirm": _SCORE}),
        Strategy(name="no curve cut short", tables={"pruner": {"name": "none"}}),
        Strategy(name="60 epochs, highest score", tables=_SHORT),
        Strategy(name="TPE, median", tables=_TPE),
        *(
            Strategy(name=name, peer=True, tables={"budget": {"epochs": table.CONFIRMED}})
            for name in peers.PEERS
        ),
    )
}
"""Peers train their networks for as long as the confirmation does."""

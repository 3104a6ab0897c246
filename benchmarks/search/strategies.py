"""What is compared: how a task's study file searches, changes of that, and the peers.

All of them search its space, with as many epochs of training; what networks do is a
world's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.search import peers, simulate
from benchmarks.search.simulate import Search, World
from benchmarks.search.tasks import SEQDIGITS, Task
from hpo.study.file import validate
from hpo.study.spec import StudySpec

Table = Mapping[str, Any]
DEFAULT = "the default"
"""As the study file searches."""
SEEDS = 10
"""Study seeds of each."""
_HOW = ("budget", "sampler", "pruner", "confirm")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to search: what it changes in how a study file does."""

    name: str
    tables: Table = field(default_factory=dict)
    """Tables in place of the file's own; ``budget`` and ``confirm`` are merged into
    it."""
    peer: bool = False
    """Whether a library searches, called by this name in ``peers``."""

    def raw(self, task: Task = SEQDIGITS, *, table: bool = True) -> dict[str, Any]:
        """The study file of a task, with the networks of the table or its own."""
        raw = task.raw(table=table)
        merged = {name: {**raw[name], **self.tables.get(name, {})} for name in _MERGED}
        merged["budget"]["trials"] = 100_000
        if (
            self.peer
        ):  # its networks are trained for as long as the confirmation trains them
            merged["budget"]["epochs"] = raw["confirm"]["epochs"]
        return {**raw, **self.tables, **merged, "name": "search"}

    def how(self, task: Task = SEQDIGITS) -> dict[str, Any]:
        """What decides how it searches the table."""
        raw = self.raw(task)
        if self.peer:
            return {"peer": self.name, "epochs": raw["budget"]["epochs"]}
        return {name: raw.get(name) for name in _HOW}

    def spec(
        self, seed: int, task: Task = SEQDIGITS, *, table: bool = True
    ) -> StudySpec:
        """The study with a seed."""
        return validate(
            {**self.raw(task, table=table), "seed": seed}, where=f"strategy {self.name}"
        )

    def run(
        self,
        seed: int,
        world: World,
        epochs: int | None = None,
        task: Task = SEQDIGITS,
        *,
        table: bool = True,
    ) -> Search:
        """Run a whole search, of a number of epochs or of the task's budget."""
        epochs = task.budget if epochs is None else epochs
        spec = self.spec(seed, task, table=table)
        if self.peer:
            return peers.run(self.name, spec, world, epochs)
        return simulate.run(spec, world, epochs)


_MERGED = ("budget", "confirm")
_SCORE: Table = {"by": "score"}
"""``[confirm]`` of the highest score."""
_THIRDS: Table = {
    "name": "successive-halving",
    "min_resource": 5,
    "reduction_factor": 3,
}
_SHORT: Table = {"budget": {"epochs": 60}, "pruner": _THIRDS, "confirm": _SCORE}
_TPE: Table = {
    "sampler": {"name": "tpe"},
    "pruner": {"name": "median"},
    "confirm": _SCORE,
}

STRATEGIES = {
    own.name: own
    for own in (
        Strategy(name=DEFAULT),
        Strategy(name="highest score", tables={"confirm": _SCORE}),
        Strategy(name="no pruner", tables={"pruner": {"name": "none"}}),
        Strategy(name="60 epochs, highest score", tables=_SHORT),
        Strategy(name="TPE, median", tables=_TPE),
        *(Strategy(name=name, peer=True) for name in peers.PEERS),
    )
}

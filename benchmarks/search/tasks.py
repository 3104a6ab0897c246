"""The tasks that searches are compared on: a study file each, and the data it names.

Networks are those of the file. Those of the recorded table of ``seqdigits`` are others
(``Task.recorded``).
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hpo.study import file
from hpo.study.spec import StudySpec

HERE = Path(__file__).parent
DATA = Path(tempfile.gettempdir()) / "hpo-benchmarks"
"""Where ``.npz`` files that are made here lie."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A task by name."""

    name: str
    study: Path
    """The study file: space, networks, and how the default searches."""
    make: Callable[[], Mapping[str, Any]] | None = None
    """Arrays ``x``, ``y``, ``test`` of a task of name ``arrays``; None: the file finds
    its data."""
    recorded: Mapping[str, Any] = field(default_factory=dict)
    """Values by dotted key in place of the file's, in the recorded table."""
    budget: int = 5000
    """Epochs of a search, all networks together."""
    tried: Sequence[str] = ()
    """More overrides, ``KEY=VALUE``."""

    def spec(self, *, table: bool = False) -> StudySpec:
        """Return the study; with ``table``, that of the networks in the table."""
        values = dict(self.recorded) if table else {}
        if self.make is not None:
            values["task.path"] = str(_made(self.name, self.make))
        return _load(self.study, tuple(self.tried), tuple(sorted(values.items())))

    def raw(self, *, table: bool = False) -> dict[str, Any]:
        """The tables of the study file, with these networks and their data."""
        raw = tomllib.loads(self.study.read_text(encoding="utf-8"))
        spec = self.spec(table=table)
        values = [
            *map(file.parse_override, self.tried),
            *(self.recorded.items() if table else ()),
        ]
        for key, value in values:
            *tables, name = key.split(".")
            inner = raw
            for one in tables:
                inner = inner.setdefault(one, {})
            inner[name] = value
        raw["fixed"] = dict(spec.fixed)
        raw["task"] = dict(spec.task)
        raw["budget"] = {**raw["budget"], "score_every": spec.budget.score_every or 1}
        return raw


@cache
def _load(
    study: Path, overrides: tuple[str, ...], values: tuple[tuple[str, Any], ...]
) -> StudySpec:
    return file.load(str(study), overrides=overrides, values=dict(values))


def _made(name: str, make: Callable[[], Mapping[str, Any]]) -> Path:
    """The data file of a task; other processes may make it at the same time."""
    path = DATA / f"{name}.npz"
    if not path.exists():
        DATA.mkdir(exist_ok=True)
        new = path.with_name(f"{os.getpid()}.npz")
        np.savez(new, **make())
        new.replace(path)
    return path


def columns() -> dict[str, Any]:
    """The sequential digits, split as ever, read column by column: 8 points of 8
    channels."""
    from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams

    halves = SequentialDigitsParams().halves()
    train = halves.train
    test = halves.score
    x = np.concatenate([train.x, test.x]).reshape(-1, 8, 8).transpose(0, 2, 1)
    y = np.concatenate([train.label, test.label])
    return {"x": x, "y": y, "test": np.arange(len(y)) >= len(train.label)}


def mnist1d() -> dict[str, Any]:
    """The first 800 series of MNIST-1D that train, its 1,000 that test: 20 points of 2
    values."""
    from hpo.objectives.data.tasks.mnist1d import N_TRAIN, generate

    x, y = generate(np.random.RandomState(42))
    keep = [*range(800), *range(N_TRAIN, len(x))]
    return {
        "x": x[keep].reshape(-1, 20, 2),
        "y": y[keep],
        "test": np.arange(len(keep)) >= 800,
    }


SEQDIGITS = Task(
    name="seqdigits",
    study=HERE / "seqdigits.toml",
    recorded={
        "fixed.thermal_power": 0.0,
        "fixed.max_step_ns": 0.35,
        "fixed.ema_decay": 0.0,
        "budget.score_every": 1,
        "space.batch_size.low": 20,
        "space.lr_decay.high": 200.0,
    },
    budget=10_000,
)
"""Its table has cold networks, from before the file had a thermal power: three steps
per point, last weights, scored after every epoch, in the space of then."""

TASKS = {
    task.name: task
    for task in (
        SEQDIGITS,
        Task(name="columns", study=HERE / "columns.toml", make=columns),
        Task(name="mnist1d", study=HERE / "mnist1d.toml", make=mnist1d),
    )
}

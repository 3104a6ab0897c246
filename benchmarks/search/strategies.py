"""The strategies that are compared: study files that differ in how they search alone.

All search the space of the table, ``real`` that of ``studies/seqdigits.toml``, too, which has the
batches: see "The space" in ``docs/explanation/search.md``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from benchmarks.search import table
from hpo.study import file
from hpo.study.rules.check import validate
from hpo.study.spec import StudySpec

Table = Mapping[str, Any]
PLAIN = "plain Optuna"
"""What is written today: TPE, one network per trial, the median pruner, all as Optuna has them."""
DEFAULT = "the default"
"""As ``studies/seqdigits.toml`` searches."""
SEARCH = table.STUDY.with_name("seqdigits.toml")
_HOW = ("budget", "sampler", "pruner", "racing")
"""The tables of it that say so."""
_WHERE = ("space", "fixed")
"""The tables of it that say where."""
FIRST = "our first default"
_TRIALS = 100_000
"""A search ends with its epochs."""


@cache
def _default() -> dict[str, Any]:
    """The study file that searches by default, with all that it fixes."""
    raw = tomllib.loads(SEARCH.read_text(encoding="utf-8"))
    return raw | {"fixed": file.load(str(SEARCH)).fixed}


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to search: what it changes in how ``studies/seqdigits.toml`` does."""

    name: str
    budget: Table = field(default_factory=dict)
    """Of a trial: members, epochs, window."""
    tables: Table = field(default_factory=dict)
    """Whole tables, such as ``sampler``; None removes one."""
    spend: int = 4000
    """Epochs of a whole search."""
    repetitions: int = 10

    @cached_property
    def raw(self) -> dict[str, Any]:
        """The study file."""
        raw = tomllib.loads(table.STUDY.read_text(encoding="utf-8"))
        raw |= {name: _default()[name] for name in _HOW} | {"fixed": table.spec().fixed}
        raw["budget"] = {**raw["budget"], **self.budget, "trials": _TRIALS}
        raw |= {name: value for name, value in self.tables.items() if value is not None}
        for name, value in self.tables.items():
            if value is None:
                raw.pop(name, None)
        return raw

    def spec(self, seed: int, *, of_table: bool = True) -> StudySpec:
        """The study with a seed, in the space of the table or that of ``seqdigits.toml``."""
        raw = {**self.raw, "name": "search", "seed": seed}
        if not of_table:
            raw |= {name: _default()[name] for name in _WHERE}
        return validate(raw, where=f"strategy {self.name}")


_ALONE: Table = {"members": 1}
_SAMPLERS: dict[str, Table] = {
    "random": {"name": "random"},
    "TPE": {"name": "tpe"},
    "CMA-ES": {"name": "cmaes"},
    "GP": {"name": "gp"},
}


def _plain(epochs: int, spend: int) -> Strategy:
    tables = {"sampler": {"name": "tpe"}, "pruner": {"name": "median"}, "racing": None}
    return Strategy(
        name=PLAIN if epochs == 40 else f"{PLAIN}, {epochs} epochs",
        budget={"members": 1, "epochs": epochs, "window": 1},
        tables=tables,
        spend=spend,
    )


def _others() -> list[Strategy]:
    """Every sampler, with racing and with one network per trial, beside what is compared anyway."""
    first: Table = {
        "sampler": {"name": "tpe", "n_startup_trials": 12},
        "pruner": {"name": "median", "n_startup_trials": 8, "n_warmup_steps": 8},
        "racing": None,
    }
    found = [
        Strategy(name=DEFAULT),
        _plain(40, 10_000),
        _plain(60, 4000),
        Strategy(name=FIRST, budget={"members": 2, "epochs": 40, "window": 4}, tables=first),
    ]
    for name, sampler in _SAMPLERS.items():
        alone: Table = {"sampler": sampler, "racing": None}
        raced: Table = {"sampler": sampler}
        found.append(Strategy(name=f"{name}, one network", budget=_ALONE, tables=alone))
        if name != "GP":  # which is the default
            found.append(Strategy(name=f"{name}, racing", tables=raced))
    found.append(Strategy(name="GP, racing, no pruner", tables={"pruner": {"name": "none"}}))
    return found


_WINDOWS = (8, 16, 32, 64)
WINDOWS = {DEFAULT: "4"} | {f"window {size}": f"{size}" for size in _WINDOWS}
"""Strategies that differ in the window alone, and its size."""
DRAWN = (DEFAULT, PLAIN, FIRST, "TPE, racing", "CMA-ES, racing", "random, racing")
"""Strategies in the figure."""
COMPARED = tuple(strategy.name for strategy in _others())
"""All but the windows."""
STRATEGIES = {strategy.name: strategy for strategy in _others()} | {
    f"window {size}": Strategy(name=f"window {size}", budget={"window": size}) for size in _WINDOWS
}

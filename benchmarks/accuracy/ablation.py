"""Contributions to our accuracy on the sequential digits over the paper's: one change
at a time.

Two points are compared, that of arXiv:2408.02835 and the one that ``make run``
confirms, and all mixtures of three groups of changes: training, synapses, neurons. Rows
are mostly ten networks, of the same seeds, on the test half, scored on the solved
equation. If a change needs another learning rate, the best of ``RATES`` is taken, by
networks of other seeds on validation parts.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hpo.contract import Outcome, Protocol
from hpo.study import file

Changes = Mapping[str, Any]
Say = Callable[[str], None]

RESULTS = Path(__file__).with_name("ablation.json")
STUDY = Path(__file__).parents[2] / "studies" / "seqdigits.toml"
SEEDS = range(1, 11)
TUNING = range(101, 103)
"""Seeds of the networks that are tested, and of those that choose."""
MANY = range(1, 31)
FEW = range(1, 6)
"""Seeds of the paper's point, to which others are compared, and of our point without a
change."""
RATES = (0.05, 0.15, 0.45)
"""Learning rates; both points have 0.15."""
PAPER = {
    "tau_ns": 14.12,
    "lr0": 0.149,
    "lr_decay": 8.077,
    "batch_size": 120,
    "s": 0.5,
    "density_inter": 0.5,
    "density_intra": 0.5,
    "f_cut_per_ns": 0.1,
    "thermal_power": 0.0,
    "drive_limit": "none",
    "epochs": 60,
}
OURS = {
    "tau_ns": 4.571,
    "lr0": 0.15,
    "lr_decay": 12.65,
    "batch_size": 20,
    "s": 0.1592,
    "density_inter": 1.0,
    "density_intra": 0.8746,
    "f_cut_per_ns": 0.007261,
    "thermal_power": 1e-3,
    "drive_limit": "none",
    "epochs": 100,
}
CHANGES: Mapping[str, tuple[str, ...]] = {
    "batch": ("batch_size",),
    "epochs and decay": ("epochs", "lr_decay"),
    "synapses": ("density_inter", "density_intra"),
    "filter": ("f_cut_per_ns",),
    "S": ("s",),
    "tau": ("tau_ns",),
    "thermal power": ("thermal_power",),
}
"""What is changed at a time."""
GROUPS = {
    "training": ("batch", "epochs and decay"),
    "synapses": ("synapses",),
    "neurons": ("filter", "S", "tau"),
}
"""What is mixed in all ways, on warm oscillators."""
SAME = {
    "paper, thermal power": "none",
    "ours, synapses": "training + neurons",
    "training + synapses + neurons": "ours",
}
"""Rows that are measured under another name."""
UNTUNED = ("epochs and decay", "thermal power")
"""Changes that leave the learning rate."""


@dataclass
class Row:
    """Networks of one setting."""

    params: dict[str, Any]
    validation: dict[str, float] = field(default_factory=dict)
    """Of each learning rate that was compared, the mean."""
    test: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    """The same networks on devices with a thermal power of 1e-3, simulated by its mean
    effect."""
    synapses: int = 0

    @property
    def updates(self) -> int:
        """Weight updates of a network: there are 898 images."""
        batches = math.ceil(898 / int(self.params["batch_size"]))
        return batches * int(self.params["epochs"])


def rows() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Name, hyper-parameters, and whether the learning rate is tuned."""
    yield "paper", PAPER, False
    yield "ours", OURS, False
    for here, there, name in ((PAPER, OURS, "paper"), (OURS, PAPER, "ours")):
        for change in CHANGES:
            if f"{name}, {change}" not in SAME:
                yield (
                    f"{name}, {change}",
                    moved(here, there, (change,)),
                    change not in UNTUNED,
                )
    for n in range(len(GROUPS)):
        for groups in itertools.combinations(GROUPS, n):
            changes = [change for group in groups for change in GROUPS[group]]
            own = moved(
                {**PAPER, "thermal_power": OURS["thermal_power"]}, OURS, changes
            )
            yield " + ".join(groups) or "none", own, True


def moved(here: Changes, there: Changes, changes: Any) -> dict[str, Any]:
    """A point with some changes towards another one."""
    return {
        **here,
        **{name: there[name] for change in changes for name in CHANGES[change]},
    }


@cache
def spec() -> Any:
    """Return the study of the networks."""
    return file.load(str(STUDY))


def trained(params: Changes, seed: int, protocol: Protocol) -> Outcome:
    """A network, scored on the solved equation."""
    objective = spec().objective_impl
    own = objective.Params(**{**spec().fixed, "score_every": 1000, **params})
    outcome: Outcome = objective.evaluate(
        own,
        task=spec().task_params,
        protocol=protocol,
        member_seed=seed,
        on_epoch=lambda progress: None,
    )
    return outcome


def solved(outcome: Outcome) -> float:
    """Return the accuracy on the solved equation."""
    return outcome.solved.score if outcome.solved else outcome.score


def validated(params: Changes, seeds: Any = TUNING) -> float:
    """The mean of networks on validation parts."""
    return statistics.fmean(
        solved(trained(params, s, Protocol.VALIDATION)) for s in seeds
    )


def row(params: dict[str, Any], tuned: bool, seeds: Any = SEEDS) -> Row:
    """Tune, then test."""
    result = Row(dict(params))
    if tuned:
        for rate in RATES:
            result.validation[f"{rate:g}"] = validated({**params, "lr0": rate})
        result.params["lr0"] = float(
            max(result.validation, key=result.validation.__getitem__)
        )
    for seed in seeds:
        one = trained(result.params, seed, Protocol.CONFIRM)
        result.test.append(solved(one))
        if one.thermal is not None:
            result.warm.append(one.thermal.at_device)
        result.synapses = int(one.info["n_synapses"])
    return result


def measure(say: Say, names: tuple[str, ...] = ()) -> None:
    """Measure all rows, or some."""
    for name, params, tuned in rows():
        if not names or name in names:
            seeds = (
                MANY if name == "paper" else FEW if name.startswith("ours, ") else SEEDS
            )
            networks = row(params, tuned, seeds)
            keep("rows", name, asdict(networks))
            say(
                f"  {name}: {100 * statistics.fmean(networks.test):.1f}"
                f" {networks.params['lr0']}"
            )


def read() -> dict[str, Any]:
    """Return the measurements so far."""
    kept: dict[str, Any] = (
        json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    )
    return kept


def keep(section: str, name: str, value: Any) -> None:
    """Write a row of a section."""
    kept = read()
    kept.setdefault(section, {})[name] = value
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

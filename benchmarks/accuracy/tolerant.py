"""What an imperfection of hardware costs a network that was trained without it, and one
that was trained with it.

Networks are trained for ideal devices with thermal noise, or on chips with one
imperfection, another chip for each batch. All are tested on simulated chips that have
the imperfection, on the solved equation. Results are kept one by one: a measurement
that was stopped continues.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy.kept_cells import measure_missing, read
from benchmarks.marks import DOCS, fill, row
from hpo.contract import Protocol
from hpo.objectives.data import load
from hpo.objectives.training.scoring import Hardware
from hpo.objectives.training.solved_equation import finer_steps
from hpo.study import file

STUDIES = Path(__file__).parents[2] / "studies"
RESULTS = DOCS / "results" / "tolerant-training.json"
PAGE = DOCS / "records" / "hardware.md"
SEEDS = (1, 2, 3)
CHIPS = 40
POINT = {
    "tau_ns": 1.0,
    "s": 0.047,
    "lr0": 0.259,
    "lr_decay": 1000,
    "batch_size": 10,
    "density_inter": 0.35,
    "density_intra": 1.0,
    "f_cut_per_ns": 0.02,
    "max_step_ns": 0.35,
    "score_every": 1000,
}
"""Found by a search for ideal devices."""
TASKS: dict[str, dict[str, Any]] = {
    "seqdigits": {"epochs": 100},
    "mnist-1d": {"epochs": 60, "density_inter": 1.0},
}
"""Studies, and what their networks have of their own."""
HOW = ("without", "with")


@dataclass(frozen=True, kw_only=True)
class Imperfection:
    """What is imperfect: a delay of the coupling, and errors of ``[variability]``."""

    delay_ns: float = 0.0
    errors: Mapping[str, Any] = field(default_factory=dict)


ALL = {
    "weight_bits": 6,
    "gain_error": 0.02,
    "tau_ns_spread": 0.05,
    "s_spread": 0.05,
    "f_cut_per_ns_spread": 0.05,
}
IMPERFECTIONS = {
    "none": Imperfection(),
    "all at once": Imperfection(delay_ns=0.05, errors=ALL),
    "delay of 0.05 ns": Imperfection(delay_ns=0.05),
    "delay of 0.1 ns": Imperfection(delay_ns=0.1),
    "6-bit weights": Imperfection(errors={"weight_bits": 6}),
    "5-bit weights": Imperfection(errors={"weight_bits": 5}),
    "4-bit weights": Imperfection(errors={"weight_bits": 4}),
    "10 % error of each weight": Imperfection(errors={"weight_error": 0.1}),
    "3 % of the largest weight": Imperfection(errors={"weight_error_of_largest": 0.03}),
    "5 % gain error": Imperfection(errors={"gain_error": 0.05}),
    "5 % bias error": Imperfection(errors={"bias_error": 0.05}),
    "5 % clock error": Imperfection(errors={"clock_error": 0.05}),
    "10 % clock jitter": Imperfection(errors={"clock_jitter": 0.1}),
    "input offset of 0.05": Imperfection(errors={"offset_error": 0.05}),
    "10 % spread of τ": Imperfection(errors={"tau_ns_spread": 0.1}),
    "20 % spread of S": Imperfection(errors={"s_spread": 0.2}),
    "20 % spread of f_cut": Imperfection(errors={"f_cut_per_ns_spread": 0.2}),
    "20 % read-out noise": Imperfection(errors={"readout_noise": 0.2}),
    "4-bit converter": Imperfection(errors={"readout_bits": 4}),
}
OF_MNIST = ("none", "all at once", "delay of 0.1 ns", "5 % bias error", "4-bit weights")
"""Imperfections of the second task."""


class Trainings:
    """Trainings and tests on chips for one task."""

    def __init__(self, study: str) -> None:
        """Read the study."""
        spec = file.load(str(STUDIES / f"{study}.toml"))
        self._objective: Any = spec.objective_impl
        self._task = spec.task_params
        self._fixed = {**spec.fixed, **POINT, **TASKS[study]}

    def train(self, of: Imperfection, seed: int) -> bytes:
        """Return the network that is trained on chips with ``of``, another one for each
        batch."""
        chips = self._objective.variability(**of.errors, in_training=True, draws=1)
        member = self._member(seed, of.delay_ns, chips)
        member.train(lambda progress: None)
        return bytes(member.to_bytes())

    def train_ideal(self, seed: int) -> bytes:
        """Return the network that is trained for ideal devices at their thermal
        power."""
        member = self._member(seed)
        member.train(lambda progress: None)
        return bytes(member.to_bytes())

    def test(self, network: bytes, of: Imperfection, seed: int) -> list[float]:
        """Return the accuracies on ``CHIPS`` chips with the imperfection and thermal
        noise, in twice the steps of training."""
        member = self._member(seed, of.delay_ns)
        member.restore(network)
        own = member.network
        steps = own.physics.n_steps
        errors = self._objective.variability(**of.errors, draws=CHIPS)
        chips = Hardware(errors, seed, steps)
        split = load(self._task, protocol=Protocol.CONFIRM, member_seed=seed)
        with finer_steps(own, 2 * steps):
            return list(chips.accuracies(own, split.score))

    def _member(self, seed: int, delay_ns: float = 0.0, chips: Any = None) -> Any:
        params = self._objective.Params(
            **self._fixed, coupling_delay_ns=delay_ns, variability=chips
        )
        return self._objective.member(
            params, task=self._task, protocol=Protocol.CONFIRM, member_seed=seed
        )


def cells() -> Iterator[tuple[str, str, int]]:
    """Yield task, imperfection and seed, those of the first task first."""
    for task in TASKS:
        for name in IMPERFECTIONS if task == "seqdigits" else OF_MNIST:
            for seed in SEEDS:
                yield task, name, seed


def measure(say: Callable[[str], None]) -> None:
    """Measure what is missing, on all cores, and keep it."""

    def say_cell(key: str, cell: Mapping[str, list[float]]) -> None:
        means = ", ".join(f"{how} {_mean(chips)}" for how, chips in cell.items())
        say(f"  {key}: trained {means}")

    missing = {_key(*cell): cell for cell in cells()}
    about = {"point": POINT, "chips": CHIPS}
    measure_missing(RESULTS, missing, _measure_cell, about, say_cell)


def _key(task: str, name: str, seed: int) -> str:
    return f"{task}, {name}, seed {seed}"


def _measure_cell(task: str, name: str, seed: int) -> dict[str, list[float]]:
    torch.set_num_threads(1)
    of = IMPERFECTIONS[name]
    trainings = Trainings(task)
    cell = {"without": trainings.test(_ideal(task, seed), of, seed)}
    if of != IMPERFECTIONS["none"]:
        cell["with"] = trainings.test(trainings.train(of, seed), of, seed)
    return cell


@cache
def _ideal(task: str, seed: int) -> bytes:
    return Trainings(task).train_ideal(seed)


def write() -> None:
    """Write the table of the page."""
    fill(PAGE, {"tolerant": "\n".join(_table(read(RESULTS)["cells"]))})


def _table(cells: Mapping[str, Mapping[str, list[float]]]) -> Iterator[str]:
    yield row(["task", "imperfection", "trained without it", "trained with it"])
    yield row(["---", "---", "---:", "---:"])
    for task in TASKS:
        for name in IMPERFECTIONS:
            keys = [_key(task, name, seed) for seed in SEEDS]
            found = [cells[key] for key in keys if key in cells]
            if found:
                both = [
                    _spread([one[how] for one in found if how in one]) for how in HOW
                ]
                yield row([task, name, *both])


def _spread(networks: list[list[float]]) -> str:
    """Return mean and standard deviation of networks, as text."""
    means = [100 * statistics.fmean(chips) for chips in networks]
    if not means:
        return ""
    if len(means) == 1:
        return f"{means[0]:.1f} (n = 1)"
    n = "" if len(means) == len(SEEDS) else f" (n = {len(means)})"
    return f"{statistics.fmean(means):.1f} ± {statistics.stdev(means):.1f}{n}"


def _mean(chips: list[float]) -> str:
    return f"{100 * statistics.fmean(chips):.1f} %"

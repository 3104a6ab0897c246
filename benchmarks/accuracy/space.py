"""What the fixed parameters of ``studies/seqdigits.toml`` buy, one change at a time.

Networks are trained on what is left of a training half, and scored on its validation
part, on the solved equation, without noise and on chips with thermal noise. No test
series is seen. Results are kept one by one: a measurement that was stopped continues.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy.kept_cells import measure_missing, read
from benchmarks.marks import DOCS, fill, row
from hpo.contract import Protocol
from hpo.objectives.data import load
from hpo.objectives.training.scoring import Hardware, ideal_accuracy
from hpo.objectives.training.solved_equation import finer_steps
from hpo.statistics import intervals
from hpo.study import file

STUDY = Path(__file__).parents[2] / "studies" / "seqdigits.toml"
RESULTS = DOCS / "results" / "digits-space.json"
PAGE = DOCS / "records" / "digits.md"
CHIPS = 6
N_SPLITS = 6
FEW = 6
MANY = 12
"""Numbers of networks: a split and a seed each."""
SCORES = ("without noise", "with thermal noise")
A: dict[str, Any] = {
    "tau_ns": 1.0,
    "s": 0.047,
    "lr0": 0.259,
    "lr_decay": 1000.0,
    "batch_size": 10,
    "density_inter": 0.35,
    "density_intra": 1.0,
    "f_cut_per_ns": 0.02,
    "max_step_ns": 0.35,
    "epochs": 100,
    "score_every": 1000,
}
B = {**A, "batch_size": 20, "lr0": 0.35}
B_NAME = "B: A with batch 20, lr0 0.35"
LONG = {"epochs": 200}


@dataclass(frozen=True, kw_only=True)
class Change:
    """A network's parameters, and the row against which it is compared."""

    params: Mapping[str, Any]
    against: str = ""
    n: int = FEW


CHANGES = {
    "A": Change(params=A, n=MANY),
    "A, two steps per point": Change(params={**A, "max_step_ns": 0.5}, against="A"),
    "A, S 0.5, lr0 0.0243": Change(params={**A, "s": 0.5, "lr0": 0.0243}, against="A"),
    "A, S 0.5, lr0 0.06, lr_decay 30": Change(
        params={**A, "s": 0.5, "lr0": 0.06, "lr_decay": 30.0}, against="A"
    ),
    "A, 200 epochs": Change(params={**A, **LONG}, against="A", n=MANY),
    B_NAME: Change(params=B, against="A", n=MANY),
    "B, lr0 0.25": Change(params={**B, "lr0": 0.25}, against=B_NAME),
    "B, lr0 0.5": Change(params={**B, "lr0": 0.5}, against=B_NAME),
    "B, S 0.02, lr0 0.82": Change(params={**B, "s": 0.02, "lr0": 0.82}, against=B_NAME),
    "B, S 0.1, lr0 0.165": Change(params={**B, "s": 0.1, "lr0": 0.165}, against=B_NAME),
    "B, S 0.2, lr0 0.082": Change(params={**B, "s": 0.2, "lr0": 0.082}, against=B_NAME),
    "B, lr_decay 100, lr0 0.45": Change(
        params={**B, "lr_decay": 100.0, "lr0": 0.45}, against=B_NAME
    ),
    "B, ema_decay 0.9": Change(params={**B, "ema_decay": 0.9}, against=B_NAME),
    "B, τ 2 ns": Change(params={**B, "tau_ns": 2.0}, against=B_NAME),
    "B, 200 epochs": Change(params={**B, **LONG}, against=B_NAME, n=MANY),
    "B, 200 epochs, batch 40, lr0 0.5": Change(
        params={**B, **LONG, "batch_size": 40, "lr0": 0.5},
        against="B, 200 epochs",
        n=MANY,
    ),
}


def cells() -> Iterator[tuple[str, int, int]]:
    """Yield row, split and seed."""
    for name, change in CHANGES.items():
        for number in range(change.n):
            yield name, number % N_SPLITS, 1 + number // N_SPLITS


def measure(say: Callable[[str], None]) -> None:
    """Measure what is missing, on all cores, and keep it."""

    def say_cell(key: str, scores: list[float]) -> None:
        say(f"  {key}: {', '.join(f'{100 * score:.1f} %' for score in scores)}")

    missing = {_key(*cell): cell for cell in cells()}
    measure_missing(RESULTS, missing, _measure_cell, {"chips": CHIPS}, say_cell)


def _key(name: str, split: int, seed: int) -> str:
    return f"{name}; split {split}, seed {seed}"


def _measure_cell(name: str, split: int, seed: int) -> list[float]:
    """Return the accuracy without noise, and its mean on chips with thermal noise."""
    torch.set_num_threads(1)
    spec = file.load(str(STUDY))
    objective: Any = spec.objective_impl
    task: Any = spec.task_params
    task = task.model_copy(update={"split_seed": split})
    member = objective.member(
        objective.Params(**{**spec.fixed, **CHANGES[name].params}),
        task=task,
        protocol=Protocol.VALIDATION,
        member_seed=seed,
    )
    member.train(lambda progress: None)
    network = member.network
    steps = network.physics.n_steps
    examples = load(task, protocol=Protocol.VALIDATION, member_seed=seed).score
    chips = Hardware(objective.variability(draws=CHIPS), seed, steps)
    with finer_steps(network, 2 * steps):
        ideal, _ = ideal_accuracy(network, examples)
        noisy = list(chips.accuracies(network, examples))
    return [ideal, statistics.fmean(noisy)]


def write() -> None:
    """Write the table of the page."""
    fill(PAGE, {"space": "\n".join(_table(read(RESULTS)["cells"]))})


def _table(measured: Mapping[str, list[float]]) -> Iterator[str]:
    changes = [f"change {score}" for score in SCORES]
    yield row(["network", "n", *SCORES, *changes])
    yield row(["---", *["---:"] * 5])
    for name, change in CHANGES.items():
        own = _scores(measured, name)
        if not own:
            continue
        cells = [name, str(len(own))]
        for column in range(len(SCORES)):
            cells.append(_spread([scores[column] for scores in own.values()]))
        reference = _scores(measured, change.against)
        for column in range(len(SCORES)):
            pairs = [
                100.0 * (scores[column] - reference[where][column])
                for where, scores in own.items()
                if where in reference
            ]
            cells.append(_change(pairs))
        yield row(cells)


def _scores(
    measured: Mapping[str, list[float]], name: str
) -> dict[tuple[int, int], list[float]]:
    """Return the scores of a row by split and seed."""
    return {
        (split, seed): measured[_key(row_name, split, seed)]
        for row_name, split, seed in cells()
        if row_name == name and _key(row_name, split, seed) in measured
    }


def _spread(accuracies: list[float]) -> str:
    """Return mean and standard deviation in per cent, as text."""
    mean = 100.0 * statistics.fmean(accuracies)
    return f"{mean:.1f} ± {100.0 * statistics.stdev(accuracies):.1f} %"


def _change(points: list[float]) -> str:
    """Return the mean of paired differences with its 95 % interval, as text."""
    if len(points) < 2:
        return ""
    error = statistics.stdev(points) / math.sqrt(len(points))
    half = intervals.critical(len(points) - 1) * error
    return f"{statistics.fmean(points):+.1f} ± {half:.1f}"

"""NeuroBench's Mackey-Glass: a reservoir of oscillators with its own predictions as
input.

Fourteen series with delays from 17 to 30, at 75 points per Lyapunov time. A network
trains on ten Lyapunov times, without the first 0.6, to predict the next point. Then it
continues for ten others by itself, and these give its sMAPE. Each series has thirty
runs, each half a Lyapunov time later. J. Yik et al., Nat. Commun. 16, 1545 (2025).

The series are made by NeuroBench's definition, from its table of starts and Lyapunov
times; its own file of them was not at hand. They are chaotic: after some Lyapunov
times, the same equation integrated otherwise is another stretch of the same attractor.

As NeuroBench does, a setting is chosen for every series; here by two stretches that lie
behind all that the test has.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

from benchmarks.accuracy.prediction import Oscillators, Setting
from hpo.objectives.data.tasks.mackey_glass import STEPS, solution
from hpo.objectives.networks.integrators import Past
from hpo.objectives.randomness import stream
from hpo.objectives.training.predictor import smape_percent
from hpo.objectives.training.ridge import fits
from hpo.objectives.training.solved_equation import finer_steps

Array = NDArray[np.float64]

SERIES: Mapping[int, tuple[int, float]] = {
    17: (197, 0.7206597),
    18: (138, 0.7744313),
    19: (315, 0.7783468),
    20: (131, 0.9225991),
    21: (191, 0.9479431),
    22: (119, 0.5455960),
    23: (106, 0.8622247),
    24: (97, 0.3259660),
    25: (98, 0.8297825),
    26: (104, 1.0033490),
    27: (112, 0.6491406),
    28: (119, 1.0957495),
    29: (131, 0.9256179),
    30: (139, 0.2713639),
}
"""Delay -> Lyapunov time and x before the beginning, both as NeuroBench has them."""
POINTS = 75
"""In a Lyapunov time."""
TRAINED = TESTED = 10 * POINTS
WASHOUT = 45
TEST = tuple(round(0.5 * k * POINTS) for k in range(30))
"""Where its runs begin."""
SEARCH = (35 * POINTS, 38 * POINTS)
"""Where those begin by which a setting is chosen."""
LENGTH = 60
"""Lyapunov times of a series."""
SETTINGS = 6
MAX_STEP_NS = 0.15
RIDGES = tuple(10.0**power for power in range(-10, -3))
CHECKED = 17
"""The series with a setting that is also tested with half the step."""
SEED = 0
"""Of the network of the search; that of the test has the next one."""


@cache
def series(delay: int) -> Array:
    """The points of a series, from the time ``delay`` on, where NeuroBench's file
    begins."""
    lyapunov, past = SERIES[delay]
    n = delay + LENGTH * lyapunov + 1
    fine = solution(n, delay=delay, past=past)
    at = delay + np.arange(LENGTH * POINTS) * (lyapunov / POINTS)
    found: Array = CubicSpline(np.arange(len(fine)) / STEPS, fine)(at)
    return found


@dataclass(frozen=True)
class Runs:
    """Stretches of series, side by side."""

    delays: list[int]
    x: Array
    """(runs, points): those that train, those that test, and one more."""

    @classmethod
    def at(cls, starts: tuple[int, ...]) -> Runs:
        """Those of every series that begin there."""
        n = TRAINED + TESTED + 1
        pairs = [(delay, start) for delay in SERIES for start in starts]
        x = np.stack([series(delay)[start : start + n] for delay, start in pairs])
        return cls([delay for delay, _ in pairs], x)


def closed_loop(network: Any, runs: Runs, ridges: tuple[float, ...]) -> Array:
    """The sMAPE in per cent of every run with each penalty, (penalties, runs)."""
    mean, scale = (f(runs.x[:, :TRAINED], axis=1)[:, None] for f in (np.mean, np.std))
    x = (runs.x - mean) / scale
    dynamics = network.dynamics()

    def after(state: Any, past: Past, u: Array) -> tuple[Any, Past, Array]:
        point = torch.from_numpy(u).to(torch.float32)[:, None]
        state, past = network.physics.advance(dynamics, state, past, point)
        read: Tensor = network.features.compute(dynamics.read(state))[0, -1]
        return state, past, read.double().numpy()

    with torch.no_grad():
        state = dynamics.rest(batch=len(x))
        read = list[Array]()
        past: Past = ()
        for t in range(TRAINED):
            state, past, own = after(state, past, x[:, t])
            read.append(own)
        every = np.stack(read, axis=1)  # (runs, points, features)
        readouts = [
            list(fits(r[WASHOUT:], d[WASHOUT + 1 : TRAINED + 1, None], ridges))
            for r, d in zip(every, x, strict=True)
        ]  # of each run, for each penalty
        weights = np.stack(
            [own[k][0][0] for k in range(len(ridges)) for own in readouts]
        )
        bias = np.stack([own[k][1][0] for k in range(len(ridges)) for own in readouts])
        state, past = (
            tuple(torch.cat([a] * len(ridges), dim=-2) for a in b)
            for b in (state, past)
        )
        u = np.tile(x[:, TRAINED], len(ridges))
        predicted = []
        for _ in range(TESTED):
            state, past, own = after(state, past, u)
            u = np.clip((own * weights).sum(axis=1) + bias, -10.0, 10.0)
            predicted.append(u)
    y = np.stack(predicted, axis=1).reshape(len(ridges), len(x), TESTED) * scale + mean
    wanted = runs.x[:, TRAINED + 1 :]
    found = [
        [smape_percent(a, b) for a, b in zip(own, wanted, strict=True)] for own in y
    ]
    return np.array(found)


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Choose a setting for every series, and test it on its thirty runs."""
    model = Oscillators("antisymmetric")
    random = stream(0, "benchmark/closed-loop")
    best: dict[int, tuple[float, Setting, float]] = {}
    runs = Runs.at(SEARCH)
    for trial in range(SETTINGS):
        setting: Setting = {**model.draw(random), "max_step_ns": MAX_STEP_NS}
        errors = closed_loop(model.network(setting, SEED), runs, RIDGES)
        for delay in SERIES:
            own = errors[:, [d == delay for d in runs.delays]].mean(axis=1)
            if delay not in best or own.min() < best[delay][0]:
                best[delay] = (float(own.min()), setting, RIDGES[int(own.argmin())])
        say(
            f"    {trial}:"
            f" {statistics.fmean(error for error, *_ in best.values()):.2f} %"
        )
    tests: dict[int, list[float]] = {}
    solved: dict[int, list[float]] = {}
    every = Runs.at(TEST)
    for setting in {json.dumps(one): one for _, one, _ in best.values()}.values():
        ridges = {
            delay: ridge for delay, (_, one, ridge) in best.items() if one == setting
        }
        rows = [k for k, delay in enumerate(every.delays) if delay in ridges]
        runs = Runs([every.delays[k] for k in rows], every.x[rows])
        network = model.network(setting, SEED + 1)

        tests |= _tested(network, runs, ridges)
        if CHECKED in ridges:
            with finer_steps(network, 2 * network.physics.n_steps):
                solved |= _tested(network, runs, ridges)
        say(
            f"    delays {sorted(ridges)}:"
            f" {statistics.fmean(np.ravel([*tests.values()])):.2f} %"
        )
    return {
        "smape_percent": statistics.fmean(np.ravel([*tests.values()])),
        "with_half_the_step": solved,
        "runs": tests,
        "settings": {
            delay: {**setting, "ridge": ridge}
            for delay, (_, setting, ridge) in best.items()
        },
    }


def _tested(
    network: Any, runs: Runs, ridges: Mapping[int, float]
) -> dict[int, list[float]]:
    """The sMAPE of the runs of each series, with its penalty."""
    penalties = tuple(sorted({*ridges.values()}))
    found = closed_loop(network, runs, penalties)
    return {
        delay: found[penalties.index(ridge), [d == delay for d in runs.delays]].tolist()
        for delay, ridge in ridges.items()
    }

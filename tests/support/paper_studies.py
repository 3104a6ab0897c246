"""Finished studies of the reproduction with scores that a test sets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import snapshots

from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, StudyState, Trial
from reproduction import jobs

Accuracy = Callable[[dict[str, float]], float]


def study(name: str, accuracy: Accuracy, **info: Accuracy) -> StudySnapshot:
    """Return a study of the reproduction with scores around ``accuracy`` of the
    parameters."""
    spec = next(job for job in jobs.JOBS if job.name == name).spec()
    draw = random.Random(0)

    def one(number: int) -> Trial:
        params = spec.point(number) if spec.sweep else sampled(spec, draw)
        values = {
            k: v
            for k, v in {**spec.fixed, **params}.items()
            if isinstance(v, int | float)
        }
        facts = {"n_synapses": 2896} | {key: f(values) for key, f in info.items()}
        n = spec.budget.members
        scores = [accuracy(values) + draw.uniform(-0.005, 0.005) for _ in range(n)]
        networks = [
            snapshots.member(i, (), score=score) for i, score in enumerate(scores)
        ]
        members = tuple(replace(network, info=facts) for network in networks)
        score = sum(scores) / n
        return snapshots.slot(
            number, SlotState.COMPLETE, params=params, members=members, score=score
        )

    points = tuple(one(number) for number in range(spec.budget.trials))
    return snapshots.snapshot(spec, points, state=StudyState.DONE).snapshot


def sampled(spec: StudySpec, draw: random.Random) -> dict[str, float]:
    """Return a random point of the space of Fig. 3(c), logarithmic in all
    parameters."""
    bounds = {
        name: (float(d.low or 0), float(d.high or 0)) for name, d in spec.space.items()
    }
    return {
        name: low * (high / low) ** draw.random()
        for name, (low, high) in bounds.items()
    }


def bell(
    optimum_ns: Callable[[dict[str, float]], float], height: float = 0.9
) -> Accuracy:
    """``height`` up to a factor of three from the optimal time scale, and 0.3
    beyond."""

    def accuracy(p: dict[str, float]) -> float:
        ratio = p.get("dt_ns", 1.0) / optimum_ns(p)
        return height if 1 / 3 < ratio < 3 else 0.3

    return accuracy


def everything_agrees(p: dict[str, float]) -> float:
    """All of the paper: its window, both shifts, the drive, densities, and Δt < τ."""
    optimum = (p["tau_ns"] / 14.12 * 0.149 / p["lr0"]) ** 0.25
    height = 0.9 - 0.01 * (p.get("dt_ns", 1.0) != 1.0)
    if p["density_intra"] == 0.0:
        height = 0.8
    if p["density_inter"] == p["density_intra"] > 0.75:
        height = 0.85
    return (
        bell(lambda _: optimum, height)(p) if p["tau_ns"] > p.get("dt_ns", 1.0) else 0.3
    )

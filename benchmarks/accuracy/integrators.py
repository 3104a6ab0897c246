"""Errors of the integrators on trained networks, and accuracies of networks trained
with them.

``python -m benchmarks integrators`` measures and writes ``integrators.json``, the
tables between the marks of ``docs/records/integrators.md``, and its figure. ``python -m
benchmarks.accuracy.integratorpage`` writes the page anew without measuring.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpo import objectives
from hpo.contract import Protocol
from hpo.objectives.data import TASKS, load
from hpo.objectives.data.examples import Split
from hpo.objectives.networks.integrators import EXTRAPOLATION, IntegratorName
from hpo.objectives.training.recipe import Recipe
from hpo.objectives.training.train import (
    choose_updates,
    train,
    train_epoch,
)

DATA = Path(__file__).with_name("integrators.json")
PAPER = {"thermal_power": 0.0, "drive_limit": "none"}
"""The paper's equation."""
NETWORKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "paper's point": ("spintronic", {**PAPER, "f_cut_per_ns": 0.1}),
    "best known point": (
        "spintronic",
        {
            **PAPER,
            "tau_ns": 2.39,
            "lr0": 0.72,
            "lr_decay": 59.8,
            "s": 0.103,
            "f_cut_per_ns": 0.02,
            "density_inter": 0.34,
            "density_intra": 0.675,
            "batch_size": 60,
        },
    ),
    "CTRNN": ("ctrnn", {"tau_ns": 2.5, "lr0": 0.1, "lr_decay": 8.0, "s": 0.2}),
}
"""Objective and parameters by name; whatever is not named is the default."""
EPOCHS = 60
Scheme = tuple[IntegratorName, int]
"""An integrator and its steps per point."""
TRAINED: Scheme = "exponential-ab3", 16
"""The scheme that trains the networks for the errors."""
SOLVED: Scheme = "exponential-ab3", 48
"""What every network is tested with that was trained with something else."""
EXACT: Scheme = "rk4", 64
CROSS_CHECK: Scheme = "exponential-ab3", 128
DRIVES: Mapping[IntegratorName, int] = {
    "exponential": 1,
    "exponential-ab2": 1,
    "exponential-ab3": 1,
    "euler": 1,
    "heun": 2,
    "rk4": 4,
}
"""Evaluations of the drive per step."""
EVALUATIONS = (1, 2, 3, 4, 6, 8, 16, 32)
"""Of the drive per point, as many as make whole steps."""
SCHEMES: tuple[Scheme, ...] = (
    *(("exponential", n) for n in (1, 2, 4, 8)),
    *(("exponential-ab2", n) for n in (2, 3, 4)),
    *(("exponential-ab3", n) for n in (1, 2, 3, 4)),
)
"""What networks are trained with."""
SEEDS = (1, 2, 3, 4, 5)
ROUNDS = 5
TURN_S = 0.1
ANY_STEP_NS = 1e4
"""Longer than any point."""


@dataclass(frozen=True, kw_only=True)
class Error:
    """One trained network, integrated otherwise."""

    network: str
    integrator: str
    steps: int
    accuracy: float
    agreement: float
    """Share of answers that are those of the exact solution."""
    logits: float | None
    """Norm of the error of the logits by that of the logits; None: not finite."""

    @property
    def evaluations(self) -> int:
        """Of the drive, per input point."""
        return DRIVES[self.integrator] * self.steps  # type: ignore[index]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Networks that were trained with one scheme, one per seed."""

    network: str
    integrator: str
    steps: int
    own: list[float]
    """Accuracies with the scheme itself."""
    solved: list[float]
    """Accuracies with ``SOLVED``."""
    epoch: float
    """CPU time of an epoch, in epochs of the first of ``SCHEMES``."""


@dataclass(kw_only=True)
class Found:
    """All that was measured."""

    about: dict[str, Any]
    errors: list[Error]
    checks: dict[str, float]
    """By network: difference of ``CROSS_CHECK`` from ``EXACT``, as of
    ``Error.logits``."""
    trainings: list[Training]

    def write(self) -> None:
        """Into ``DATA``, a line per measurement."""
        lines = [
            f'{{"about": {json.dumps(self.about)}, "checks": {json.dumps(self.checks)}'
        ]
        for name, values in (("errors", self.errors), ("trainings", self.trainings)):
            rows = ",\n".join(json.dumps(asdict(value)) for value in values)
            lines.append(f'"{name}": [\n{rows}\n]')
        DATA.write_text(",\n".join(lines) + "}\n", encoding="utf-8")

    @classmethod
    def read(cls) -> Found:
        """What was written."""
        data = json.loads(DATA.read_text(encoding="utf-8"))
        return cls(
            about=data["about"],
            checks=data["checks"],
            errors=[Error(**row) for row in data["errors"]],
            trainings=[Training(**row) for row in data["trainings"]],
        )


def measure(say: Callable[[str], None], about: dict[str, Any]) -> Found:
    """Everything: accuracies on all cores, then times on one."""
    errors, checks, scores = measure_accuracies(say)
    results = Found(about=about, errors=errors, checks=checks, trainings=[])
    for name in NETWORKS:
        say(f"  {name}: epochs")
        times = epochs(name)
        for scheme in SCHEMES:
            own, solved = zip(
                *(scores[name, scheme, seed] for seed in SEEDS), strict=True
            )
            results.trainings.append(
                Training(
                    network=name,
                    integrator=scheme[0],
                    steps=scheme[1],
                    own=list(own),
                    solved=list(solved),
                    epoch=round(times[scheme] / times[SCHEMES[0]], 3),
                )
            )
    return results


Scores = dict[tuple[str, Scheme, int], tuple[float, float]]


def measure_accuracies(
    say: Callable[[str], None],
) -> tuple[list[Error], dict[str, float], Scores]:
    """Errors and checks of all networks, and ``trained_scores`` by its arguments."""
    order = sorted(SCHEMES, key=lambda scheme: scheme[1])  # what takes long, last
    jobs = [
        (name, scheme, seed) for scheme in order for name in NETWORKS for seed in SEEDS
    ]
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawning) as pool:
        apart = {name: pool.submit(errors_of, name) for name in NETWORKS}
        training = {job: pool.submit(trained_scores, *job) for job in jobs}
        errors = []
        checks = {}
        for name, future in apart.items():
            own, checks[name] = future.result()
            errors += own
            say(f"  {name}: errors")
        scores = {}
        for job, scored in training.items():
            scores[job] = scored.result()
            if job[2] == SEEDS[-1]:
                say(f"  {job[0]}: trained with {job[1][1]} steps of {job[1][0]}")
    return errors, checks, scores


def errors_of(name: str) -> tuple[list[Error], float]:
    """Of a network with every integrator, and the check of the exact solution.

    The kernels compute what they can, in float32, the reference all else, in float64.
    """
    torch.set_num_threads(1)
    network, split = trained(name, TRAINED, seed=1)
    reference = deepcopy(network).double()
    u = torch.from_numpy(split.score.x)
    label = torch.from_numpy(split.score.label)

    def of(scheme: Scheme) -> Tensor:
        if scheme[0] in EXTRAPOLATION:
            return logits(network, scheme, u).double()
        return logits(reference, scheme, u.double())

    exact = of(EXACT)
    rows = []
    for integrator, drives in DRIVES.items():
        for evaluations in EVALUATIONS:
            if evaluations % drives:
                continue
            steps = evaluations // drives
            own = of((integrator, steps))
            error = relative(own, exact)
            rows.append(
                Error(
                    network=name,
                    integrator=integrator,
                    steps=steps,
                    accuracy=share(own.argmax(1) == label, own),
                    agreement=share(own.argmax(1) == exact.argmax(1), own),
                    logits=float(f"{error:.3g}") if error < 1e6 else None,
                )
            )
    return rows, float(f"{relative(of(CROSS_CHECK), exact):.2g}")


def trained_scores(name: str, scheme: Scheme, seed: int) -> tuple[float, float]:
    """Accuracy of a network that was trained with ``scheme``, with that and with
    ``SOLVED``."""
    torch.set_num_threads(1)
    network, split = trained(name, scheme, seed=seed)
    u = torch.from_numpy(split.score.x)
    label = torch.from_numpy(split.score.label)
    own, solved = (logits(network, s, u) for s in (scheme, SOLVED))
    return share(own.argmax(1) == label, own), share(solved.argmax(1) == label, solved)


def epochs(name: str) -> dict[Scheme, float]:
    """CPU seconds of an epoch with every scheme, in turn, round by round."""
    turns = {scheme: _turn(name, scheme) for scheme in SCHEMES}
    times: dict[Scheme, list[float]] = {scheme: [] for scheme in SCHEMES}
    for _ in range(ROUNDS):
        for scheme, turn in turns.items():
            turn()  # caches
            began = time.process_time()
            n = 0
            while time.process_time() - began < TURN_S:
                turn()
                n += 1
            times[scheme].append((time.process_time() - began) / n)
    return {scheme: statistics.median(seconds) for scheme, seconds in times.items()}


def _turn(name: str, scheme: Scheme) -> Callable[[], Any]:
    kind, changes = NETWORKS[name]
    network, split, recipe = drawn(kind, changes, scheme, seed=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr0, fused=True)
    updates = choose_updates(network, optimizer, split.train)
    slow = replace(recipe, lr0=1e-6)
    return lambda: train_epoch(network, updates, split.train, recipe=slow, epoch=0)


def trained(name: str, scheme: Scheme, *, seed: int) -> tuple[Any, Split]:
    """A network after ``EPOCHS`` on the training half, and the data."""
    kind, changes = NETWORKS[name]
    network, split, recipe = drawn(kind, changes, scheme, seed=seed)
    fit(network, split, recipe, seed=seed)
    return network, split


def drawn(
    kind: str,
    changes: Mapping[str, float],
    scheme: Scheme,
    *,
    seed: int,
    epochs: int = EPOCHS,
) -> tuple[Any, Split, Recipe]:
    """A network of one member that is not trained yet, the data, and how to train
    it."""
    objective: Any = objectives.load(kind)
    integrator, steps = scheme
    params = objective.Params(
        **changes, integrator=integrator, steps_per_point=steps, max_step_ns=ANY_STEP_NS
    )
    network = objective.network(params, [seed], channels=1, outputs=10)
    task = TASKS["sequential-digits"](name="sequential-digits")
    split = load(task, protocol=Protocol.CONFIRM, member_seed=seed)
    recipe = Recipe(
        epochs=epochs,
        batch_size=params.batch_size,
        lr0=params.lr0,
        lr_decay=params.lr_decay,
    )
    return network, split, recipe


def fit(network: Any, split: Split, recipe: Recipe, *, seed: int) -> None:
    """Train in place."""
    train(
        network,
        split,
        recipe,
        protocol=Protocol.CONFIRM,
        member_seed=seed,
        identity={},
        on_epoch=lambda _: None,
    )


def logits(network: Any, scheme: Scheme, u: Tensor) -> Tensor:
    """Of a network of one member with a scheme that need not be its own."""
    own = network.physics
    network.physics = stepped(own, scheme)
    try:
        with torch.no_grad():
            values: Tensor = network(u)[0]
            return values
    finally:
        network.physics = own


def stepped(physics: Any, scheme: Scheme) -> Any:
    """The same physics, integrated otherwise."""
    integrator, steps = scheme
    return replace(
        physics, integrator=integrator, steps_per_point=steps, max_step_ns=ANY_STEP_NS
    )


def default_of(kind: str) -> Scheme:
    """Return the default scheme of an objective."""
    objective: Any = objectives.load(kind)
    params = objective.Params()
    network = objective.network(params, [0], channels=1, outputs=10)
    return params.integrator, network.physics.n_steps


def name_of(scheme: tuple[str, int]) -> str:
    """The scheme in words."""
    integrator, steps = scheme
    return f"{integrator}, {steps} {'step' if steps == 1 else 'steps'}"


def relative(result: Tensor, exact: Tensor) -> float:
    """Norm of the error by that of the exact values; infinite where something is not
    finite."""
    error = float((result - exact).norm() / exact.norm())
    return error if error < float("inf") else float("inf")


def share(right: Tensor, values: Tensor) -> float:
    """Share of the answers that are ``right``; one that is not finite is not."""
    finite = values.isfinite().all(dim=1)
    return round(float((right & finite).double().mean()), 5)

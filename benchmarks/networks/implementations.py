"""Seconds per epoch and member of every implementation at equal exactness: same
weights, one core.

The weights are those of a network that was trained with our default; an untrained one
is easily integrated. Every implementation takes as many steps per input point as it
needs for an error of the logits no larger than ours, and then trains on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy import integrators
from benchmarks.accuracy.integrators import Scheme, default_of, name_of
from benchmarks.networks import loops
from benchmarks.networks.loops import Named
from benchmarks.networks.runners import BATCH, Array, OurRunner, Runner, TorchRunner
from hpo.objectives.data.examples import Split
from hpo.objectives.training.recipe import Recipe

KINDS = ("spintronic", "ctrnn")
WIDTHS = (32, 64, 128)
DENSITIES = (0.1, 0.5, 1.0)
FIRST_ORDER: Scheme = "exponential", 1
FINE_STEPS = 64
"""Per point, by the default: what takes the place of the exact solution."""
MEMBERS = 10
EPOCHS = 20
SEED = 0
OWN = "benchmarks.networks.cubic:Cubic"
"""A device that has a rate, and nothing else."""
MOST_STEPS = 50
WIDEST_SOLVED = 64
"""Of wider networks, the solvers of other libraries are left out: they would take the
most time."""
ROUNDS = {32: 5, 64: 3, 128: 2}
TURN_S = 0.1
_POINTS = {"spintronic": "paper's point", "ctrnn": "CTRNN"}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One implementation of one network."""

    kind: str
    width: int
    what: str
    density: float
    scheme: str
    """Integrator and steps per point."""
    seconds: float
    """CPU time per epoch and member; median over the rounds."""
    spread: tuple[float, float]
    """Its least and its largest."""
    error: float | None = None
    """Norm of the error of the logits by that of the logits; None: not measured."""
    gap: float | None = None
    """Accuracy minus that on the solved equation, in points."""


@dataclass(kw_only=True)
class Case:
    """A trained network, and what it says when its equation is solved."""

    kind: str
    network: Any
    split: Split

    @classmethod
    def trained(cls, kind: str, width: int, epochs: int = EPOCHS) -> Case:
        """After some epochs with the default; at the rate of width 32, wide ones
        saturate."""
        network, split, recipe = drawn(kind, width, 0.5, epochs)
        recipe = replace(recipe, lr0=recipe.lr0 * min(1.0, WIDTHS[0] / width))
        integrators.fit(network, split, recipe, seed=SEED)
        return cls(kind=kind, network=network, split=split)

    @property
    def physics(self) -> loops.Physics:
        """As the others want it."""
        physics = self.network.physics
        return loops.Physics(
            gamma_per_ns=1 / physics.tau_ns,
            s=physics.s,
            f_cut_per_ns=getattr(physics, "f_cut_per_ns", 0.0),
            integrator=physics.integrator,
            n_steps=physics.n_steps,
        )

    @property
    def parameters(self) -> Named:
        """Of the one member, by name."""
        return {n: p.detach()[0].clone() for n, p in self.network.named_parameters()}

    @property
    def masks(self) -> Named:
        """By the names of the parameters."""
        return {
            n.replace("mask", "w"): b[0].float()
            for n, b in self.network.named_buffers()
        }

    @cached_property
    def exact(self) -> Tensor:
        """Logits of the test half on the solved equation."""
        fine = self.network.physics.integrator, FINE_STEPS
        return integrators.logits(
            self.network, fine, torch.from_numpy(self.split.score.x)
        )

    def error(self, runner: Runner) -> tuple[float, float]:
        """Of the logits, and of the accuracy in points: see ``Timing``."""
        values = torch.from_numpy(np.array(runner.logits(self.split.score.x)))
        label = torch.from_numpy(self.split.score.label)
        own, solved = (
            integrators.share(logits.argmax(1) == label, logits)
            for logits in (values, self.exact)
        )
        return integrators.relative(values, self.exact), 100 * (own - solved)

    def by_torch(self, logits: loops.Logits) -> TorchRunner:
        """What trains it by autograd."""
        return TorchRunner(logits, self.parameters, self.masks, self.split.train)

    def by_jax(self, logits: Any) -> Runner:
        """What trains it by JAX."""
        from benchmarks.networks.jax_scan import JaxRunner

        return JaxRunner(logits, self.parameters, self.masks, self.split.train)

    def ours(self, scheme: Scheme | None = None, backend: str = "fused") -> OurRunner:
        """What trains a copy by the loop of studies; the reference on one batch
        alone."""
        network = deepcopy(self.network)
        if scheme is not None:
            network.physics = integrators.stepped(network.physics, scheme)
        network.backend = backend
        train = self.split.train
        return OurRunner(
            network, train if backend == "fused" else train.take(np.arange(BATCH))
        )


@dataclass(kw_only=True)
class Entry:
    """What takes part."""

    runner: Runner
    scheme: str = ""
    """Empty: our default."""
    density: float = 0.5
    members: int = 1
    error: float | None = None
    gap: float | None = None


def measure(
    say: Callable[[str], None], widths: Iterable[int] = WIDTHS
) -> Iterator[Timing]:
    """All implementations, in turn, round by round."""
    for width in widths:
        for kind in KINDS:
            say(f"{kind}, width {width}")
            case = Case.trained(kind, width)
            entries = same_scheme(case) | _others(case, say)
            times: dict[str, list[float]] = {name: [] for name in entries}
            for _ in range(ROUNDS[width]):
                for name, entry in entries.items():
                    seconds = _turn(entry.runner, len(case.split.train))
                    times[name].append(seconds / entry.members)
            for name, entry in entries.items():
                yield Timing(
                    kind=kind,
                    width=width,
                    what=name,
                    density=entry.density,
                    scheme=entry.scheme or name_of(default_of(kind)),
                    seconds=statistics.median(times[name]),
                    spread=(min(times[name]), max(times[name])),
                    error=entry.error,
                    gap=entry.gap,
                )


def same_scheme(case: Case) -> dict[str, Entry]:
    """Ours, and PyTorch by the same rule.

    Raises:
        RuntimeError: they do not find the same.
    """
    kind = case.kind
    physics = case.physics
    width = case.network.bias.shape[-1]
    entries = {"ours": Entry(runner=case.ours())}
    entries |= {
        "our PyTorch reference": Entry(runner=case.ours(backend="reference")),
        "eager": Entry(runner=case.by_torch(loops.layer_by_layer(kind, physics))),
        "eager, layers stacked": Entry(
            runner=case.by_torch(loops.stacked(kind, physics))
        ),
    }
    for entry in entries.values():
        entry.error, entry.gap = case.error(entry.runner)
    _check({name: entry.runner for name, entry in entries.items()}, case.split)
    many = {n: torch.stack([p] * MEMBERS) for n, p in case.parameters.items()}
    masks = {n: torch.stack([m] * MEMBERS) for n, m in case.masks.items()}
    together = TorchRunner(loops.stacked(kind, physics), many, masks, case.split.train)
    entries[f"eager, {MEMBERS} members"] = Entry(runner=together, members=MEMBERS)
    single = Entry(runner=case.ours(FIRST_ORDER), scheme=name_of(FIRST_ORDER))
    single.error, single.gap = case.error(single.runner)
    apart = {"ours, one step": single}
    for density in DENSITIES:
        if density != 0.5:
            network, split, _ = drawn(kind, width, density)
            apart[f"ours, density {density}"] = Entry(
                runner=OurRunner(network, split.train), density=density
            )
    if kind == "spintronic":
        apart["ours, an own device"] = _own_device(width)
    return {"ours": entries.pop("ours"), **apart, **entries}


def _own_device(width: int) -> Entry:
    """One that has a rate alone, trained as the others are.

    Raises:
        RuntimeError: its kernel and its reference differ by more than 1e-5.
    """
    case = Case.trained(OWN, width)
    entry = Entry(runner=case.ours(), scheme=name_of(default_of(OWN)))
    entry.error, entry.gap = case.error(entry.runner)
    reference = case.ours(backend="reference")
    _check({"kernel": entry.runner, "reference": reference}, case.split, tolerance=1e-5)
    return entry


def _others(case: Case, say: Callable[[str], None]) -> dict[str, Entry]:
    """Return the peers, if their libraries are installed, with as many steps as they
    need."""
    limit, _ = case.error(case.ours())
    entries: dict[str, Entry] = {}
    builders: dict[str, Callable[[Case, float], Entry]] = {"JAX scan + jit": _scan}
    if case.network.bias.shape[-1] <= WIDEST_SOLVED:
        builders |= {"torchdiffeq": _torchdiffeq, "diffrax": _diffrax}
    for name, build in builders.items():
        try:
            entry = build(case, limit)
            entry.runner.advance()
        except Exception as error:
            say(
                f"  {name} does not run: {type(error).__name__}:"
                f" {str(error).splitlines()[0]}"
            )
        else:
            entries[name] = entry
    return entries


def _scan(case: Case, _: float) -> Entry:
    from benchmarks.networks import jax_scan

    runner = case.by_jax(jax_scan.scan(case.kind, case.physics))
    _check({"ours": case.ours(), "JAX": runner}, case.split)
    error, gap = case.error(runner)
    return Entry(runner=runner, error=error, gap=gap)


def _torchdiffeq(case: Case, limit: float) -> Entry:
    from benchmarks.networks import torch_solvers

    def entry(method: str) -> Entry:
        def build(n: int) -> Runner:
            return case.by_torch(
                torch_solvers.solved(case.kind, case.physics, method, n)
            )

        return least(case, limit, method, build, lambda n, u: build(n).logits(u))

    entries = [entry(method) for method in ("rk4", "midpoint")]
    return min(entries, key=lambda entry: _turn(entry.runner, BATCH))


def _diffrax(case: Case, limit: float) -> Entry:
    from benchmarks.networks import jax_solvers

    def build(n: int) -> Runner:
        return case.by_jax(jax_solvers.solved(case.kind, case.physics, "Heun", n))

    def alike(n: int, u: Array) -> Array:  # JAX compiles for every n
        values: Array = integrators.logits(
            case.network, ("heun", n), torch.from_numpy(u)
        ).numpy()
        return values

    return least(case, limit, "heun", build, alike)


def least(
    case: Case,
    limit: float,
    method: str,
    build: Callable[[int], Runner],
    alike: Callable[[int, Array], Array],
) -> Entry:
    """The fewest steps per point with an error within the limit.

    Args:
        case: what is integrated.
        limit: of the error.
        method: its name.
        build: builds an implementation with a number of steps.
        alike: returns logits with a number of steps; one batch sets the first number.

    Raises:
        RuntimeError: not even MOST_STEPS are enough.
    """
    u = case.split.score.x[:BATCH]
    exact = case.exact[:BATCH]

    def error(n: int) -> float:
        return integrators.relative(torch.from_numpy(alike(n, u)), exact)

    few = next((n for n in range(1, MOST_STEPS) if error(n) <= 1.2 * limit), MOST_STEPS)
    for n in range(few, MOST_STEPS):
        runner = build(n)
        distance, gap = case.error(runner)
        if distance <= limit:
            return Entry(
                runner=runner, scheme=name_of((method, n)), error=distance, gap=gap
            )
    raise RuntimeError(
        f"{method}: {MOST_STEPS} steps per point leave an error above {limit:.1g}"
    )


def _turn(runner: Runner, series: int) -> float:
    """CPU seconds per epoch, over TURN_S: one short epoch would measure others'
    caches."""
    runner.reset()
    began = time.process_time()
    n = 0
    while n == 0 or time.process_time() - began < TURN_S:
        n += runner.advance()[0]
    return (time.process_time() - began) / n * series


def _check(
    runners: Mapping[str, Runner], split: Split, tolerance: float = 1e-3
) -> None:
    """All must read out the same of a batch, or they are not the same network.

    Raises:
        RuntimeError: they are not.
    """
    batch = split.train.x[:BATCH]
    outputs = {name: runner.logits(batch) for name, runner in runners.items()}
    first = next(iter(outputs.values()))
    largest = {
        name: float(abs(logits - first).max()) for name, logits in outputs.items()
    }
    if not max(largest.values()) <= tolerance * float(abs(first).max()):
        raise RuntimeError(f"the implementations disagree: {largest}")


def drawn(
    kind: str, width: int, density: float, epochs: int = EPOCHS
) -> tuple[Any, Split, Recipe]:
    """A network that is not trained yet, the data, and how to train it."""
    objective, point = (
        integrators.NETWORKS[_POINTS[kind]] if kind in _POINTS else (kind, {})
    )
    changes = {"width": width, "density_inter": density, "density_intra": density}
    return integrators.drawn(
        objective, {**point, **changes}, default_of(kind), seed=SEED, epochs=epochs
    )

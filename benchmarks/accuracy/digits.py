"""Other models on the sequential digits: reservoirs of oscillators, echo state
networks, a GRU.

All have the split, the images and the scoring of ``ablation``; a reservoir keeps its
random weights and has a readout by ridge regression. Each is searched by ``TRIALS``
random settings, each scored on three validation parts of the training half; the best
setting of every readout is tested once, by ten networks of fresh seeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy import ablation
from benchmarks.accuracy.ablation import SEEDS, TUNING, Say, keep
from hpo import contract
from hpo.objectives import baselines
from hpo.objectives.baselines.gru import GruObjective, GruParams
from hpo.objectives.data import load
from hpo.objectives.hardware.variability import Variability
from hpo.objectives.networks.kernels.chips import IDEAL, Chip
from hpo.objectives.networks.readout import Features
from hpo.objectives.networks.simulated_chips import draw_chip, draw_normals
from hpo.objectives.randomness import stream
from hpo.objectives.training.solved_equation import finer_steps

Array = NDArray[Any]
Setting = Mapping[str, float]
TRIALS = 40
READOUTS: Mapping[str, Features] = {
    "last": Features(),
    "last, squares": Features(powers=2),
    "last+mean": Features(points="last+mean"),
    "last+mean, squares": Features(points="last+mean", powers=2),
}


class Reservoir(Protocol):
    """What is searched and tested."""

    def draw(self, random: np.random.Generator) -> Setting:
        """A setting at random."""

    def states(self, setting: Setting, seed: int, *parts: Array) -> Iterator[Array]:
        """Those of a network after each point of series, (series, points, units)."""


@dataclass(frozen=True)
class Echo:
    """An ESN, with the settings of the baselines."""

    units: int

    def draw(self, random: np.random.Generator) -> Setting:
        """See ``Reservoir``."""
        return {
            "radius": random.uniform(0.2, 1.4),
            "leak": min(1.0, 10 ** random.uniform(-1.2, 0.6)),
            "scale": 10 ** random.uniform(-1.5, 0.5),
            "bias": random.uniform(0.0, 1.0),
        }

    def states(self, setting: Setting, seed: int, *parts: Array) -> Iterator[Array]:
        """See ``Reservoir``."""
        scaling = parts[0].mean(axis=(0, 1)), parts[0].std(axis=(0, 1))
        own = baselines.Setting(**setting)
        for x in parts:
            rng = stream(seed, "echo-state")
            every = [
                s.copy() for s in baselines.esn_states(own, self.units, x, rng, scaling)
            ]
            yield np.stack(every, axis=1)


@dataclass(frozen=True)
class Oscillators:
    """Warm untrained oscillators; all are read."""

    coupling: str
    noise: bool = False
    """Whether thermal noise is simulated, in place of its mean effect: each series has
    its own."""
    limit: str = "none"
    """Limit of the drive, to 0 to 3 times the damping."""

    def draw(self, random: np.random.Generator) -> Setting:
        """The space of ``seqdigits``, and that of the coupling; half of them have no
        filter."""

        def log(low: float, high: float) -> float:
            return math.exp(random.uniform(math.log(low), math.log(high)))

        own = {
            "tau_ns": log(1.0, 100.0),
            "s": log(0.01, 3.0),
            "density_inter": random.uniform(0.05, 1.0),
            "density_intra": random.uniform(0.05, 1.0),
            "f_cut_per_ns": log(1e-3, 1.0) * random.integers(2),
            "weight_gain": log(0.1, 30.0),
        }
        return own | (
            {"rotation": log(1.0, 20.0)} if self.coupling == "antisymmetric" else {}
        )

    def states(self, setting: Setting, seed: int, *parts: Array) -> Iterator[Array]:
        """See ``Reservoir``; with half the step of the search for more than one
        part."""
        objective = ablation.spec().objective_impl
        fixed: Any = {"layers": 1, "width": 96, "coupling": self.coupling}
        fixed |= {"thermal_power": 1e-3, "drive_limit": self.limit, "max_step_ns": 0.25}
        params = objective.Params(**fixed, **setting)
        network = objective.network(params, [seed], channels=1, outputs=10)
        size = network.layouts[0].block if self.noise else len(parts[0])
        with (
            torch.no_grad(),
            finer_steps(network, network.physics.n_steps * min(len(parts), 2)),
        ):
            for k, x in enumerate(parts):
                batches = []
                for n in range(0, len(x), size):
                    u = torch.from_numpy(x[n : n + size])
                    chip = self._chip(network, k, f"{seed}, {n}")
                    batches.append(network.outputs(u, x.shape[1], chip)[0])
                yield torch.cat(batches).numpy()

    def _chip(self, network: Any, part: int, name: str) -> Chip:
        if not self.noise:
            return IDEAL
        own: Any = {"number": name, "network": network}
        normals = draw_normals(part, n_jumps=64, **own)  # of points, one each
        return draw_chip(Variability(), part, normals=normals, jumps_per_point=1, **own)


MODELS: Mapping[str, Reservoir] = {
    "oscillators, random": Oscillators("random"),
    "oscillators, antisymmetric": Oscillators("antisymmetric"),
    "oscillators, random, thermal noise": Oscillators("random", noise=True),
    "oscillators, antisymmetric, thermal noise": Oscillators(
        "antisymmetric", noise=True
    ),
    "oscillators, antisymmetric, thermal noise, limited drive": Oscillators(
        "antisymmetric", noise=True, limit="smooth"
    ),
    "ESN of 96": Echo(96),
}


@dataclass
class Best:
    """The best setting of a readout, and its test."""

    validation: float = 0.0
    setting: dict[str, float] = field(default_factory=dict)
    penalty: float = math.nan
    test: list[float] = field(default_factory=list)
    noisy: list[float] = field(default_factory=list)
    """Of oscillators that were fitted to the mean effect, the test with thermal
    noise."""


def row(model: Reservoir) -> dict[str, Best]:
    """Search and test one model."""
    split = load(
        ablation.spec().task_params, protocol=contract.Protocol.CONFIRM, member_seed=0
    )
    x = split.train.x
    y = split.train.label
    z = split.score.x
    truth = split.score.label
    parts = baselines.validation_parts(y, 0.3, 0)
    random = stream(0, "benchmark/digits")
    by_readout = {name: Best() for name in READOUTS}
    for number in range(TRIALS):
        setting = model.draw(random)
        [states] = model.states(setting, 1000 + number, x)
        for name, best in by_readout.items():
            own = _features(name, states)
            scores = [
                [
                    np.mean(read == y[b])
                    for read in baselines.ridge_classes(
                        own[a], y[a], own[b], baselines.PENALTIES
                    )
                ]
                for a, b in parts
            ]
            means = np.mean(scores, axis=0)
            if means.max() > best.validation:
                penalty = baselines.PENALTIES[int(means.argmax())]
                by_readout[name] = Best(float(means.max()), dict(setting), penalty)
    for name, best in by_readout.items():
        for seed in SEEDS:
            best.test.append(_tested(model, model, best, name, seed, x, y, z, truth))
        if isinstance(model, Oscillators) and not model.noise:
            best.noisy = in_noise(model, best, name, x, y, z, truth)
    return by_readout


def in_noise(model: Oscillators, best: Best, name: str, *data: Array) -> list[float]:
    """Accuracies with thermal noise, of readouts that were fitted without it: three
    networks."""
    noisy = replace(model, noise=True)
    return [_tested(model, noisy, best, name, seed, *data) for seed in SEEDS[:3]]


def _tested(
    fitted: Reservoir, tested: Reservoir, best: Best, name: str, seed: int, *data: Array
) -> float:
    x, y, z, truth = data
    train, test = (
        _features(name, [*model.states(best.setting, seed, x, z)][part])
        for part, model in enumerate((fitted, tested))
    )
    [read] = baselines.ridge_classes(train, y, test, [best.penalty])
    return float(np.mean(read == truth))


def _features(name: str, states: Array) -> Array:
    how = READOUTS[name]
    own = torch.from_numpy(states if how.averaged else states[:, -1:])
    values: Array = how.compute(own).flatten(1).double().numpy()
    return np.nan_to_num(values, posinf=0.0, neginf=0.0)


# --- networks that are trained ---


GRU = {"layers": 1, "width": 38, "score_every": 1000}
"""5,064 weights and biases; our oscillators have 5,088 connections."""
GRU_TRIALS = 20
GRU_KEPT = 3
GRU_EPOCHS = (15, 60)


def gru() -> dict[str, Any]:
    """Random settings for few epochs, the best of them for more, the best one by ten
    networks."""
    objective = GruObjective()
    random = stream(0, "benchmark/digits/gru")

    def score(
        setting: Setting, epochs: int, seed: int, protocol: contract.Protocol
    ) -> float:
        values: Any = {**GRU, **setting, "epochs": epochs}
        how: Any = {
            "protocol": protocol,
            "member_seed": seed,
            "on_epoch": lambda progress: None,
        }
        return objective.evaluate(
            GruParams(**values), task=ablation.spec().task_params, **how
        ).score

    every = [
        {
            "lr0": 10 ** random.uniform(-2.7, -1.2),
            "lr_decay": 10 ** random.uniform(0.5, 2.0),
            "batch_size": int(10 ** random.uniform(1.4, 2.0)),
        }
        for _ in range(GRU_TRIALS)
    ]
    for epochs in GRU_EPOCHS:
        scores = [
            score(own, epochs, TUNING[0], contract.Protocol.VALIDATION) for own in every
        ]
        order = np.argsort(scores)[::-1]
        every = [every[k] for k in order[:GRU_KEPT]]
        best = max(scores)
    test = [
        score(every[0], GRU_EPOCHS[-1], seed, contract.Protocol.CONFIRM)
        for seed in SEEDS
    ]
    return {"validation": best, "setting": every[0], "test": test}


READ = {"readout": "x", "readout_points": "last+mean"}
TURNING = {**READ, "f_cut_per_ns": 0.0, "coupling": "antisymmetric", "rotation": 5.0}
ONE = {"layers": 1, "width": 96, "tau_ns": 55.8, "s": 0.083, "density_inter": 0.58}
FINE = {
    **{
        "readout_layers": "all",
        "coupling": "antisymmetric",
        "rotation": 4.5,
        "f_cut_per_ns": 0.0,
    },
    **{
        "tau_ns": 55.8,
        "s": 0.083,
        "weight_gain": 0.1,
        "density_inter": 1.0,
        "density_intra": 0.51,
    },
    **{"lr0": 0.1, "epochs": 60, "max_step_ns": 0.1},
}
"""The best antisymmetric reservoir, in three layers and all trained. Its modes turn by
a radian per point: two steps per point, as the others have, are too few for it."""
TRAINED: Mapping[str, Mapping[str, Any]] = {
    "last": {},
    "last+mean": READ,
    "last+mean, weights averaged": {**READ, "ema_decay": 0.8},
    "last+mean, antisymmetric start": TURNING,
    "last+mean, antisymmetric start, one layer": {
        **TURNING,
        **ONE,
        "density_intra": 0.51,
    },
    "last+mean, antisymmetric start, slowly": {**TURNING, "lr0": 0.015},
    "last+mean, antisymmetric start, slowly, one layer": {
        **TURNING,
        **ONE,
        "density_intra": 0.51,
        "lr0": 0.015,
    },
    "last+mean, all layers": {**READ, "readout_layers": "all"},
    "all layers, antisymmetric start, ten steps per point": FINE,
}
"""Changes of our oscillators, compared on validation parts."""
TESTED = ("last+mean", "all layers, antisymmetric start, ten steps per point")


def trained(name: str, *, test: bool) -> dict[str, Any]:
    """Our oscillators with another readout or training."""
    params = {**ablation.OURS, **TRAINED[name]}
    protocol = contract.Protocol.VALIDATION
    every = [
        ablation.solved(ablation.trained(params, seed, protocol)) for seed in TUNING
    ]
    scores: dict[str, Any] = {"validation": every}
    if test:
        tested = [
            ablation.trained(params, seed, contract.Protocol.CONFIRM) for seed in SEEDS
        ]
        noisy = [statistics.fmean(one.thermal.noisy) for one in tested if one.thermal]
        scores |= {"test": [ablation.solved(one) for one in tested], "noisy": noisy}
        scores["synapses"] = int(tested[0].info["n_synapses"])
    return scores


def measure(say: Say) -> None:
    """Measure all."""
    for name in MODELS:
        reservoir(name, say)
    keep("others", "GRU", gru())
    for name in TRAINED:
        scores = trained(name, test=name in TESTED)
        keep("trained", name, scores)
        say(f"  {name}: {scores}")


def reservoir(name: str, say: Say) -> None:
    """Measure one."""
    by_readout = row(MODELS[name])
    keep("others", name, {read: asdict(best) for read, best in by_readout.items()})
    means = {
        read: round(100 * statistics.fmean(best.test), 1)
        for read, best in by_readout.items()
    }
    say(f"  {name}: {means}")

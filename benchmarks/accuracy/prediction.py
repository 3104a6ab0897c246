"""Prediction of a series: oscillators, a delay line and echo state networks.

Every model has 100 units, or as many taps, and gets the same: as many trials, each a
random setting of its hyper-parameters that two networks are scored for on the
validation part; the features that are read, alone and with their squares; a readout by
ridge regression, with the best penalty of ``RIDGES`` on the validation part; and the
same noise of what is read. The best setting of each column is then scored on the test
part, by networks of fresh seeds.

Oscillators run through 32 windows of the part that trains side by side, which is
faster, and in a test in one run through the part that scores.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hpo import contract, objectives
from hpo.objectives.data.examples import Examples, SeriesSplit
from hpo.objectives.data.tasks.mackey_glass import MackeyGlassParams
from hpo.objectives.data.tasks.narma10 import Narma10Params
from hpo.objectives.data.tasks.series import GeneratedParams
from hpo.objectives.data.windows import windows
from hpo.objectives.hardware.variability import Variability
from hpo.objectives.networks.kernels.chips import IDEAL
from hpo.objectives.networks.readout import Features
from hpo.objectives.networks.simulated_chips import draw_chip, draw_normals
from hpo.objectives.randomness import stream
from hpo.objectives.training.predictor import nrmse, readout_noise
from hpo.objectives.training.ridge import fit, fits
from hpo.objectives.training.solved_equation import finer_steps

Array = NDArray[np.float64]
Setting = Mapping[str, float]

RESULTS = Path(__file__).with_name("prediction.json")
UNITS = 100
TRIALS = 40
SEARCHED = (0, 1)
"""Seeds of the networks of a trial."""
FRESH = tuple(range(1000, 1005))
"""Seeds of those that the best setting is tested by."""
RATES = (1e-4, 1e-3)
TRAINED_FRESH = FRESH[:3]
TRAINING = {
    "trained": "all",
    "epochs": 30,
    "lr_decay": 10.0,
    "batch_size": 8,
    "score_every": 30,
}
RIDGES = tuple(10.0**power for power in range(-12, -1))
NOISES_DB = (None, -60.0, -40.0)
POWERS = (1, 2)
COLUMNS = tuple((powers, noise) for powers in POWERS for noise in NOISES_DB)
"""Powers of what is read, and its noise."""
TASKS: Mapping[str, GeneratedParams] = {
    "narma10": Narma10Params(n_train=10_000),
    "mackey-glass": MackeyGlassParams(n_train=10_000, horizon=20),
}
MAX_STEP_NS = 0.075
WINDOWS = 32
WASHOUT = 250
"""Windows of a part that oscillators run through side by side in a search, and points
before."""
DELAYS = tuple(range(1, 151))
"""Delays in the sum of capacities."""


@dataclass(frozen=True)
class States:
    """What a network reads of its units in the part that trains, and in the one that
    scores."""

    train: Array
    score: Array
    d_train: Array
    """The target there, (points, 1)."""
    d_score: Array

    @classmethod
    def of(cls, split: SeriesSplit, states: Callable[[Examples], Array]) -> States:
        """Those of both parts."""
        d_train, d_score = (
            p.label[0].astype(np.float64) for p in (split.train, split.score)
        )
        return cls(states(split.train), states(split.score), d_train, d_score)


class Model(Protocol):
    """What is searched and tested."""

    seeded: bool
    """Whether networks of one setting differ."""

    def draw(self, random: np.random.Generator) -> Setting:
        """A setting at random."""

    def states(
        self, setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        """Those of a network of that setting, (points, units) each; faster for the
        ``search``."""


def _log(random: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(random.uniform(math.log(low), math.log(high))))


class DelayLine:
    """The last inputs: no network at all."""

    seeded = False

    def draw(self, random: np.random.Generator) -> Setting:
        """So many of them, at most as many as a network has units."""
        return {"taps": round(_log(random, 2, UNITS))}

    def states(
        self, setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        """See ``Model``."""
        taps = int(setting["taps"])

        def of(part: Examples) -> Array:
            u = part.x[0, :, 0].astype(np.float64)
            n = part.label.shape[1]
            u = np.concatenate((np.zeros(taps), u))
            return np.stack(
                [u[len(u) - n - k : len(u) - k] for k in range(taps)], axis=1
            )

        return States.of(split, of)


@dataclass(frozen=True)
class EchoState:
    """Leaky tanh units, H. Jaeger, GMD report 148 (2001); ``orthogonal``: W is r times
    a rotation.

    x(t) = (1 - a) x(t - 1) + a tanh(W x(t - 1) + s w u(t) + b)
    """

    orthogonal: bool = False
    seeded = True

    def draw(self, random: np.random.Generator) -> Setting:
        """Spectral radius r, leak a, and the scales of input and bias."""
        return {
            "radius": float(random.uniform(0.3, 1.0 if self.orthogonal else 1.3)),
            "leak": _log(random, 0.1, 1.0),
            "input_scale": _log(random, 0.01, 3.0),
            "bias": _log(random, 0.01, 1.0),
        }

    def states(
        self, setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        """See ``Model``."""
        random = stream(seed, "echo-state")
        w = random.uniform(-1.0, 1.0, (UNITS, UNITS))
        if self.orthogonal:
            w = np.linalg.qr(w)[0]
        w *= setting["radius"] / np.abs(np.linalg.eigvals(w)).max()
        w_in = setting["input_scale"] * random.uniform(-1.0, 1.0, UNITS)
        bias = setting["bias"] * random.uniform(-1.0, 1.0, UNITS)
        leak = setting["leak"]

        def of(part: Examples) -> Array:
            drive = part.x[0].astype(np.float64) * w_in + bias
            x = np.zeros(UNITS)
            units = np.empty_like(drive)
            for t, own in enumerate(drive):
                x = units[t] = (1.0 - leak) * x + leak * np.tanh(w @ x + own)
            last: Array = units[len(units) - part.label.shape[1] :]
            return last

        return States.of(split, of)


@dataclass(frozen=True)
class Oscillators:
    """Spintronic oscillators in one layer, untrained, with the coupling ``coupling``.

    Their states in the part that scores are those with half the step: a readout that
    lives on errors of the integration fails.
    """

    coupling: str
    noise: bool = False
    """Whether the thermal noise itself is there, in place of its mean effect."""
    seeded = True

    def draw(self, random: np.random.Generator) -> Setting:
        """The space of NARMA10's reservoir (docs/records/variants.sh), without the
        penalty."""
        own = {
            "tau_ns": _log(random, 3.0, 30.0),
            "s": _log(random, 0.03, 3.0),
            "density_inter": float(random.uniform(0.05, 1.0)),
            "density_intra": _log(random, 0.1, 0.5),  # others take longer
        }
        if self.coupling == "antisymmetric":
            return {**own, "rotation": _log(random, 3.0, 20.0)}
        return {**own, "weight_gain": _log(random, 0.1, 30.0)}

    def params(self, setting: Setting, **more: Any) -> Any:
        """Those of a network."""
        fixed: Any = {
            "trained": "readout",
            "layers": 1,
            "width": UNITS,
            "thermal_power": 1e-3,
            "drive_limit": "none",
        }
        fixed |= {
            "f_cut_per_ns": 0.0
        }  # a filter slower than the memory; its mean drifts for long
        fixed |= {
            "max_step_ns": MAX_STEP_NS,
            "coupling": self.coupling,
            "readout_powers": 2,
        }
        return _objective().Params(**{**fixed, **setting, **more})

    def states(
        self, setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        """See ``Model``."""
        network = self.network(setting, seed)
        return states(network, split, search=search, noise=seed if self.noise else None)

    def network(self, setting: Setting, seed: int) -> Any:
        """One member."""
        return _objective().network(self.params(setting), [seed], channels=1, outputs=1)


@cache
def _objective() -> Any:
    return objectives.load("spintronic-prediction")


def states(
    network: Any, split: SeriesSplit, *, search: bool = False, noise: int | None = None
) -> States:
    """What is read of the oscillators of a network; see ``Oscillators``.

    Windows of the part that trains run side by side, each from rest through ``WASHOUT``
    points, which is faster; in a ``search``, those of the part that scores, too.
    ``noise``: seed of the thermal noise, which makes neurons jump once per point.
    """

    def of(part: Examples, in_windows: bool) -> tuple[Array, Array]:
        if in_windows:
            length = (part.x.shape[1] - WASHOUT) // WINDOWS
            part = windows(part, length=length, washout=WASHOUT)
        chip = IDEAL
        n_points = part.x.shape[1]
        if noise is not None:
            own: Any = {"number": f"{in_windows}, {n_points}", "network": network}
            normals = draw_normals(noise, n_jumps=n_points, **own)
            chip = draw_chip(
                Variability(), noise, normals=normals, jumps_per_point=1, **own
            )
        with torch.no_grad():
            read = network.outputs(torch.from_numpy(part.x), part.label.shape[1], chip)
        values: Array = read[0].flatten(0, 1).double().numpy()
        return values, part.label.reshape(-1, part.label.shape[-1]).astype(np.float64)

    train, d_train = of(split.train, True)
    with finer_steps(network, 2 * network.physics.n_steps):
        score, d_score = of(split.score, search)
    return States(train, score, d_train, d_score)


MODELS: Mapping[str, Model] = {
    "delay line": DelayLine(),
    "ESN": EchoState(),
    "ESN, orthogonal": EchoState(orthogonal=True),
    "oscillators, random": Oscillators("random"),
    "oscillators, antisymmetric": Oscillators("antisymmetric"),
    "oscillators, thermal noise": Oscillators("antisymmetric", noise=True),
}


# --- readouts ---


def features(
    read: Array, powers: int, noise_db: float | None, seed: int, name: str
) -> Array:
    """The features of what is read, with its noise."""
    values = torch.from_numpy(read)
    if noise_db is not None:
        values = readout_noise(values, noise_db=noise_db, seed=seed, name=name)
    computed: Array = Features(powers=powers).compute(values).numpy()
    return computed


def errors(own: States, column: tuple[int, float | None], seed: int) -> Iterator[float]:
    """The NRMSE with each of ``RIDGES``."""
    train, score = (
        features(read, *column, seed, name)
        for read, name in ((own.train, "train"), (own.score, "score"))
    )
    for weights, bias in fits(train, own.d_train, RIDGES):
        yield nrmse(score @ weights.T + bias, own.d_score)


@dataclass
class Best:
    """The best of the trials in one column, and its test."""

    validation: float = math.inf
    setting: dict[str, float] = field(default_factory=dict)
    ridge: float = math.nan
    test: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Of the networks of the test."""
        return statistics.fmean(self.test)

    @property
    def deviation(self) -> float | None:
        """Between them."""
        return statistics.stdev(self.test) if len(self.test) > 1 else None


Row = dict[str, Best]
"""The best of each column, by ``named``."""


def named(column: tuple[int, float | None]) -> str:
    """A column as it is kept."""
    powers, noise_db = column
    return f"{powers}, {'none' if noise_db is None else f'{noise_db:.0f} dB'}"


class StatesOf(Protocol):
    """As ``Model.states``."""

    def __call__(
        self, setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        """Those of a network."""


def row(model: Model, task: str, say: Callable[[str], None]) -> Row:
    """Search and test one model on one task."""
    random = stream(0, f"benchmark/{task}")
    settings = [model.draw(random) for _ in range(TRIALS)]
    n = None if model.seeded else 1
    return tested(model.states, settings, task, SEARCHED[:n], FRESH[:n], say)


def tested(
    own: StatesOf,
    settings: list[Setting],
    task: str,
    searched: tuple[int, ...],
    fresh: tuple[int, ...],
    say: Callable[[str], None],
) -> Row:
    """The best of some settings by seeds that are searched, tested by fresh ones."""
    load = TASKS[task].load
    split = load(protocol=contract.Protocol.VALIDATION)
    bests = {named(column): Best() for column in COLUMNS}
    for setting in settings:
        every = [own(setting, seed, split, search=True) for seed in searched]
        for column in COLUMNS:
            scores = [
                list(errors(o, column, s)) for o, s in zip(every, searched, strict=True)
            ]
            means = [statistics.fmean(own) for own in zip(*scores, strict=True)]
            best = bests[named(column)]
            error = min(means)
            if error < best.validation:
                ridge = RIDGES[means.index(error)]
                bests[named(column)] = Best(error, dict(setting), ridge)
        say(
            f"    {task}: "
            + ", ".join(f"{best.validation:.3f}" for best in bests.values())
        )
    split = load(protocol=contract.Protocol.CONFIRM)
    for setting in {
        json.dumps(best.setting): best.setting for best in bests.values()
    }.values():
        for seed in fresh:
            read = own(setting, seed, split)
            for column in COLUMNS:
                if (best := bests[named(column)]).setting == setting:
                    by_ridge = list(errors(read, column, seed))
                    best.test.append(by_ridge[RIDGES.index(best.ridge)])
    return bests


def trained_row(start: Best, task: str, say: Callable[[str], None]) -> Row:
    """Networks trained by backpropagation through time from a reservoir's setting and
    penalty.

    Of ``RATES`` the best one is taken for every column, by the error with squares and
    no noise.
    """
    model = Oscillators("antisymmetric")
    kept: dict[tuple[str, int], States] = {}

    def own(
        setting: Setting, seed: int, split: SeriesSplit, *, search: bool = False
    ) -> States:
        if (pair := kept.get((json.dumps(setting), seed))) is not None:
            return pair
        params = model.params(setting, ridge=max(start.ridge, 1e-7), **TRAINING)
        protocol = (
            contract.Protocol.SEARCH_ON_TEST
            if seed in FRESH
            else contract.Protocol.VALIDATION
        )
        member = _objective().member(
            params, task=TASKS[task], protocol=protocol, member_seed=seed
        )
        outcome = member.train(lambda progress: None)
        losses = outcome.loss_curve
        say(
            f"    lr0 {setting['lr0']:.2g}, seed {seed}: loss {losses[0]:.4f} ..."
            f" {losses[-1]:.4f}"
        )
        pair = kept[json.dumps(setting), seed] = states(member.network, split)
        return pair

    split = TASKS[task].load(protocol=contract.Protocol.VALIDATION)
    settings: list[Setting] = [{**start.setting, "lr0": rate} for rate in RATES]
    by_rate = [min(errors(own(one, 0, split), (2, None), 0)) for one in settings]
    say(f"    {task}: {by_rate}")
    return tested(
        own, [settings[int(np.argmin(by_rate))]], task, SEARCHED[:1], TRAINED_FRESH, say
    )


# --- linear memory ---


def memory_capacity(own: States, ridge: float) -> float:
    """Linear memory capacity: the sum over delays k of r_k², H. Jaeger, GMD report 152
    (2001).

    r_k is the correlation between u(t - k) and the best linear readout of the state
    after u(t), by ridge regression on the part that trains, for points of the part that
    scores. The input must be independent from point to point; the targets are u(t - k),
    (points, delays).
    """
    weights, bias = fit(own.train, own.d_train, ridge)
    output = own.score @ weights.T + bias
    target = own.d_score
    with np.errstate(invalid="ignore"):
        covariance = ((output - output.mean(0)) * (target - target.mean(0))).mean(0)
        squared = (covariance / (output.std(0) * target.std(0))) ** 2
    return float(np.nan_to_num(squared).sum())


def capacity(
    model: Model, setting: Setting, seed: int, noise_db: float | None
) -> float:
    """The linear memory capacity of a network: with the penalty that gives the largest
    one."""
    task = Narma10Params(n_train=7_000, n_test=3_000, washout=200)
    split = task.load(protocol=contract.Protocol.CONFIRM)

    def delayed(part: Examples) -> Examples:
        u = part.x[0, :, 0]
        n = part.label.shape[1]
        label = np.stack([u[len(u) - n - k : len(u) - k] for k in DELAYS], axis=1)
        return Examples(x=part.x, label=label[None])

    split = replace(split, train=delayed(split.train), score=delayed(split.score))
    own = model.states(setting, seed, split, search=True)
    train = features(own.train, 1, noise_db, seed, "train")
    score = features(own.score, 1, noise_db, seed, "score")
    own = replace(own, train=train, score=score)
    return max(memory_capacity(own, ridge) for ridge in RIDGES[::2])


ROTATIONS = (2.0, 6.0, 10.0, 16.0, 24.0)
GAINS = (1.0, 10.0)
TAUS_NS = (10.0, 30.0)
MEMORY = {"s": 0.1, "density_inter": 1.0, "density_intra": 0.5}
MEMORY_SEEDS = FRESH[:2]


def memory(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Capacities against rotation; of a random coupling against its gain; of the best
    settings."""
    antisymmetric = "oscillators, antisymmetric"
    random = "oscillators, random"
    grid: list[tuple[str, str, Setting]] = []
    for tau in TAUS_NS:
        own = {**MEMORY, "tau_ns": tau}
        grid += [
            (antisymmetric, "rotation", {**own, "rotation": value})
            for value in ROTATIONS
        ]
        grid += [
            (random, "weight_gain", {**own, "weight_gain": value}) for value in GAINS
        ]
    kept = read()["narma10"]
    grid += [
        (name, "", kept[name]["1, none"]["setting"]) for name in MODELS if name in kept
    ]
    rows = []
    for name, varied, setting in grid:
        for noise_db in (None, -40.0):
            seeds = MEMORY_SEEDS if MODELS[name].seeded else MEMORY_SEEDS[:1]
            values = [capacity(MODELS[name], setting, seed, noise_db) for seed in seeds]
            facts: dict[str, Any] = {
                "model": name,
                "varied": varied,
                "noise_db": noise_db,
            }
            facts |= {"setting": dict(setting), "capacity": values}
            rows.append(facts)
        say(f"    {name}: {varied} {setting.get(varied)}: {values}")
    return rows


# --- all of it ---


def read() -> dict[str, Any]:
    """Return the measurements so far."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return kept


def keep(section: str, value: Any) -> None:
    """Write a part of it."""
    kept = read() if RESULTS.exists() else {}
    text = json.dumps({**kept, section: value}, indent=1) + "\n"
    RESULTS.write_text(text, encoding="utf-8")

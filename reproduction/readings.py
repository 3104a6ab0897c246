"""What the paper leaves open, read in other ways: each way is a set of studies of its
own.

The plain reading is that of the figures. ``OTHERS`` change one thing each, or the two
that go together; ``COMBINED`` change several at once. Each measures the points by which
the claims are judged.

Four choices that one loop in PyTorch settles at once (the cut-off, the readout, the
step and the limit of the drive) are crossed: with the readings that change one of them,
``COMBINED`` are a fractional factorial of eight out of sixteen (defining relation
I = -ABCD), so a main effect is not mixed with the interaction of two choices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import qmc

from hpo.study.dimensions import Curve
from hpo.study.tables import ParamValue

TAU_NS = 14.12
LR0 = 0.149
DENSITY = 0.5
F_CUT_PER_NS = 0.1
"""The paper's optimum, and the cut-off that it does not give."""
TIMES_NS = (0.1, 0.25, 0.4, 0.63, 1.0, 1.6, 2.5, 4.0)
"""Input time scales of a reading's curve of Fig. 2(b)."""
SHIFT_TIMES_NS = (0.25, 0.63, 1.0, 1.6, 4.0)
"""The same of its curves of Fig. 3(a, b), besides the one of the optimum."""
DENSITIES = ((1.0, 0.0), (1.0, 0.1), (1.0, 1.0), (0.2, 1.0), (0.2, 0.2))
"""Between and within layers: the points of Fig. 4 that claims are about, besides the
optimum."""
MORE_DENSITIES = (0.1, 0.35, 0.75)
"""Of all connections, to tell where the optimum is."""
SPLITS = (1, 2)
"""Of the images, besides split 0: there the point at 1 ns is measured, too."""
N_SEEDS = 10
FEW = 3
"""Networks per point where a reading is only looked at."""
N_BROAD = 1
"""Networks per point, and of the broad set."""
N_OUTER = (3, 10)
"""Networks per point of the outer curves of Fig. 3(a, b): fewest, and where it matters,
that is, where the accuracy and the maximum at 1 ns hold, so that it is for them to
decide whether all does.
"""
FIXED: Mapping[str, ParamValue] = {
    "layers": 3,
    "width": 32,
    "batch_size": 120,
    "integrator": "exponential-ab3",
    "max_step_ns": 0.5,
    "steps_per_point": 1,
    "lr_decay": 8.077,
    "s": 0.5,
    "f_cut_per_ns": F_CUT_PER_NS,
    "thermal_power": 0.0,
    "drive_limit": "none",
}
"""Of the study files, with the paper's equation: no thermal power, no limit."""
PAPERS = "spintronic"
OTHER_NETWORKS = "reproduction.objective:OtherNetworks"
"""The objective of what ``spintronic`` has no parameter for."""
TIED = "f_cut 0.1/Δt"
READOUT = "readout of x"
MAP = "one step per point"
LIMITED = "drive of 0 to 3 γ"
CROSSED = (TIED, READOUT, MAP, LIMITED)
"""The choices that are crossed."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way of reading what is open."""

    name: str
    title: str
    why: str
    """Why the paper can be read so."""
    chosen: tuple[str, ...] = ()
    """The crossed choices that it takes, of ``CROSSED``."""
    objective: str = PAPERS
    changes: Mapping[str, ParamValue] = field(default_factory=dict)
    """Parameters that are others than in the figures."""
    epochs: int = 60
    tau_ratio: float = 1.0
    """τ of the paper over ``tau_ns``: the literal Eq. (1) relaxes twice as fast."""
    f_cut_times_dt: float | None = None
    """The cut-off times Δt, where the two are tied."""
    n_networks: int = N_SEEDS
    """Per point, but of the outer curves and of the broad set."""
    matters: bool = False
    """Whether the outer curves have as many networks as the others."""
    as_a_map: bool = False
    """Whether it is scored with the step of its training, not on the solved
    equation."""

    @property
    def tau_ns(self) -> float:
        """The optimum's relaxation time, in the terms of Eq. (2)."""
        return TAU_NS / self.tau_ratio

    def f_cut_per_ns(self, point_ns: float) -> float:
        """Cut-off of the filter."""
        if self.f_cut_times_dt is not None:
            return self.f_cut_times_dt / point_ns
        return float(self.changes.get("f_cut_per_ns", F_CUT_PER_NS))


PLAIN = Reading(
    name="plain", title="our default", why="the plain reading, that of the figures"
)
CONTROL = Reading(
    name="control",
    title="our default, fewer networks",
    why="the plain reading again, with as few points and networks as the others",
)
ONE_STEP: Mapping[str, ParamValue] = {"integrator": "exponential", "max_step_ns": 1e4}
"""Of a point, whatever its length."""


def _limit(bound: int) -> dict[str, ParamValue]:
    """Return the parameters of a drive between 0 and ``bound`` γ."""
    return {"drive_limit": "smooth", "drive_low": 0.0, "drive_high": float(bound)}


LIMITS = tuple(
    Reading(
        name=f"limit-{bound}",
        title=f"drive of 0 to {bound} γ",
        why=(
            "the paper's equation has no bound; published devices were driven with one"
            " sign, up to 2.3 γ"
        ),
        changes=_limit(bound),
        n_networks=n,
        chosen=(LIMITED,) if bound == 3 else (),
    )
    for bound, n in ((5, 3), (3, 5))
)
"""With currents that exist, or nearly."""
OTHERS = (
    Reading(
        name="f-cut-0.02",
        title="f_cut 0.02/ns",
        why="the cut-off is not given",
        changes={"f_cut_per_ns": 0.02},
    ),
    Reading(
        name="f-cut-0.05",
        title="f_cut 0.05/ns",
        why="the cut-off is not given",
        changes={"f_cut_per_ns": 0.05},
    ),
    Reading(
        name="f-cut-tied",
        title="f_cut 0.1/Δt",
        why=(
            "a filter discretised with the time Δt between two points has a cut-off in"
            " 1/Δt"
        ),
        f_cut_times_dt=0.1,
        matters=True,
        chosen=(TIED,),
    ),
    Reading(
        name="literal",
        title="Eq. (1) with its factor 2",
        why="Eq. (2) drops the factor 2 of Eq. (1): γ and I are twice as large",
        changes={"s": 1.0},
        tau_ratio=2.0,
    ),
    Reading(
        name="literal-0.05",
        title="factor 2, f_cut 0.05/ns",
        why=(
            "the same, with the cut-off at which its one-step map agreed best: chosen"
            " by outcome"
        ),
        changes={"s": 1.0, "f_cut_per_ns": 0.05},
        tau_ratio=2.0,
        matters=True,
    ),
    Reading(
        name="readout-x",
        title="readout of x, unfiltered",
        why="the paper has filters between layers, and nothing follows the last layer",
        changes={"readout": "x"},
        matters=True,
        chosen=(READOUT,),
    ),
    Reading(
        name="map",
        title="one step per point",
        why=(
            "an explicit loop over the points; the networks are maps, and scored as"
            " such"
        ),
        changes=ONE_STEP,
        matters=True,
        as_a_map=True,
        chosen=(MAP,),
    ),
    Reading(
        name="start",
        title="x starts at 0.1",
        why="the state is reset after every image; the paper does not say to what",
        changes={"start": 0.2},
    ),
    Reading(
        name="weights",
        title="initial weights × 10",
        why=(
            "their distribution is not given; those between and within layers spread as"
            " standard normal numbers do"
        ),
        changes={"weight_gain": 10.0},
        matters=True,
    ),
    Reading(
        name="epochs",
        title="120 epochs",
        why="the number of epochs is not given",
        epochs=120,
        matters=True,
    ),
    *(
        Reading(
            name=f"thermal-{power:.0e}".replace("e-0", "e-"),
            title=f"thermal power {power:g}",
            why="the paper's oscillators have none; real ones have about 1e-3",
            changes={
                "thermal_power": power,
                "thermal_training": "mean",
                "thermal_span": 1.0,
            },
        )
        for power in (1e-4, 1e-3, 1e-2)
    ),
    *LIMITS,
    Reading(
        name="decay",
        title="learning-rate decay × 8",
        why=(
            "n_epoch may count weight updates, eight per epoch; our default counts"
            " epochs"
        ),
        changes={"lr_decay": 8.077 / 8},
    ),
    Reading(
        name="raw-pixels",
        title="input from 0 to 16",
        why="the pixels of the data set are from 0 to 16; their scale is not given",
        objective=OTHER_NETWORKS,
        changes={"input_gain": 16.0},
        n_networks=FEW,
    ),
    Reading(
        name="one-mask",
        title="one mask for all seeds",
        why="the ten runs differ in the initialisation of trainable parameters",
        objective=OTHER_NETWORKS,
        changes={"mask_seed": 0},
        n_networks=FEW,
    ),
    Reading(
        name="readout-s",
        title="readout amplified by S",
        why="Fig. 1 has an amplification before the SoftMax, too",
        objective=OTHER_NETWORKS,
        changes={"readout_gain": 0.5},
        n_networks=FEW,
    ),
)
"""With one choice that is another, or the two that go together."""
COMBINED = (
    Reading(
        name="loop",
        title="plain PyTorch loop",
        why=(
            "a loop over the points filters with 0.1/Δt, reads x, and makes one step"
            " per point"
        ),
        changes={"readout": "x", **ONE_STEP},
        f_cut_times_dt=0.1,
        n_networks=5,
        as_a_map=True,
        chosen=(TIED, READOUT, MAP),
    ),
    Reading(
        name="tied-map-limit-3",
        title="0.1/Δt, one step, 0 to 3 γ",
        why="several choices at once",
        changes={**ONE_STEP, **_limit(3)},
        f_cut_times_dt=0.1,
        n_networks=FEW,
        as_a_map=True,
        chosen=(TIED, MAP, LIMITED),
    ),
    Reading(
        name="x-map-limit-3",
        title="readout of x, one step, 0 to 3 γ",
        why="several choices at once",
        changes={"readout": "x", **ONE_STEP, **_limit(3)},
        n_networks=FEW,
        as_a_map=True,
        chosen=(READOUT, MAP, LIMITED),
    ),
    Reading(
        name="tied-x-limit-3",
        title="0.1/Δt, readout of x, 0 to 3 γ",
        why="several choices at once",
        changes={"readout": "x", **_limit(3)},
        f_cut_times_dt=0.1,
        n_networks=FEW,
        chosen=(TIED, READOUT, LIMITED),
    ),
)
"""With three of the crossed choices at once."""

ALL = (PLAIN, CONTROL, *OTHERS, *COMBINED)
PARTS = {
    "": "curve of Fig. 2 (b), points of Fig. 4",
    "-shifts": "outer curves of Fig. 3 (a, b)",
    "-broad": "broad set",
    "-densities": "more densities",
    "-split1": "other splits",
}
"""The studies of a reading by the end of their names, in words."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A study of a reading: what makes it out of the file ``fig2b``."""

    name: str
    overrides: tuple[str, ...]
    split: int = 0
    is_broad: bool = False


def parts(reading: Reading) -> list[Part]:
    """The studies of a reading.

    The first has the curve of Fig. 2(b), and points of Fig. 4; ``-shifts`` the outer
    curves of Fig. 3(a, b), ``-broad`` a broad set, as Fig. 3(c) has, ``-densities``
    more points of Fig. 4, and ``-split1`` and ``-split2`` the point at 1 ns.
    """
    name = f"reading-{reading.name}"
    densities = [
        _point(reading, 1.0, density_inter=inter, density_intra=intra)
        for inter, intra in DENSITIES
    ]
    outer = [{"tau_ns": factor * reading.tau_ns} for factor in (0.25, 4.0)]
    outer += [{"lr0": factor * LR0} for factor in (0.2, 5.0)]
    points = {
        "": [*(_point(reading, point_ns) for point_ns in TIMES_NS), *densities],
        "-shifts": [
            _point(reading, point_ns, **other)
            for other in outer
            for point_ns in SHIFT_TIMES_NS
        ],
        "-broad": [_point(reading, **values) for values in _broad_set(reading)],
        "-densities": [
            _point(reading, 1.0, density_inter=density, density_intra=density)
            for density in MORE_DENSITIES
        ],
    }
    members = {
        "": reading.n_networks,
        "-densities": reading.n_networks,
        "-shifts": N_OUTER[reading.matters],
        "-broad": N_BROAD,
    }
    found = [
        Part(
            name=name + end,
            overrides=_overrides(reading, own, members=members[end]),
            is_broad=end == "-broad",
        )
        for end, own in points.items()
    ]
    point = [_point(reading, 1.0)]
    alone = _overrides(reading, point, members=reading.n_networks)
    return found + [
        Part(
            name=f"{name}-split{split}",
            overrides=(f"task.split_seed={split}", *alone),
            split=split,
        )
        for split in SPLITS
    ]


def _point(reading: Reading, point_ns: float, **others: float) -> dict[str, float]:
    """The paper's optimum in terms of a reading, but for what is given."""
    return {
        "point_ns": point_ns,
        "tau_ns": reading.tau_ns,
        "lr0": LR0,
        "s": float(reading.changes.get("s", 0.5)),
        "density_inter": DENSITY,
        "density_intra": DENSITY,
        "f_cut_per_ns": reading.f_cut_per_ns(point_ns),
        **others,
    }


def _broad_set(reading: Reading) -> list[dict[str, float]]:
    """Half as many points as Fig. 3(c), within the bounds of its study file."""
    unit = qmc.Sobol(4, seed=0).random(32)
    lows = (0.05, 0.1, 0.003, 0.05)
    highs = (5.0, 100.0, 1.0, 5.0)
    points = np.exp(qmc.scale(unit, np.log(lows), np.log(highs))).tolist()
    factors = (1.0, 1.0 / reading.tau_ratio, 1.0, reading.tau_ratio)
    names = ("point_ns", "tau_ns", "lr0", "s")
    return [
        {
            n: float(f"{f * x:.4g}")
            for n, f, x in zip(names, factors, point, strict=True)
        }
        for point in points
    ]


def _overrides(
    reading: Reading, points: Sequence[Mapping[str, float]], *, members: int
) -> tuple[str, ...]:
    """Every point is a curve of its own, for what goes with it; those that take longest
    first."""
    varied = points[0].keys()
    kept = {n: v for n, v in {**FIXED, **reading.changes}.items() if n not in varied}
    curves = [
        Curve(
            label=str(number),
            x="point_ns",
            values=(point["point_ns"],),
            fixed={name: value for name, value in point.items() if name != "point_ns"},
        )
        for number, point in enumerate(sorted(points, key=lambda p: -p["point_ns"]))
    ]
    other = (f"objective={reading.objective}",) if reading.objective != PAPERS else ()
    return (
        *other,
        f"budget.epochs={reading.epochs}",
        f"budget.seeds={members}",
        f"fixed={_inline(kept)}",
        curves_override(curves),
    )


def curves_override(curves: Iterable[Curve]) -> str:
    """The override that gives a study these curves."""
    tables = (curve.model_dump(mode="json", exclude_defaults=True) for curve in curves)
    return f"sweep.curves={_inline(list(tables))}"


def _inline(value: object) -> str:
    """A value as TOML has it on one line; numbers, texts and lists are written as in
    JSON."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{name}={_inline(v)}" for name, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)

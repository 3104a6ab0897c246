"""Six small studies, one of each kind; ``tests/golden`` holds what every view says of
them.

No digit depends on the processor. TPE weighs alternatives by sums, and their last bits
do depend on it. So TPE gets no whole numbers here, since some of them would weigh the
same.
"""

from __future__ import annotations

from typing import Any

from workers import toy_spec

from hpo.study.file import validate
from hpo.study.spec import StudySpec

NUMBERS: dict[str, Any] = {
    "x": {"low": 0.0, "high": 1.0},
    "rate_per_ns": {"low": 1e-3, "high": 10.0, "log": True},
    "colour": {"choices": ["red", "green"]},
}
STEPS: dict[str, Any] = {
    "x": {"low": 0.0, "high": 1.0, "step": 0.05},
    "k": {"low": 1, "high": 8},
    "colour": {"choices": ["red", "green"]},
}
REPORTED: dict[str, Any] = {
    **{"score": 0.68, "std": 0.02, "n": 10, "source": "a toy paper"},
    "params": {"x": 0.5, "k": 4, "colour": "red"},
}
COSTLY = "costly_objective:CostlyObjective"
COSTS = ["energy_pj", "n_synapses"]
CURVES = [
    {"label": f"k = {k}", "x": "x", "values": [0.1, 0.3, 0.9], "fixed": {"k": k}}
    for k in (2, 5)
]

STUDIES: dict[str, dict[str, Any]] = {
    "search": {
        "description": "A toy learns to tell nothing from nothing.",
        "objective": "toy_objective:ToyBesideObjective",
        "space": NUMBERS,
        "reported": REPORTED,
    },
    "replicated": {
        "objective": "toy_objective:ToyLuckyObjective",
        "budget": {"trials": 36, "seeds": 5},
        "space": NUMBERS,
        "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 7},
        "stop": {"max_epochs": 400},
        "confirm": {"top": 1, "seeds": 2},
    },
    "front": {
        "objective": COSTLY,
        "space": STEPS,
        "sampler": {"name": "nsga2", "population_size": 6},
        "cost": {"name": COSTS},
        "reported": {
            **REPORTED,
            "cost": {"energy_pj": 1.5},
            "cost_here": {"energy_pj": 1.4},
        },
        "confirm": {"top": 3, "seeds": 2},
    },
    "sweep": {
        "budget": {"trials": None, "window": None, "seeds": 3, "epochs": 3},
        **dict.fromkeys(["space", "sampler", "pruner", "confirm"]),
        "sweep": {"curves": CURVES},
        "figure": {
            **{"kind": "curves", "title": "Toys", "marks": [0.3]},
            "reference": [{"label": "a toy paper", "x": [0.1, 0.3], "y": [0.4, 0.5]}],
        },
    },
    "constrained": {
        "objective": COSTLY,
        "budget": {"trials": 40, "score_every": 2},
        "space": {
            **NUMBERS,
            "rate_per_ns": {**NUMBERS["rate_per_ns"], "when": {"colour": "green"}},
        },
        "pruner": {
            "name": "successive-halving",
            "min_resource": 2,
            "reduction_factor": 2,
        },
        "constraints": {"energy_pj": 2.0},
        "stop": {"patience": 12},
        "warm_start": {"points": [{"x": 0.5, "colour": "green"}]},
    },
    "chips": {
        "objective": "chips_objective:ChipsObjective",
        "budget": {"trials": 16},
        "space": STEPS,
        "sampler": {"name": "random"},
        "fixed": {"noise_drop": 0.05, "drop": 0.02},
        "variability": {"spread": 0.2, "draws": 5},
        "stop": {"target": 0.74},
        "confirm": {"top": 2, "seeds": 3, "yield_above": 0.7},
    },
}
"""Names, and the tables in which each differs from ``toy_spec``; None: without that
table."""


NETWORKS: dict[str, Any] = {
    "objective": "spintronic",
    "budget": {"trials": 16, "window": 3, "seeds": 1, "epochs": 2},
    "fixed": {
        "integrator": "exponential",
        "max_step_ns": 1.0,
        "steps_per_point": 1,
        "lr0": 0.2,
    },
    "space": {
        "layers": {"low": 1, "high": 2},
        "width": {"low": 3, "high": 6, "per_layer": True},
        "tau_ns": {"low": 1.0, "high": 100.0, "log": True, "per_layer": True},
        "density_inter": {"low": 0.4, "high": 1.0, "when": {"layers": 2}},
    },
    "sampler": {"name": "kriging-believer", "n_startup_trials": 5},
    "constraints": {"n_synapses": 150},
    "confirm": {"top": 1, "seeds": 2, "epochs": 1},
    "warm_start": {"points": [{"layers": 2, "tau_ns": 14.12, "width": [5, 4]}]},
}
"""Real networks, searched layer by layer and some parameters in some trials alone:
their last digits are those of a processor."""


def clock_spec(name: str, **fixed: Any) -> StudySpec:
    """A study whose trials see one another by the virtual clock."""
    tables = STUDIES["constrained"]
    budget = {**tables["budget"], "seeds": 3, "clock": True}
    return toy_spec(name, **{**tables, "budget": budget, "fixed": fixed})


def networks_spec(name: str) -> StudySpec:
    """A study of real networks."""
    return validate({"name": name, **NETWORKS}, where="test")


def golden_spec(kind: str, name: str | None = None, **fixed: Any) -> StudySpec:
    """One of them, under a name of its own or another, with more values in
    ``[fixed]``."""
    tables = STUDIES[kind]
    return toy_spec(
        name or kind, **{**tables, "fixed": {**tables.get("fixed", {}), **fixed}}
    )

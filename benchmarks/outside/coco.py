"""COCO's suites of test functions: bbob, bbob-noisy and bbob-mixint.

Hansen, Auger, Ros, Mersmann, Tušar and Brockhoff, "COCO: a platform for comparing
continuous optimizers in a black-box setting", 2021. A name is
``bbob/FUNCTION/DIMENSION/INSTANCE``.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import BaseTrial

from benchmarks.outside.problem import Params, Problem, Space, load_package, suggest

PACKAGE = "coco-experiment"
_TWINS = {101: 1, 104: 8, 107: 1, 110: 8, 113: 7, 119: 14, 122: 17, 128: 21}
"""The first of three functions with noise (Gaussian, uniform, Cauchy's), and the
function of bbob that it is without."""
SEVERE = [n + k for n in (107, 113, 119, 128) for k in range(3)]
"""Four functions with severe noise, of each kind."""
MIXED = list(range(1, 25, 2))
DIMENSION = 5


def list_problems(suite: str, dimension: int = DIMENSION) -> list[str]:
    """Return the problems of a suite that are measured: 24, or twelve."""
    functions = {"bbob": list(range(1, 25)), "bbob-noisy": SEVERE}
    own = functions.get(suite, MIXED)
    return [f"{suite}/{function}/{dimension}/1" for function in own]


def load(name: str) -> Problem:
    """Return a problem by its name.

    The truth of a noisy one is its twin's without noise.

    Raises:
        MissingError: COCO is not installed.
    """
    suite, *numbers = name.split("/")
    function, dimension, instance = map(int, numbers)
    noisy = _problem(suite, function, dimension, instance)
    exact = noisy
    if suite == "bbob-noisy":
        first = function - (function - 101) % 3
        exact = _problem("bbob", _TWINS[first], dimension, instance)
    space = _space(noisy)

    def objective(trial: BaseTrial) -> float:
        return float(noisy(_point(suggest(trial, space))))

    def true(params: Params) -> float:
        return float(exact(_point({name: params[name] for name in space})))

    return Problem(
        name=name,
        space=space,
        objective=objective,
        true=true,
        metric="value",
        maximize=False,
        scatters=suite == "bbob-noisy",
        optimum=float(exact(_best_point(exact))),
    )


def _problem(suite: str, function: int, dimension: int, instance: int) -> Any:
    cocoex = load_package("cocoex", PACKAGE)
    problems = cocoex.Suite(suite, "", f"dimensions:{dimension}")
    return problems.get_problem_by_function_dimension_instance(
        function, dimension, instance
    )


def _space(problem: Any) -> Space:
    """The first parameters of bbob-mixint are whole numbers."""
    space: Space = {}
    ends = zip(problem.lower_bounds, problem.upper_bounds, strict=True)
    for place, (low, high) in enumerate(ends):
        kind = int if place < problem.number_of_integer_variables else float
        space[f"x{place:02}"] = {"low": kind(low), "high": kind(high)}
    return space


def _point(params: Params) -> NDArray[np.float64]:
    return np.array(list(params.values()), dtype=np.float64)


def _best_point(problem: Any) -> NDArray[np.float64]:
    """COCO tells the best point by a file in the working directory alone."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        (written,) = Path(folder).iterdir()
        return np.loadtxt(written)

"""Elementary functions of the kernels against float64, on dense grids and where they end."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from hpo.objectives.networks.kernels import elementary, simd
from hpo.objectives.networks.kernels.simd import load, store

Singles = NDArray[np.float32]
N, LANES = 1 << 16, 16
INF, NAN = math.inf, math.nan
_jit: Any = numba.njit


def linear(low: float, high: float) -> Singles:
    return np.linspace(low, high, N, dtype=np.float32)


def geometric(low: float, high: float) -> Singles:
    return np.geomspace(low, high, N, dtype=np.float32)


QUARTERS = (np.arange(N) * (math.pi / 2)).astype(np.float32)  # a sine or a cosine is next to 0
ANGLES = [linear(-10, 10), linear(1e3, 1e4), linear(9e5, 1e6), QUARTERS]
FAR = [linear(1e6, 2**22 - 1)]
BY_HAND = {
    "sigmoid": (elementary.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "x^2.25": (lambda x: elementary.power(x, np.float32(2.25)), lambda x: x**2.25),
}
ENDS = {
    "exp": {-INF: 0, -1e9: 0, -87.34: 0, 0: 1, 88.73: INF, 1e9: INF, INF: INF},
    "log": {-INF: NAN, -1: NAN, 0: -INF, 1e-39: -INF, 1: 0, INF: INF},
    "sin": {INF: NAN, 1e9: NAN, 0: 0},
    "cos": {-INF: NAN, -1e9: NAN, 0: 1},
    "tanh": {-INF: -1, -1e30: -1, 0: 0, 1e3: 1, INF: 1},
    "sigmoid": {-INF: 0, -1e9: 0, 0: 0.5, 1e9: 1, INF: 1},
    "x^2.25": {-1: NAN, 0: 0, INF: INF},
}


@pytest.mark.parametrize(
    ("name", "ulp", "grids"),
    [
        ("exp", 1, [linear(-87.33, 88.72), linear(-1, 1)]),
        ("log", 1, [geometric(1.2e-38, 3.4e38), linear(0.5, 2), linear(0.99, 1.01)]),
        ("sin", 2, [*ANGLES, geometric(1e-37, 1)]),
        ("cos", 2, ANGLES),
        ("sin", 100, FAR),
        ("cos", 100, FAR),
        ("tanh", 3, [linear(-12, 12), geometric(1e-37, 1)]),
        ("sigmoid", 2.5, [linear(-87, 20), linear(-1, 1)]),
        ("x^2.25", 54, [geometric(1e-6, 1e6)]),
    ],
)
def test_functions_are_good_to_a_few_ulp_and_sane_at_their_ends(
    name: str, ulp: float, grids: list[Singles]
) -> None:
    """On lanes; of one number they are the same."""
    ends = ENDS[name]
    function, exact = BY_HAND.get(name) or (getattr(elementary, name), getattr(np, name))
    function = function if name in vars(elementary) else _jit(function)

    @_jit
    def own(x: Any, found: Any) -> Any:
        for i in range(0, len(x), LANES):
            store(found, i, function(load(x, i, LANES)))
        return function(x[1])

    for grid in grids:
        found, wanted = np.empty_like(grid), exact(grid.astype(float))
        assert own(grid, found) == found[1]
        spacing = np.spacing(np.abs(wanted).astype(np.float32)).astype(float)
        assert (np.abs(found - wanted) / spacing).max() < ulp
    beyond, found = np.full((2, LANES), NAN, np.float32)
    beyond[: len(ends)] = list(ends)
    own(beyond, found)
    np.testing.assert_array_equal(found[: len(ends)], np.float32([*ends.values()]))
    assert np.isnan(found[len(ends) :]).all()


def test_comparisons_signs_and_fused_products_are_as_in_numpy() -> None:
    numbers = np.array([NAN, -9, -1 - 2**-11, -0.0, 0.5, 1 + 2**-12, 3, 1e9], np.float32)
    a, b = np.repeat(numbers, 8), np.tile(numbers, 8)

    @_jit
    def own(a: Any, b: Any, found: Any) -> None:
        x, y = load(a, 0, 64), load(b, 0, 64)
        signs = simd.copysign(x, y), simd.absolute(x), -x
        for row, values in enumerate((*signs, simd.maximum(x, y), simd.fma(x, x, y))):
            store(found, row * 64, values)

    found = np.empty((5, 64), np.float32)
    own(a, b, found.reshape(-1))
    once = (a.astype(float) ** 2 + b).astype(np.float32)
    signs = np.array([np.copysign(a, b), np.abs(a), -a])
    np.testing.assert_array_equal(found, [*signs, np.maximum(a, b), once])
    np.testing.assert_array_equal(np.signbit(found[:3]), np.signbit(signs))

"""Elementary functions of the kernels against float64, on dense grids and where they
end."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from networks import Floats
from numpy.typing import NDArray

from hpo.objectives.networks.kernels import elementary, simd
from hpo.objectives.networks.kernels.compiling import kernel
from hpo.objectives.networks.kernels.simd import load, splat, store
from hpo.objectives.networks.kernels.sizes import WIDTH
from hpo.objectives.networks.kernels.steps import cold_step, deep_step, warm_step

Singles = NDArray[np.float32]
N, LANES = 1 << 16, 16
INF, NAN = math.inf, math.nan
_jit: Any = numba.njit


def linear(low: float, high: float) -> Singles:
    return np.linspace(low, high, N, dtype=np.float32)


def geometric(low: float, high: float) -> Singles:
    return np.geomspace(low, high, N, dtype=np.float32)


QUARTERS = (np.arange(N) * (math.pi / 2)).astype(
    np.float32
)  # a sine or a cosine is next to 0
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
    function, exact = BY_HAND.get(name) or (
        getattr(elementary, name),
        getattr(np, name),
    )
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
    numbers = np.array(
        [NAN, -9, -1 - 2**-11, -0.0, 0.5, 1 + 2**-12, 3, 1e9], np.float32
    )
    a, b = np.repeat(numbers, 8), np.tile(numbers, 8)

    @_jit
    def own(a: Any, b: Any, found: Any) -> None:
        x, y = load(a, 0, 64), load(b, 0, 64)
        signs = simd.copysign(x, y), simd.absolute(x), -x
        for row, values in enumerate((*signs, simd.fma(x, x, y))):
            store(found, row * 64, values)

    found = np.empty((4, 64), np.float32)
    own(a, b, found.reshape(-1))
    once = (a.astype(float) ** 2 + b).astype(np.float32)
    signs = np.array([np.copysign(a, b), np.abs(a), -a])
    np.testing.assert_array_equal(found, [*signs, once])
    np.testing.assert_array_equal(np.signbit(found[:3]), np.signbit(signs))


# --- the steps of a neuron: each result in float32 against many digits ---


@kernel
def _warm(x: Any, drive: Any, g: Any, k: Any, found: Any) -> None:
    for i in range(0, len(x), WIDTH):
        lanes = (
            load(x, i, WIDTH),
            load(drive, i, WIDTH),
            load(g, i, WIDTH),
            load(k, i, WIDTH),
        )
        after, slope_x, slope_drive = warm_step(*lanes)
        store(found, i, after)
        store(found, len(x) + i, lanes[0] * slope_x)
        store(found, 2 * len(x) + i, slope_drive)


def warm(*arguments: Floats) -> tuple[list[Singles], Floats]:
    """x, drive, g and k as they are in float32, and what the kernel makes of them, (3,
    n)."""
    singles = [np.asarray(values, np.float32) for values in arguments]
    found = np.empty((3, len(singles[0])), np.float32)
    _warm(*singles, found.reshape(-1))
    return singles, found.astype(float)


def exact(x: Any, drive: Any, g: Any, k: Any) -> list[float]:
    """x', d ln x'/d ln x and d ln x'/d(drive), with differences of 1e-25 of 60
    digits."""
    with mpmath.workdps(60):
        x, drive, g, k = (mpmath.mpf(float(value)) for value in (x, drive, g, k))

        def after(x: Any, drive: Any) -> Any:
            z = drive - g
            w = mpmath.sqrt(z * z / 4 + drive * k)
            c, s = mpmath.cosh(w), mpmath.sinh(w) / w
            return (x * c + (k + x * z / 2) * s) / (c + (drive * x - z / 2) * s)

        little = mpmath.mpf(10) ** -25
        end = after(x, drive)
        by_x = after(x * (1 + little), drive) - after(x * (1 - little), drive)
        by_drive = after(x, drive + little) - after(x, drive - little)
        return [
            float(v) for v in (end, *(d / (2 * little * end) for d in (by_x, by_drive)))
        ]


@pytest.mark.parametrize(
    "thermal_power", [(1e-12, 1e-6), (1e-6, 1e-3), (1e-3, 0.1)], ids=str
)
def test_a_warm_step_is_good_to_2e_6(thermal_power: tuple[float, float]) -> None:
    """From far below the thermal power to 1, and from inhibition to drives of 30 in a
    step.

    Half of the drives are near the threshold, g, down to the last digit.
    """
    random, n = np.random.default_rng(1), 1600

    def between(low: float, high: float) -> Floats:
        return 10.0 ** random.uniform(math.log10(low), math.log10(high), n)

    def either(one: Floats, other: Floats) -> Floats:
        return np.where(random.random(n) < 0.5, one, other)

    x = either(between(1e-15, 1), 1 - between(1e-6, 1)).clip(1e-15, 1 - 1e-6)
    g = between(1e-4, 10)
    size, near = between(1e-6, 30), between(1e-8, 2)
    drive = either(either(size, -size), g * (1 + either(near, -near)))
    drive[:32] = g[:32].astype(np.float32)
    arguments, found = warm(x, drive, g, g * between(*thermal_power))
    wanted = np.array([exact(*own) for own in zip(*arguments, strict=True)]).T
    counts = np.abs(wanted) > 1e-30  # beyond, float32 has no digits
    assert counts.mean() > 0.99
    assert np.abs(found / wanted - 1)[counts].max() < 2.5e-6
    assert (np.abs(found)[~counts] < 1.1e-30).all()


@kernel
def _cold(drive: Any, g: Any, x: Any, found: Any) -> None:
    power, logarithm, rest = load(x, 0, WIDTH), splat(g, WIDTH), splat(g, WIDTH)
    for i in range(0, len(drive), WIDTH):
        own = load(drive, i, WIDTH)
        factor, _, _ = cold_step(power, own, g)
        power, logarithm, rest = deep_step(
            power, power * factor, own - g, logarithm, rest
        )
        store(found, i, power)


def test_a_cold_power_rises_as_exactly_as_it_fell_however_deep() -> None:
    """Lanes fall for up to 1500 steps, by up to e^40 in one, and rise; twice. A NaN
    stays NaN."""
    random, g = np.random.default_rng(2), np.float32(0.0625)
    turn, n, size = (
        random.integers(60, 1500, WIDTH),
        np.arange(6400)[:, None],
        np.arange(WIDTH),
    )
    signs = np.where((n < turn) | ((n >= 3200) & (n < 3200 + turn)), -1.0, 1.05)
    drive = (signs * 40.0 ** (size / 15) + random.normal(0, 1e-3, signs.shape)).astype(
        np.float32
    )
    x = np.full(WIDTH, 0.5, np.float32)
    logarithm, wanted = np.log(x.astype(float)), np.empty(drive.shape)
    for own, to in zip((drive - g).astype(float), wanted, strict=True):
        z, power = own.clip(-40.0, 40.0), np.exp(logarithm)
        logarithm += z - np.log1p((own + g) * power * np.expm1(z) / own)
        to[:] = logarithm
    seen, deep = wanted > -69.0, wanted < -69.4
    rises = int(np.argmax(deep[:-1, 15] & seen[1:, 15])) + 1
    found, spoilt = np.empty((2, *drive.shape), np.float32)
    _cold(drive.reshape(-1), g, x, found.reshape(-1))
    drive[rises, 15] = math.nan
    _cold(drive.reshape(-1), g, x, spoilt.reshape(-1))
    assert deep.any(axis=0).all()
    assert seen[-1].all()
    np.testing.assert_allclose(found[seen], np.exp(wanted[seen]), rtol=5e-5)
    assert not found[deep].any()
    assert np.isnan(spoilt[rises:, 15]).all()
    assert np.array_equal(spoilt[:, :15], found[:, :15])

"""Products of tiles, for networks in which most neurons of neighbouring layers are connected.

A sparse loop loads a row of a block for every weight; a *tile*, ``TILE`` targets by all sources of
their layer, loads it once for as many weights, and zeros cost what weights do. The gradient is
collected over ``CHUNK`` steps in registers before it is added to the sums in memory. See
``structure`` for the order of weights and sums.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import ZERO
from objectives.networks.kernels.simd import (
    add_outer,
    add_weighted,
    element,
    load,
    row_sums,
    splat,
    store,
)
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import constant_drive, fill, gather
from objectives.networks.kernels.structure import TILE

CHUNK = 8  # steps whose rows stay in the second-level cache
HALF = 16  # lanes in which a product is summed: with TILE x TILE of them, 16 registers of AVX-512
_TILE_LANES = TILE * LANES
_PRODUCTS = TILE * TILE
_PRODUCT_LANES = _PRODUCTS * HALF


@inlined
def drives(
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    spans: Any,
    tiles: Any,
    tile: Any,
    factor: Any,
    constants: Any,
    shape: Any,
    held: Any,
    values: Any,
    at: Any,
    i: Any,
    drive: Any,
) -> Any:
    """Write the drives of neuron i, or of the tile that begins there, to ``drive``.

    The arguments are those of the forward kernels; ``tile`` is where the weights of the tile are.
    Neurons have a fixed drive, ``factor`` times a constant of their own. Returns where the weights
    of the next tile are.
    """
    _, _, n_neurons, _, width, _ = shape
    if len(spans) == 0:
        total = constant_drive(held, biases, factor * element(constants, i), i, width)
        end = starts[n_neurons + 1 + i]
        store(drive, 0, gather(total, weights, sources, starts[i], end, values, at))
        return tile
    for k in range(TILE):
        fixed = factor * element(constants, i + k)
        store(drive, k * LANES, constant_drive(held, biases, fixed, i + k, width))
    return multiply(spans, tiles, tile, values, at, i, drive)


@inlined
def pull(spans: Any, tiles: Any, tile: Any, adjoints: Any, at: Any, j: Any, pulled: Any) -> Any:
    """Where a tile of sources begins at j: write their sums over targets to ``pulled``.

    ``adjoints`` of all neurons begin ``at``. Returns where the weights of the next tile are.
    """
    if j % TILE != 0:
        return tile
    fill(pulled, 0, _TILE_LANES, ZERO)
    return multiply(spans, tiles, tile, adjoints, at, j, pulled)


@inlined
def multiply(
    spans: Any, tiles: Any, tile: Any, values: Any, at: Any, first: Any, totals: Any
) -> Any:
    """Add to ``totals``, (TILE, LANES), the products of the tile that begins at row ``first``.

    Its weights are those from ``tile``; ``values`` of all rows begin ``at``. Returns where the
    weights of the next tile are.
    """
    own, n_tiles = first // TILE, len(spans) // 2
    total = load(totals, 0, _TILE_LANES)
    for row in range(spans[own], spans[n_tiles + own]):
        total = add_weighted(total, tiles, tile, load(values, at + row * LANES, LANES))
        tile += TILE
    store(totals, 0, total)
    return tile


@inlined
def collect(
    adjoints: Any,
    values: Any,
    value: Any,
    value_stride: Any,
    n_steps: Any,
    spans: Any,
    row: Any,
    sums: Any,
) -> None:
    """Add adjoint times value to the sums of the tiles, over so many steps.

    Args:
        adjoints: of every neuron, (steps, neurons, LANES), flat.
        values: of every neuron; those of the first step begin at ``value``, those of the next one
            ``value_stride`` further.
        n_steps: steps, at most CHUNK.
        spans: first source of each tile, (tiles,), and the one after its last, (tiles,).
        row: floats for one value of every neuron.
        sums: added to, (tiles, sources / TILE, TILE, TILE), flat.
    """
    n_tiles = len(spans) // 2
    k = 0
    for tile in range(n_tiles):
        for source in range(spans[tile], spans[n_tiles + tile], TILE):
            total = splat(ZERO, _PRODUCT_LANES)
            for t in range(n_steps):
                left = t * row + tile * _TILE_LANES
                right = value + t * value_stride + source * LANES
                total = add_outer(total, adjoints, left, values, right, LANES, TILE)
                total = add_outer(total, adjoints, left + HALF, values, right + HALF, LANES, TILE)
            store(sums, k, load(sums, k, _PRODUCTS) + row_sums(total, HALF))
            k += _PRODUCTS


@kernel
def weigh(scales: Any, parameters: Any, index: Any, weights: Any) -> None:
    """The weights by ``index``, each times its scale; 0 where it is -1."""
    for k in range(len(index)):
        at = index[k]
        weights[k] = scales[at] * parameters[at] if at >= 0 else ZERO


@kernel
def deliver(sums: Any, index: Any, scales: Any, gradient: Any) -> None:
    """Add ``sums``, each times its scale, to the gradient by ``index``; -1 is no weight."""
    for k in range(len(index)):
        at = index[k]
        if at >= 0:
            gradient[at] += scales[at] * sums[k]

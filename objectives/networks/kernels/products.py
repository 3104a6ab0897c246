"""Products by which neurons drive each other: forward, back, and for the gradient of
the weights.

Dense ones have series in rows and vectors over neurons. One routine computes all three,
with different strides::

    out[r, c] = start[r, c] + sum over k of left[r, k] right[k, c]

Every sum begins with ``start`` and goes on in the order of k, each term by one fused
multiply-add:
bits depend neither on the processor nor on the number of rows and columns per tile.

Sparse ones have neurons in rows and vectors over series, and take the existing weights
one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from llvmlite import ir

from .compiling import inline, kernel
from .elementary import ZERO
from .simd import (
    build_call,
    build_splat,
    building,
    element,
    fma,
    intrinsic,
    lanes_at,
    load,
    place_of,
    signature,
    splat,
    store,
    types,
)
from .sizes import FOLD, SERIES, WIDTH

_GIVEN: str | None = cast(Any, numba.config).CPU_FEATURES
_FEATURES = llvm.get_host_cpu_features().flatten() if _GIVEN is None else _GIVEN
REGISTERS = 32 if "+avx512f" in _FEATURES.split(",") else 16
"""Vector registers of the processor. They set the size of a tile; no bit depends on
it."""


@kernel
def multiply(out: Any, start: Any, left: Any, right: Any, size: Any) -> None:
    """Multiply two matrices in flat arrays; see the module.

    Args:
        out: (rows, columns): array, first element, and stride of rows.
        start: (rows, columns), likewise.
        left: (rows, terms): array, first element, and strides of rows, terms and groups
            of terms.
        right: (terms, columns): array, first element, and strides of terms and groups
            of terms.
        size: rows, columns (a multiple of WIDTH), terms of a group, and groups of
            terms.
    """
    n_rows, n_columns, n_terms, n_groups = size
    arrays = (out[0], start[0], left[0], right[0])
    strides = (out[2], start[2], *left[2:], *right[2:], n_terms, n_groups)
    column = 0
    while column < n_columns:
        two = REGISTERS == 32 and n_columns - column >= 2 * WIDTH
        row = 0
        while row < n_rows:
            at = (
                out[1] + row * out[2] + column,
                start[1] + row * start[2] + column,
                left[1] + row * left[2],
                right[1] + column,
            )
            rest = n_rows - row
            if two and rest >= 8:
                _tile(arrays, at, strides, 8, 2)
                row += 8
            elif two and rest >= 4:
                _tile(arrays, at, strides, 4, 2)
                row += 4
            elif two:
                _tile(arrays, at, strides, 1, 2)
                row += 1
            elif rest >= 4:
                _tile(arrays, at, strides, 4, 1)
                row += 4
            else:
                _tile(arrays, at, strides, 1, 1)
                row += 1
        column += 2 * WIDTH if two else WIDTH


@intrinsic
def _tile(
    typingctx: Any, arrays: Any, at: Any, strides: Any, n_rows: Any, n_vectors: Any
) -> Any:
    """Compute a tile of ``multiply`` in registers.

    Args:
        arrays: out, start, left and right.
        at: the first element of the tile in each.
        strides: of rows of out, start and left; of terms and groups of left, and of
            right; and the number of terms of a group, and of groups.
        n_rows: rows of the tile, a literal.
        n_vectors: its vectors of columns, a literal.
    """
    rows = range(n_rows.literal_value)
    vectors = range(n_vectors.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        out, start, left, right = building.unpack_tuple(builder, args[0])
        first = building.unpack_tuple(builder, args[1])
        out_row, start_row, left_row, *others = building.unpack_tuple(builder, args[2])
        left_term, left_group, right_term, right_group, n_terms, n_groups = others
        address = _Address(context, builder, arrays[0])
        totals: list[list[Any]] = []
        for r in rows:
            place = address.moved(first[1], start_row, r)
            totals.append([])
            for v in vectors:
                total = builder.load(address.lanes(start, place, v), align=4)
                totals[r].append(building.alloca_once_value(builder, total))
        with building.for_range(builder, n_groups) as group:
            left_at = address.moved(first[2], left_group, group.index)
            right_at = address.moved(first[3], right_group, group.index)
            place_a = building.alloca_once_value(builder, left_at)
            place_b = building.alloca_once_value(builder, right_at)
            with _repeated(builder, n_terms):
                a = builder.load(place_a)
                b = builder.load(place_b)
                _add_term(address, (left, a, left_row), (right, b), totals)
                builder.store(builder.add(a, left_term), place_a)
                builder.store(builder.add(b, right_term), place_b)
        for r in rows:
            place = address.moved(first[0], out_row, r)
            for v in vectors:
                total = builder.load(totals[r][v])
                builder.store(total, address.lanes(out, place, v), align=4)
        return context.get_dummy_value()

    return signature(types.void, arrays, at, strides, n_rows, n_vectors), codegen


def _add_term(
    address: _Address, left: Any, right: Any, totals: list[list[Any]]
) -> None:
    """Build the addition of one term to all totals.

    Args:
        address: places in the arrays.
        left: array, place of the term, and stride of rows.
        right: array, and place of the term.
        totals: the place of each vector of each row.
    """
    builder = address.builder
    numbers, first, stride = left
    array, start = right
    lanes = [address.lanes(array, start, v) for v in range(len(totals[0]))]
    factors = [builder.load(place, align=4) for place in lanes]
    for r, row in enumerate(totals):
        number = builder.load(address.number(numbers, address.moved(first, stride, r)))
        spread = build_splat(builder, number, WIDTH)
        for factor, place in zip(factors, row, strict=True):
            total = build_call(builder, "fma", spread, factor, builder.load(place))
            builder.store(total, place)


@contextmanager
def _repeated(builder: Any, n: Any) -> Iterator[None]:
    """Build a loop of n >= 1 rounds around what is built within.

    LLVM unrolls the loops of numba, which count up, at run time: in products of few
    terms, most of the time would go into preparing for it.
    """
    left = building.alloca_once_value(builder, n)
    round_ = builder.append_basic_block("round")
    after = builder.append_basic_block("after")
    builder.branch(round_)
    builder.position_at_end(round_)
    yield
    still = builder.sub(builder.load(left), ir.Constant(n.type, 1))
    builder.store(still, left)
    more = builder.icmp_signed(">", still, ir.Constant(n.type, 0))
    builder.cbranch(more, round_, after)
    builder.position_at_end(after)


@dataclass
class _Address:
    """Places in arrays of one type."""

    context: Any
    builder: Any
    of: Any

    def moved(self, place: Any, stride: Any, k: Any) -> Any:
        """Return a place that is k strides further."""
        if isinstance(k, int):
            k = ir.Constant(stride.type, k)
        return self.builder.add(place, self.builder.mul(stride, k))

    def number(self, array: Any, place: Any) -> Any:
        """Return a pointer to a number."""
        return place_of(self.context, self.builder, self.of, array, place)

    def lanes(self, array: Any, place: Any, v: int) -> Any:
        """Return a pointer to the v-th vector from a place."""
        place = self.builder.add(place, ir.Constant(place.type, v * WIDTH))
        return lanes_at(self.context, self.builder, self.of, array, place, WIDTH)


@inline
def gather(
    total: Any, weights: Any, sources: Any, span: Any, values: Any, at: Any
) -> Any:
    """Return total + the sum over k in ``span`` of weights[k] * values[row
    sources[k]]."""
    first, last = span
    other = splat(ZERO, SERIES)  # a second chain: one alone waits for its own result
    middle = first + (last - first) // 2 * 2
    for k in range(first, middle, 2):
        here = load(values, at + element(sources, k) * SERIES, SERIES)
        there = load(values, at + element(sources, k + 1) * SERIES, SERIES)
        total = fma(element(weights, k), here, total)
        other = fma(element(weights, k + 1), there, other)
    for k in range(middle, last):
        here = load(values, at + element(sources, k) * SERIES, SERIES)
        total = fma(element(weights, k), here, total)
    return total + other


@inline
def gather_back(
    weights: Any,
    targets: Any,
    span: Any,
    adjoint_row: Any,
    value_row: Any,
    sums: Any,
    out_row: Any,
) -> None:
    """Pass over one source, transposed: its adjoint, and the gradients of its weights.

    Write the sum over k of weights[k] * adjoints[row targets[k]] to ``out_row``, and
    add adjoints[row targets[k]] * values to sums[k], which stays spread over FOLD
    lanes. All vectors have FOLD lanes: splitting longer ones costs more than they save.

    The rows are arrays and their first elements: ``adjoint_row`` that of all neurons,
    the others those of the source.
    """
    adjoints, at = adjoint_row
    values, place = value_row
    out, to = out_row
    value_0 = load(values, place, FOLD)
    value_1 = load(values, place + FOLD, FOLD)
    value_2 = load(values, place + 2 * FOLD, FOLD)
    value_3 = load(values, place + 3 * FOLD, FOLD)
    total_0 = splat(ZERO, FOLD)
    total_1 = splat(ZERO, FOLD)
    total_2 = splat(ZERO, FOLD)
    total_3 = splat(ZERO, FOLD)
    for k in range(span[0], span[1]):
        row = at + element(targets, k) * SERIES
        weight = element(weights, k)
        own = load(sums, k * FOLD, FOLD)
        adjoint = load(adjoints, row, FOLD)
        total_0 = fma(weight, adjoint, total_0)
        own = fma(adjoint, value_0, own)
        adjoint = load(adjoints, row + FOLD, FOLD)
        total_1 = fma(weight, adjoint, total_1)
        own = fma(adjoint, value_1, own)
        adjoint = load(adjoints, row + 2 * FOLD, FOLD)
        total_2 = fma(weight, adjoint, total_2)
        own = fma(adjoint, value_2, own)
        adjoint = load(adjoints, row + 3 * FOLD, FOLD)
        total_3 = fma(weight, adjoint, total_3)
        own = fma(adjoint, value_3, own)
        store(sums, k * FOLD, own)
    store(out, to, total_0)
    store(out, to + FOLD, total_1)
    store(out, to + 2 * FOLD, total_2)
    store(out, to + 3 * FOLD, total_3)

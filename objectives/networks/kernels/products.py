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

from typing import Any, cast

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from llvmlite import ir

from .compiling import inline, kernel
from .elementary import ZERO
from .simd import (
    F32,
    build_splat,
    call_intrinsic,
    element,
    fma,
    intrinsic,
    load,
    place_of,
    signature,
    splat,
    store,
    types,
    vector,
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
        out, start: (rows, columns): array, first element, and stride of rows. left:
        (rows, terms): array, first element, and strides of rows, terms and groups of
        terms. right: (terms, columns): array, first element, and strides of terms and
        groups of terms. size: rows, columns (a multiple of WIDTH), terms of a group,
        and groups of terms.
    """
    to, to_at, to_row = out
    first, first_at, first_row = start
    own, own_at, own_row = left[:3]
    other, other_at = right[:2]
    n_rows, n_columns, n_terms, n_groups = size
    how = (to_row, first_row, *left[2:], *right[2:], n_terms, n_groups)
    column = 0
    while column < n_columns:
        two = REGISTERS == 32 and n_columns - column >= 2 * WIDTH
        row = 0
        while row < n_rows:
            at = (
                to_at + row * to_row + column,
                first_at + row * first_row + column,
                own_at + row * own_row,
                other_at + column,
            )
            rest = n_rows - row
            if two and rest >= 8:
                _tile(to, first, own, other, at, how, 8, 2)
                row += 8
            elif two and rest >= 4:
                _tile(to, first, own, other, at, how, 4, 2)
                row += 4
            elif two:
                _tile(to, first, own, other, at, how, 1, 2)
                row += 1
            elif rest >= 4:
                _tile(to, first, own, other, at, how, 4, 1)
                row += 4
            else:
                _tile(to, first, own, other, at, how, 1, 1)
                row += 1
        column += 2 * WIDTH if two else WIDTH


@intrinsic
def _tile(
    typingctx: Any,
    out: Any,
    start: Any,
    left: Any,
    right: Any,
    at: Any,
    how: Any,
    n_rows: Any,
    n_vectors: Any,
) -> Any:
    """Compute a tile of ``multiply`` in registers: literal numbers of rows and column
    vectors."""
    tile = [
        (r, v)
        for r in range(n_rows.literal_value)
        for v in range(n_vectors.literal_value)
    ]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        places, numbers = (
            [builder.extract_value(args[k], i) for i in range(sig.args[k].count)]
            for k in (4, 5)
        )
        (
            out_row,
            start_row,
            left_row,
            left_term,
            left_group,
            right_term,
            right_group,
            *n,
        ) = numbers
        integer = out_row.type

        def moved(place: Any, stride: Any, k: int) -> Any:
            return builder.add(place, builder.mul(stride, ir.Constant(integer, k)))

        def pointer(array: int, place: Any, v: int | None = None) -> Any:
            if v is None:
                return place_of(context, builder, sig.args[array], args[array], place)
            place = builder.add(place, ir.Constant(integer, v * WIDTH))
            first = place_of(context, builder, sig.args[array], args[array], place)
            return builder.bitcast(first, vector(F32, WIDTH).as_pointer())

        def loop(
            count: Any, places: list[Any], totals: list[Any], body: Any
        ) -> list[Any]:
            """Return the totals after ``count`` >= 1 rounds; each moves places by one
            stride."""
            before, inside = builder.block, builder.append_basic_block("sum")
            builder.branch(inside)
            builder.position_at_end(inside)
            held = [
                (builder.phi(value.type), value) for value in [count, *places, *totals]
            ]
            for phi, value in held:
                phi.add_incoming(value, before)
            rest, *values = (phi for phi, _ in held)
            places_after, sums = body(values[: len(places)], values[len(places) :])
            rest = builder.sub(rest, ir.Constant(integer, 1))
            end, after = builder.block, builder.append_basic_block("summed")
            for (phi, _), value in zip(held, [rest, *places_after, *sums], strict=True):
                phi.add_incoming(value, end)
            more = builder.icmp_signed(">", rest, ir.Constant(integer, 0))
            builder.cbranch(more, inside, after)
            builder.position_at_end(after)
            return list(sums)

        def term(places: list[Any], totals: list[Any]) -> Any:
            a, b = places
            rights = [
                builder.load(pointer(3, b, v), align=4)
                for v in range(n_vectors.literal_value)
            ]
            lefts = [
                build_splat(
                    builder, builder.load(pointer(2, moved(a, left_row, r))), WIDTH
                )
                for r in range(n_rows.literal_value)
            ]
            sums = [
                call_intrinsic(builder, "fma", [lefts[r], rights[v], total])
                for (r, v), total in zip(tile, totals, strict=True)
            ]
            return [builder.add(a, left_term), builder.add(b, right_term)], sums

        def group(places: list[Any], totals: list[Any]) -> Any:
            sums = loop(n[0], places, totals, term)
            a, b = places
            return [builder.add(a, left_group), builder.add(b, right_group)], sums

        totals = [
            builder.load(pointer(1, moved(places[1], start_row, r), v), align=4)
            for r, v in tile
        ]
        totals = loop(n[1], places[2:], totals, group)
        for (r, v), total in zip(tile, totals, strict=True):
            builder.store(total, pointer(0, moved(places[0], out_row, r), v), align=4)
        return context.get_dummy_value()

    return signature(
        types.void, out, start, left, right, at, how, n_rows, n_vectors
    ), codegen


@inline
def gather(
    total: Any, weights: Any, sources: Any, first: Any, last: Any, values: Any, at: Any
) -> Any:
    """Return total + the sum over k in [first, last) of weights[k] * values[row
    sources[k]]."""
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
    first: Any,
    last: Any,
    adjoints: Any,
    at: Any,
    values: Any,
    place: Any,
    sums: Any,
    pulled: Any,
    to: Any,
) -> None:
    """Pass over one source, transposed: its adjoint, and the gradients of its weights.

    Write the sum over k of weights[k] * adjoints[row targets[k]], and add adjoints[row
    targets[k]] * values[place:] to sums[k], which stays spread over FOLD lanes. All
    vectors have FOLD lanes: splitting longer ones costs more than they save.
    """
    value_0, value_1 = load(values, place, FOLD), load(values, place + FOLD, FOLD)
    value_2, value_3 = (
        load(values, place + 2 * FOLD, FOLD),
        load(values, place + 3 * FOLD, FOLD),
    )
    total_0, total_1, total_2, total_3 = (
        splat(ZERO, FOLD),
        splat(ZERO, FOLD),
        splat(ZERO, FOLD),
        splat(ZERO, FOLD),
    )
    for k in range(first, last):
        row, weight = at + element(targets, k) * SERIES, element(weights, k)
        own = load(sums, k * FOLD, FOLD)
        adjoint = load(adjoints, row, FOLD)
        total_0, own = fma(weight, adjoint, total_0), fma(adjoint, value_0, own)
        adjoint = load(adjoints, row + FOLD, FOLD)
        total_1, own = fma(weight, adjoint, total_1), fma(adjoint, value_1, own)
        adjoint = load(adjoints, row + 2 * FOLD, FOLD)
        total_2, own = fma(weight, adjoint, total_2), fma(adjoint, value_2, own)
        adjoint = load(adjoints, row + 3 * FOLD, FOLD)
        total_3, own = fma(weight, adjoint, total_3), fma(adjoint, value_3, own)
        store(sums, k * FOLD, own)
    store(pulled, to, total_0)
    store(pulled, to + FOLD, total_1)
    store(pulled, to + 2 * FOLD, total_2)
    store(pulled, to + 3 * FOLD, total_3)

"""Lanes: short float32 vectors for numba kernels, in which the batch is the vector dimension.

LLVM vectorises plain loops as it sees fit, at a width that depends on the CPU's name. Kernels
written with explicit vectors do not depend on that: ``load(array, start, n)`` gives ``n``
consecutive float32 as one value, arithmetic on it is lane by lane, scalars broadcast, and LLVM
splits the value into as many machine registers as it takes (512 bits wide where there are any).

These functions exist inside ``numba.njit`` code only. Offsets are not checked.
"""

from __future__ import annotations

import operator
import platform
from collections.abc import Callable
from typing import Any, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.core.typing import templates
from numba.extending import models

types: Any = numba.types
extending: Any = numba.extending
signature: Any = templates.signature
building: Any = cgutils

_F32 = ir.FloatType()
_I32 = ir.IntType(32)
X86 = platform.machine() in ("x86_64", "AMD64")
_FLUSH = 0x8040
"""Of its control register: results flush to zero, and subnormal operands count as zero."""


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """numba's decorator, with a type."""
    return cast(Callable[..., Any], extending.intrinsic(prefer_literal=True)(function))


class Lanes(numba.types.Type):
    """The numba type of float32 lanes."""

    def __init__(self, n: int) -> None:
        """``n`` lanes."""
        self.n = n
        super().__init__(name=f"Lanes({n})")


class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        initialise: Any = super().__init__
        initialise(manager, lanes, _vector(_F32, lanes.n))


extending.register_model(Lanes)(_LanesModel)


def _vector(element: Any, n: int) -> Any:
    return ir.VectorType(element, n)


def _splat(builder: Any, scalar: Any, n: int) -> Any:
    """One scalar in all ``n`` lanes."""
    one = builder.insert_element(
        ir.Constant(_vector(scalar.type, n), ir.Undefined), scalar, ir.Constant(_I32, 0)
    )
    zeros = ir.Constant(_vector(_I32, n), [0] * n)
    return builder.shuffle_vector(one, one, zeros)


def _constant(value: float, n: int) -> Any:
    return ir.Constant(_vector(_F32, n), [value] * n)


def _as_lanes(context: Any, builder: Any, value: Any, of: Any, lanes: Lanes) -> Any:
    """``value`` itself if it is lanes, else the number cast to float32 in every lane."""
    if isinstance(of, Lanes):
        return value
    return _splat(builder, context.cast(builder, value, of, types.float32), lanes.n)


def _widest(args: tuple[Any, ...]) -> Lanes | None:
    """The one Lanes type among ``args``, if all the others are it or numbers."""
    found = {a for a in args if isinstance(a, Lanes)}
    if len(found) != 1 or not all(isinstance(a, Lanes | types.Number) for a in args):
        return None
    return found.pop()


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    """Let ``function`` (an operator) act lane by lane through an instruction of LLVM."""

    class Template(templates.AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: Any) -> Any:
            lanes = _widest(args)
            return None if lanes is None else signature(lanes, *args)

    register: Any = templates.infer_global
    register(function)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (
            _as_lanes(context, builder, value, of, sig.return_type)
            for value, of in zip(args, sig.args, strict=True)
        )
        return getattr(builder, instruction)(a, b)

    for left, right in [(Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)]:
        extending.lower_builtin(function, left, right)(lower)


for _function, _instruction in [
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
]:
    _define_operator(_function, _instruction)


def _address(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [start], inbounds=True, source_etype=_F32)


@_intrinsic
def load(typingctx: Any, array: Any, start: Any, n: Any) -> Any:
    """``n`` (a literal) consecutive elements of a flat float32 array, from ``start``."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, _vector(_F32, lanes.n).as_pointer())
        return builder.load(pointer, align=4)

    return signature(lanes, array, types.intp, n), codegen


@_intrinsic
def store(typingctx: Any, array: Any, start: Any, value: Any) -> Any:
    """Write lanes to a flat float32 array, from ``start``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, args[2].type.as_pointer())
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, value), codegen


@_intrinsic
def element(typingctx: Any, array: Any, k: Any) -> Any:
    """``array[k]``, k >= 0.

    numba's own looks whether k < 0 counts from the end: a quarter of the time of ``gather``.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]], inbounds=True))

    return signature(array.dtype, array, types.intp), codegen


@_intrinsic
def splat(typingctx: Any, scalar: Any, n: Any) -> Any:
    """A number in each of ``n`` (a literal) lanes."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0], lanes.n)

    return signature(lanes, types.float32, n), codegen


@_intrinsic
def where_less(typingctx: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where ``a < b``, else (NaN too) ``otherwise``: numbers or lanes."""
    lanes = _widest((a, b, then, otherwise))
    if lanes is None:
        return None

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, y, yes, no = (
            _as_lanes(context, builder, value, of, lanes)
            for value, of in zip(args, sig.args, strict=True)
        )
        return builder.select(builder.fcmp_ordered("<", x, y), yes, no)

    return signature(lanes, a, b, then, otherwise), codegen


@_intrinsic
def square_root(typingctx: Any, x: Any) -> Any:
    """The square root of lanes; NaN below 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = _vector(_F32, x.n)
        of = ir.FunctionType(vector, [vector])
        name = f"llvm.sqrt.v{x.n}f32"
        function = building.get_or_insert_function(builder.module, of, name)
        return builder.call(function, [args[0]])

    return signature(x, x), codegen


@_intrinsic
def flush_subnormals(typingctx: Any) -> Any:
    """From here on, float32 within 1.2e-38 of 0 are 0; returns what ``restore_subnormals`` takes.

    Adjoints that vanish through time end there, where many x86 processors take a hundred cycles for
    an operation. On other processors nothing is changed.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not X86:
            return ir.Constant(_I32, 0)
        place = building.alloca_once(builder, _I32)
        _control(builder, "stmxcsr", place)
        before = builder.load(place)
        builder.store(builder.or_(before, ir.Constant(_I32, _FLUSH)), place)
        _control(builder, "ldmxcsr", place)
        return before

    return signature(types.int32), codegen


@_intrinsic
def restore_subnormals(typingctx: Any, before: Any) -> Any:
    """Undo ``flush_subnormals``: the thread belongs to somebody else."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if X86:
            _control(builder, "ldmxcsr", building.alloca_once_value(builder, args[0]))
        return context.get_dummy_value()

    return signature(types.void, before), codegen


def _control(builder: Any, name: str, place: Any) -> None:
    """Read or write the control register of the vector units of x86, from or to a place."""
    of = ir.FunctionType(ir.VoidType(), [building.voidptr_t])
    function = building.get_or_insert_function(builder.module, of, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, building.voidptr_t)])


@_intrinsic
def round_by_shift(typingctx: Any, x: Any) -> Any:
    """``x + M`` and the whole number ``(x + M) - M`` next to x, M = 1.5 * 2^23, abs(x) < 2^22.

    The additions are given flags of their own, so that fast-math does not cancel them out.
    """
    both = types.UniTuple(x, 2)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        shift = _constant(1.5 * 2.0**23, x.n)
        shifted = builder.fadd(args[0], shift, flags=("nsz",))
        whole = builder.fsub(shifted, shift, flags=("nsz",))
        return context.make_tuple(builder, both, (shifted, whole))

    return signature(both, x), codegen


@_intrinsic
def times_power_of_two(typingctx: Any, x: Any, shifted: Any) -> Any:
    """``x * 2^k``, ``shifted`` being k + 1.5 * 2^23: adds k to the exponent field of x."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = _vector(_I32, shifted.n)
        k = builder.shl(builder.bitcast(args[1], integers), ir.Constant(integers, [23] * shifted.n))
        one = _as_lanes(context, builder, args[0], sig.args[0], shifted)
        return builder.bitcast(builder.add(builder.bitcast(one, integers), k), args[1].type)

    return signature(shifted, x, shifted), codegen


@_intrinsic
def add_products(typingctx: Any, total: Any, a: Any, b: Any) -> Any:
    """``total + a * b`` folded onto the fewer lanes of ``total``: a dot product in the making."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result, x, y = args
        n = sig.args[0].n
        for first in range(0, sig.args[1].n, n):
            mask = ir.Constant(_vector(_I32, n), list(range(first, first + n)))
            product = builder.fmul(
                builder.shuffle_vector(x, x, mask), builder.shuffle_vector(y, y, mask)
            )
            result = builder.fadd(product, result)
        return result

    return signature(total, total, a, b), codegen


def _part(builder: Any, lanes: Any, first: int, n: int) -> Any:
    """``n`` lanes from ``first``."""
    return builder.shuffle_vector(lanes, lanes, ir.Constant(_vector(_I32, n), _range(first, n)))


def _range(first: int, n: int) -> list[int]:
    return list(range(first, first + n))


def _joined(builder: Any, parts: list[Any]) -> Any:
    """Parts of as many lanes each, a power of two of them, side by side."""
    while len(parts) > 1:
        n = 2 * parts[0].type.count
        mask = ir.Constant(_vector(_I32, n), _range(0, n))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [builder.shuffle_vector(a, b, mask) for a, b in pairs]
    return parts[0]


def _added(builder: Any, total: Any, a: Any, b: Any) -> Any:
    """total + a b, in one instruction where there is one."""
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, total, flags=("contract",))


@_intrinsic
def add_weighted(typingctx: Any, total: Any, weights: Any, k: Any, value: Any) -> Any:
    """Row by row of ``total`` (rows, lanes): total + weights[k + row] * value."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        n = sig.args[3].n
        rows = []
        for row in range(sig.args[0].n // n):
            at = builder.add(args[2], ir.Constant(args[2].type, row))
            weight = builder.load(_address(context, builder, sig.args[1], args[1], at))
            own = _part(builder, args[0], row * n, n)
            rows.append(_added(builder, own, _splat(builder, weight, n), args[3]))
        return _joined(builder, rows)

    return signature(total, total, weights, types.intp, value), codegen


@_intrinsic
def add_outer(
    typingctx: Any, total: Any, left: Any, i: Any, right: Any, j: Any, stride: Any, side: Any
) -> Any:
    """Tile of products, ``total`` (side, side, lanes): total + left row a * right row b.

    Row a of an array is so many lanes from ``i + a stride``; ``stride`` and ``side`` are literals.
    """
    step, n_rows = stride.literal_value, side.literal_value
    n = total.n // n_rows**2

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def row(array: int, at: int, k: int) -> Any:
            start = builder.add(args[at], ir.Constant(args[at].type, k * step))
            pointer = _address(context, builder, sig.args[array], args[array], start)
            return builder.load(builder.bitcast(pointer, _vector(_F32, n).as_pointer()), align=4)

        lefts = [row(1, 2, k) for k in range(n_rows)]
        rights = [row(3, 4, k) for k in range(n_rows)]
        pairs = [(a, b) for a in lefts for b in rights]
        own = [_part(builder, args[0], k * n, n) for k in range(len(pairs))]
        sums = [_added(builder, part, a, b) for part, (a, b) in zip(own, pairs, strict=True)]
        return _joined(builder, sums)

    return signature(total, total, left, types.intp, right, types.intp, stride, side), codegen


@_intrinsic
def row_sums(typingctx: Any, total: Any, lanes: Any) -> Any:
    """The sum of each row of ``total``, (rows, lanes); as many rows as a literal number of lanes.

    Neighbours are added up in pairs, all rows at once.
    """
    n = lanes.literal_value
    result = Lanes(total.n // n)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = [_part(builder, args[0], first, n) for first in range(0, total.n, n)]
        groups = 1  # rows that share a vector: their halves are added
        while n // groups > 1:
            size = n // groups  # lanes of one row
            firsts = [size * g + k for g in range(2 * groups) for k in range(size // 2)]
            low = ir.Constant(_vector(_I32, n), firsts)
            high = ir.Constant(_vector(_I32, n), [k + size // 2 for k in firsts])
            pairs = zip(rows[::2], rows[1::2], strict=True)
            rows = [
                builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high))
                for a, b in pairs
            ]
            groups *= 2
        return _joined(builder, rows)

    return signature(result, total, lanes), codegen

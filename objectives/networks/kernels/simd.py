"""Lanes: short float32 vectors for numba kernels, in which the batch is the vector
dimension.

LLVM vectorises plain loops at a width that depends on the CPU's name. Kernels with
explicit vectors do not depend on it: ``load(array, start, n)`` returns ``n``
consecutive float32 as one value, arithmetic on it is lane by lane, scalars broadcast,
and LLVM splits the value into machine registers (512 bits wide where there are any).

These functions work only inside ``numba.njit`` code. They do not check offsets.
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

F32 = ir.FloatType()
_I32 = ir.IntType(32)
X86 = platform.machine() in ("x86_64", "AMD64")
_FLUSH = 0x8040
"""Bits of the control register: flush results to zero, and take subnormal operands as
zero."""


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply numba's decorator; this one has a type."""
    return cast(Callable[..., Any], extending.intrinsic(prefer_literal=True)(function))


class Lanes(numba.types.Type):
    """The numba type of float32 lanes."""

    def __init__(self, n: int) -> None:
        """Set the number of lanes, ``n``."""
        self.n = n
        super().__init__(name=f"Lanes({n})")


class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        initialise: Any = super().__init__
        initialise(manager, lanes, vector(F32, lanes.n))


extending.register_model(Lanes)(_LanesModel)


def vector(element: Any, n: int) -> Any:
    """Return LLVM's type of a vector with ``n`` elements."""
    return ir.VectorType(element, n)


def _type_like(element: Any, of: Any) -> Any:
    """Return a vector type with as many elements as ``of`` has lanes; for a number,
    ``element``."""
    return vector(element, of.n) if isinstance(of, Lanes) else element


def _constant(value: float, of: Any, element: Any = F32) -> Any:
    """Return a constant with one number in every lane."""
    return ir.Constant(
        _type_like(element, of), [value] * of.n if isinstance(of, Lanes) else value
    )


def build_splat(builder: Any, scalar: Any, n: int) -> Any:
    """Build a vector with one scalar in all ``n`` lanes."""
    one = builder.insert_element(
        ir.Constant(vector(scalar.type, n), ir.Undefined), scalar, ir.Constant(_I32, 0)
    )
    zeros = ir.Constant(vector(_I32, n), [0] * n)
    return builder.shuffle_vector(one, one, zeros)


def _common_type(args: tuple[Any, ...]) -> Any:
    """Return the common type of arguments: lanes if any are, else float32; None for a
    conflict."""
    lanes = {a for a in args if isinstance(a, Lanes)}
    if len(lanes) > 1 or not all(isinstance(a, Lanes | types.Number) for a in args):
        return None
    return lanes.pop() if lanes else types.float32


def _spread(context: Any, builder: Any, values: Any, sig: Any, of: Any) -> list[Any]:
    """Cast values to ``of``: numbers become float32, in every lane."""
    spread = []
    for value, own in zip(values, sig.args, strict=True):
        if not isinstance(own, Lanes):
            number = context.cast(builder, value, own, types.float32)
            value = (
                build_splat(builder, number, of.n) if isinstance(of, Lanes) else number
            )
        spread.append(value)
    return spread


def call_intrinsic(builder: Any, name: str, args: list[Any]) -> Any:
    """Call an intrinsic of LLVM on vectors or numbers of one type."""
    own = args[0].type
    suffix = f"v{own.count}f32" if isinstance(own, ir.VectorType) else "f32"
    of = ir.FunctionType(own, [own] * len(args))
    function = building.get_or_insert_function(
        builder.module, of, f"llvm.{name}.{suffix}"
    )
    return builder.call(function, args)


Build = Callable[[Any, list[Any]], Any]
"""A function of a builder and arguments of one type that returns the result."""


def _lane_by_lane(args: tuple[Any, ...], build: Build) -> Any:
    """Return signature and code generator of an intrinsic on lanes or numbers."""
    of = _common_type(args)
    if of is None:
        return None

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build(builder, _spread(context, builder, args, sig, of))

    return signature(of, *args), codegen


def _define_operator(
    function: Callable[..., Any], instruction: str, n_args: int
) -> None:
    """Let an operator act lane by lane through an instruction of LLVM."""

    class Template(templates.AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: Any) -> Any:
            of = _common_type(args)
            return signature(of, *args) if isinstance(of, Lanes) else None

    register: Any = templates.infer_global
    register(function)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(
            *_spread(context, builder, args, sig, sig.return_type)
        )

    pairs = [(Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)]
    for kinds in pairs if n_args == 2 else [(Lanes,)]:
        extending.lower_builtin(function, *kinds)(lower)


_OPERATORS: list[tuple[Callable[..., Any], str, int]] = [
    (operator.add, "fadd", 2),
    (operator.sub, "fsub", 2),
    (operator.mul, "fmul", 2),
    (operator.truediv, "fdiv", 2),
    (operator.neg, "fneg", 1),
]
for _function, _instruction, _n_args in _OPERATORS:
    _define_operator(_function, _instruction, _n_args)


def place_of(context: Any, builder: Any, of: Any, array: Any, start: Any) -> Any:
    """Return a pointer to the element ``start`` of a flat array or after a pointer."""
    if not isinstance(of, types.CPointer):
        array = context.make_array(of)(context, builder, array).data
    element = context.get_data_type(of.dtype)
    return builder.gep(array, [start], inbounds=True, source_etype=element)


@intrinsic
def pointer(typingctx: Any, array: Any, start: Any) -> Any:
    """Return a pointer to the element ``start`` of a flat array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return place_of(context, builder, sig.args[0], args[0], args[1])

    return signature(types.CPointer(array.dtype), array, types.intp), codegen


@intrinsic
def call(typingctx: Any, address: Any, *args: Any) -> Any:
    """Call the function at ``address``, see ``compiling.pointwise``, with its
    arguments.

    Pointers stay pointers, integers become intp, other numbers float32. Nothing is
    checked.
    """
    kinds = [
        a
        if isinstance(a, types.CPointer)
        else types.intp
        if isinstance(a, types.Integer)
        else types.float32
        for a in args
    ]

    def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        function = ir.FunctionType(
            ir.VoidType(), [context.get_value_type(kind) for kind in kinds]
        )
        unpacked = building.unpack_tuple(builder, values[1], len(kinds))
        converted = [
            context.cast(builder, value, own, kind)
            for value, own, kind in zip(unpacked, args, kinds, strict=True)
        ]
        builder.call(builder.inttoptr(values[0], function.as_pointer()), converted)
        return context.get_dummy_value()

    return signature(types.void, types.intp, types.StarArgTuple(args)), codegen


@intrinsic
def load(typingctx: Any, array: Any, start: Any, n: Any) -> Any:
    """Read ``n`` (a literal) consecutive float32 of a flat array or pointer, from
    ``start``."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = place_of(context, builder, sig.args[0], args[0], args[1])
        place = builder.bitcast(place, vector(F32, lanes.n).as_pointer())
        return builder.load(place, align=4)

    return signature(lanes, array, types.intp, n), codegen


@intrinsic
def store(typingctx: Any, array: Any, start: Any, value: Any) -> Any:
    """Write lanes to a flat float32 array or pointer, from ``start``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = place_of(context, builder, sig.args[0], args[0], args[1])
        place = builder.bitcast(place, args[2].type.as_pointer())
        builder.store(args[2], place, align=4)
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, value), codegen


@intrinsic
def element(typingctx: Any, array: Any, k: Any) -> Any:
    """Return ``array[k]``, also of a pointer, for k >= 0.

    numba's own indexing checks for k < 0, which takes a quarter of the time of
    ``gather``.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(place_of(context, builder, sig.args[0], args[0], args[1]))

    return signature(array.dtype, array, types.intp), codegen


@intrinsic
def splat(typingctx: Any, scalar: Any, n: Any) -> Any:
    """Return a number in each of ``n`` (a literal) lanes."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build_splat(builder, args[0], lanes.n)

    return signature(lanes, types.float32, n), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once: kernels fuse only explicitly."""
    return _lane_by_lane(
        (a, b, c), lambda builder, args: call_intrinsic(builder, "fma", args)
    )


@intrinsic
def where_less(typingctx: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Return ``then`` where ``a < b``, else (also for NaN) ``otherwise``."""

    def build(builder: Any, args: list[Any]) -> Any:
        return builder.select(
            builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3]
        )

    return _lane_by_lane((a, b, then, otherwise), build)


@intrinsic
def any_less(typingctx: Any, a: Any, b: Any) -> Any:
    """Tell whether ``a < b`` in any lane; NaN is not less."""
    of = _common_type((a, b))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        less = builder.fcmp_ordered("<", *_spread(context, builder, args, sig, of))
        bits = builder.bitcast(less, ir.IntType(of.n))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return signature(types.boolean, a, b), codegen


@intrinsic
def maximum(typingctx: Any, a: Any, b: Any) -> Any:
    """Return the larger one; NaN if either is, as in NumPy and PyTorch; b if equal (0
    and -0)."""

    def build(builder: Any, args: list[Any]) -> Any:
        is_nan = builder.fcmp_unordered("uno", args[0], args[0])
        larger = builder.fcmp_ordered(">", *args)
        return builder.select(builder.or_(larger, is_nan), *args)

    return _lane_by_lane((a, b), build)


@intrinsic
def absolute(typingctx: Any, x: Any) -> Any:
    """Return x without its sign."""
    return _lane_by_lane(
        (x,), lambda builder, args: call_intrinsic(builder, "fabs", args)
    )


@intrinsic
def copysign(typingctx: Any, size: Any, sign: Any) -> Any:
    """Return the size of the first with the sign of the second."""
    return _lane_by_lane(
        (size, sign), lambda builder, args: call_intrinsic(builder, "copysign", args)
    )


@intrinsic
def square_root(typingctx: Any, x: Any) -> Any:
    """Return the correctly rounded square root; NaN below 0."""
    return _lane_by_lane(
        (x,), lambda builder, args: call_intrinsic(builder, "sqrt", args)
    )


@intrinsic
def flush_subnormals(typingctx: Any) -> Any:
    """Make float32 within 1.2e-38 of 0 equal to 0; return the mode for
    ``restore_subnormals``.

    Adjoints that vanish through time end in this range, where many x86 processors need
    a hundred cycles per operation. On other processors, do nothing.
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


@intrinsic
def restore_subnormals(typingctx: Any, before: Any) -> Any:
    """Undo ``flush_subnormals``: the thread belongs to the caller."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if X86:
            _control(builder, "ldmxcsr", building.alloca_once_value(builder, args[0]))
        return context.get_dummy_value()

    return signature(types.void, before), codegen


def _control(builder: Any, name: str, place: Any) -> None:
    """Read or write the control register of x86's vector units, from or to a place in
    memory."""
    of = ir.FunctionType(ir.VoidType(), [building.voidptr_t])
    function = building.get_or_insert_function(
        builder.module, of, f"llvm.x86.sse.{name}"
    )
    builder.call(function, [builder.bitcast(place, building.voidptr_t)])


@intrinsic
def round_by_shift(typingctx: Any, x: Any) -> Any:
    """Return ``x + M`` and the integer nearest to x, ``(x + M) - M``.

    M = 1.5 * 2^23, and abs(x) < 2^22.
    """
    both = types.UniTuple(x, 2)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        shift = _constant(1.5 * 2.0**23, x)
        shifted = builder.fadd(args[0], shift)
        return context.make_tuple(
            builder, both, (shifted, builder.fsub(shifted, shift))
        )

    return signature(both, x), codegen


@intrinsic
def times_power_of_two(typingctx: Any, x: Any, shifted: Any) -> Any:
    """Return ``x * 2^k`` for ``shifted`` = k + 1.5 * 2^23: add k to the exponent field
    of x."""

    def build(builder: Any, args: list[Any]) -> Any:
        integers = _type_like(_I32, shifted)
        k = builder.shl(
            builder.bitcast(args[1], integers), _constant(23, shifted, _I32)
        )
        return builder.bitcast(
            builder.add(builder.bitcast(args[0], integers), k), args[1].type
        )

    return _lane_by_lane((x, shifted), build)


@intrinsic
def exponent_and_mantissa(typingctx: Any, x: Any) -> Any:
    """Return e and m of a normal x > 0: x = m 2^e, m between the roots of 1/2 and 2."""
    both = types.UniTuple(x, 2)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _type_like(_I32, x))
        above = builder.sub(bits, _constant(0x3F3504F3, x, _I32))  # the root of 1/2
        e = builder.ashr(above, _constant(23, x, _I32))
        m = builder.sub(bits, builder.shl(e, _constant(23, x, _I32)))
        parts = builder.sitofp(e, args[0].type), builder.bitcast(m, args[0].type)
        return context.make_tuple(builder, both, parts)

    return signature(both, x), codegen


@intrinsic
def by_quadrant(
    typingctx: Any, sine: Any, cosine: Any, shifted: Any, further: Any
) -> Any:
    """Return the sine of an angle that is k + ``further`` (a literal) quarter turns
    larger.

    ``shifted`` is k + 1.5 * 2^23, see ``round_by_shift``.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integers = _type_like(_I32, shifted)
        turns = builder.bitcast(args[2], integers)
        turns = builder.add(turns, _constant(further.literal_value, shifted, _I32))
        odd = builder.trunc(turns, _type_like(ir.IntType(1), shifted))
        sign = builder.and_(turns, _constant(2, shifted, _I32))
        sign = builder.shl(sign, _constant(30, shifted, _I32))
        size = builder.bitcast(builder.select(odd, args[1], args[0]), integers)
        return builder.bitcast(builder.xor(size, sign), args[0].type)

    return signature(sine, sine, cosine, shifted, further), codegen


@intrinsic
def add_products(typingctx: Any, total: Any, a: Any, b: Any) -> Any:
    """Return ``total + a * b``, folded onto the fewer lanes of ``total``: part of a dot
    product."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result, x, y = args
        n = sig.args[0].n
        for first in range(0, sig.args[1].n, n):
            mask = ir.Constant(vector(_I32, n), list(range(first, first + n)))
            parts = [
                builder.shuffle_vector(vector_, vector_, mask) for vector_ in (x, y)
            ]
            result = call_intrinsic(builder, "fma", [*parts, result])
        return result

    return signature(total, total, a, b), codegen

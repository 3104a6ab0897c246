"""Lanes: short float32 vectors for numba kernels, in which the batch is the vector
dimension.

LLVM vectorises plain loops at a width that depends on the CPU's name. Kernels with
explicit vectors do not depend on it: ``load(array, start, n)`` returns ``n``
consecutive float32 as one value, arithmetic on it is lane by lane, scalars broadcast,
and LLVM splits the value into machine registers (512 bits wide where there are any).

These functions work only inside ``numba.njit`` code. They do not check offsets.
"""

from __future__ import annotations

import functools
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


def build_splat(builder: Any, scalar: Any, n: int) -> Any:
    """Build a vector with one scalar in all ``n`` lanes."""
    undefined = ir.Constant(vector(scalar.type, n), ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(vector(_I32, n), [0] * n)
    return builder.shuffle_vector(one, one, zeros)


def build_call(builder: Any, name: str, *args: Any) -> Any:
    """Call a function of LLVM on vectors or numbers of one type."""
    own = args[0].type
    suffix = f"v{own.count}f32" if isinstance(own, ir.VectorType) else "f32"
    of = ir.FunctionType(own, [own] * len(args))
    name = f"llvm.{name}.{suffix}"
    function = building.get_or_insert_function(builder.module, of, name)
    return builder.call(function, args)


# --- arithmetic, lane by lane ---


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
            value = context.cast(builder, value, own, types.float32)
            if isinstance(of, Lanes):
                value = build_splat(builder, value, of.n)
        spread.append(value)
    return spread


def _lane_by_lane(build: Callable[..., Any]) -> Callable[..., Any]:
    """Make an intrinsic, on lanes or numbers, of a function that builds its result.

    The function gets a builder and the arguments, all of one type.
    """

    @functools.wraps(build)
    def typed(typingctx: Any, *args: Any) -> Any:
        of = _common_type(args)
        if of is None:
            return None

        def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            return build(builder, *_spread(context, builder, values, sig, of))

        return signature(of, *args), codegen

    return intrinsic(typed)


def _define_operator(
    function: Callable[..., Any], instruction: str, kinds: list[tuple[Any, ...]]
) -> None:
    """Let an operator act lane by lane through an instruction of LLVM."""

    class Template(templates.AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: Any) -> Any:
            of = _common_type(args)
            return signature(of, *args) if isinstance(of, Lanes) else None

    register: Any = templates.infer_global
    register(function)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        operands = _spread(context, builder, args, sig, sig.return_type)
        return getattr(builder, instruction)(*operands)

    for of in kinds:
        extending.lower_builtin(function, *of)(lower)


_BINARY = [(Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)]
_define_operator(operator.add, "fadd", _BINARY)
_define_operator(operator.sub, "fsub", _BINARY)
_define_operator(operator.mul, "fmul", _BINARY)
_define_operator(operator.truediv, "fdiv", _BINARY)
_define_operator(operator.neg, "fneg", [(Lanes,)])


@_lane_by_lane
def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once: kernels fuse only explicitly."""
    return build_call(builder, "fma", a, b, c)


@_lane_by_lane
def where_less(builder: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Return ``then`` where ``a < b``, else (also for NaN) ``otherwise``."""
    return builder.select(builder.fcmp_ordered("<", a, b), then, otherwise)


@_lane_by_lane
def absolute(builder: Any, x: Any) -> Any:
    """Return x without its sign."""
    return build_call(builder, "fabs", x)


@_lane_by_lane
def copysign(builder: Any, size: Any, sign: Any) -> Any:
    """Return the size of the first with the sign of the second."""
    return build_call(builder, "copysign", size, sign)


@_lane_by_lane
def square_root(builder: Any, x: Any) -> Any:
    """Return the correctly rounded square root; NaN below 0."""
    return build_call(builder, "sqrt", x)


@intrinsic
def polynomial(typingctx: Any, x: Any, coefficients: Any) -> Any:
    """Return the sum of coefficients times powers of x, the highest power first.

    Each step of Horner's method is rounded once.
    """
    of_numbers = signature(x, *coefficients)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        numbers = building.unpack_tuple(builder, args[1])
        total, *others = _spread(context, builder, numbers, of_numbers, x)
        for coefficient in others:
            total = build_call(builder, "fma", args[0], total, coefficient)
        return total

    return signature(x, x, coefficients), codegen


@intrinsic
def any_less(typingctx: Any, a: Any, b: Any) -> Any:
    """Tell whether ``a < b`` in any lane; NaN is not less."""
    of = _common_type((a, b))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        less = builder.fcmp_ordered("<", *_spread(context, builder, args, sig, of))
        bits = builder.bitcast(less, ir.IntType(of.n))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return signature(types.boolean, a, b), codegen


# --- bits of numbers ---


def _bits(builder: Any, x: Any) -> Any:
    """Return float32, in lanes or not, as integers with the same bits."""
    lanes = isinstance(x.type, ir.VectorType)
    return builder.bitcast(x, vector(_I32, x.type.count) if lanes else _I32)


def _integer(n: int, like: Any) -> Any:
    """Return a constant integer, in every lane of ``like``."""
    lanes = isinstance(like.type, ir.VectorType)
    return ir.Constant(like.type, [n] * like.type.count if lanes else n)


@_lane_by_lane
def times_power_of_two(builder: Any, x: Any, shifted: Any) -> Any:
    """Return ``x * 2^k`` for ``shifted`` = k + 1.5 * 2^23: add k to the exponent field
    of x."""
    k = _bits(builder, shifted)
    k = builder.shl(k, _integer(23, k))
    return builder.bitcast(builder.add(_bits(builder, x), k), x.type)


@_lane_by_lane
def exponent(builder: Any, x: Any) -> Any:
    """Return e of a normal x = m 2^e > 0, with m between the roots of 1/2 and 2."""
    bits = _bits(builder, x)
    above = builder.sub(bits, _integer(0x3F3504F3, bits))  # the root of 1/2
    return builder.sitofp(builder.ashr(above, _integer(23, bits)), x.type)


@_lane_by_lane
def by_quadrant(builder: Any, sine: Any, cosine: Any, shifted: Any) -> Any:
    """Return the sine of an angle that is k quarter turns larger.

    ``shifted`` is k + 1.5 * 2^23.
    """
    turns = _bits(builder, shifted)
    one = builder.and_(turns, _integer(1, turns))
    odd = builder.icmp_signed("!=", one, _integer(0, turns))
    two = builder.and_(turns, _integer(2, turns))
    sign = builder.shl(two, _integer(30, turns))
    size = _bits(builder, builder.select(odd, cosine, sine))
    return builder.bitcast(builder.xor(size, sign), sine.type)


# --- memory ---


def place_of(context: Any, builder: Any, of: Any, array: Any, start: Any) -> Any:
    """Return a pointer to the element ``start`` of a flat array or after a pointer."""
    if not isinstance(of, types.CPointer):
        array = context.make_array(of)(context, builder, array).data
    element = context.get_data_type(of.dtype)
    return builder.gep(array, [start], inbounds=True, source_etype=element)


def lanes_at(
    context: Any, builder: Any, of: Any, array: Any, start: Any, n: int
) -> Any:
    """Return a pointer to ``n`` elements, from ``start``, as lanes."""
    place = place_of(context, builder, of, array, start)
    return builder.bitcast(place, vector(F32, n).as_pointer())


@intrinsic
def pointer(typingctx: Any, array: Any, start: Any) -> Any:
    """Return a pointer to the element ``start`` of a flat array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return place_of(context, builder, sig.args[0], *args)

    return signature(types.CPointer(array.dtype), array, types.intp), codegen


@intrinsic
def load(typingctx: Any, array: Any, start: Any, n: Any) -> Any:
    """Read ``n`` (a literal) consecutive float32 of a flat array or pointer, from
    ``start``."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = lanes_at(context, builder, sig.args[0], args[0], args[1], lanes.n)
        return builder.load(place, align=4)

    return signature(lanes, array, types.intp, n), codegen


@intrinsic
def store(typingctx: Any, array: Any, start: Any, value: Any) -> Any:
    """Write lanes to a flat float32 array or pointer, from ``start``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = lanes_at(context, builder, sig.args[0], args[0], args[1], value.n)
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
        return builder.load(place_of(context, builder, sig.args[0], *args))

    return signature(array.dtype, array, types.intp), codegen


@intrinsic
def splat(typingctx: Any, scalar: Any, n: Any) -> Any:
    """Return a number in each of ``n`` (a literal) lanes."""
    lanes = Lanes(n.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build_splat(builder, args[0], lanes.n)

    return signature(lanes, types.float32, n), codegen


@intrinsic
def add_products(typingctx: Any, total: Any, a: Any, b: Any) -> Any:
    """Return ``total + a * b``, folded onto the fewer lanes of ``total``: part of a dot
    product."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result, x, y = args
        for first in range(0, a.n, total.n):
            lanes = list(range(first, first + total.n))
            mask = ir.Constant(vector(_I32, total.n), lanes)
            part_x = builder.shuffle_vector(x, x, mask)
            part_y = builder.shuffle_vector(y, y, mask)
            result = build_call(builder, "fma", part_x, part_y, result)
        return result

    return signature(total, total, a, b), codegen


# --- calls, and the processor's mode ---


@intrinsic
def call(typingctx: Any, address: Any, *kinds: Any) -> Any:
    """Call the C function at ``address`` with its arguments, of types ``kinds``.

    It is a function of ``compiling.compile_step``. That the types are those of the
    function is not checked.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value_types = [context.get_value_type(kind) for kind in kinds]
        function = ir.FunctionType(ir.VoidType(), value_types)
        unpacked = building.unpack_tuple(builder, args[1], len(kinds))
        builder.call(builder.inttoptr(args[0], function.as_pointer()), unpacked)
        return context.get_dummy_value()

    return signature(types.void, types.intp, types.StarArgTuple(kinds)), codegen


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
    name = f"llvm.x86.sse.{name}"
    function = building.get_or_insert_function(builder.module, of, name)
    builder.call(function, [builder.bitcast(place, building.voidptr_t)])

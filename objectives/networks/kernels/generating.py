"""The compiled pointwise functions of a device, made of its own methods.

SymPy's symbols go through the methods in place of states, drive and parameters; what comes out is
differentiated and written down as two functions on vectors of neurons, see ``Pointwise``. What
depends on parameters alone is a constant of every neuron, computed in float64. Where there is no
``flow``, a step is one of the classical Runge-Kutta method, with its tangents stage by stage.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import sympy  # type: ignore[import-untyped]
from numpy.typing import NDArray

from hpo.objectives.networks.kernels import elementary, simd
from hpo.objectives.networks.kernels.compiling import INTEGER, NUMBER, POINTER, pointwise

Array = NDArray[np.float64]
WIDTH = 16
"""Neurons of a vector."""
_COMPILES = threading.Lock()
_GENERATED: dict[Any, Pointwise] = {}

_FUNCTIONS = {name: name for name in ("tanh", "exp", "log", "sin", "cos", "sigmoid")}
_FUNCTIONS["Abs"] = "absolute"
"""SymPy's name of a function, and ours."""
_NAMES = {**vars(simd), **vars(elementary), "__name__": __name__}
_PLACES = "groups, group_stride, repeats, repeat_stride, row"
_ADVANCE = f"""\
def advance(states, drive, constants, noise, now, before, value, kept, newest, older, oldest,
            {_PLACES}, jump):
"""
_PULL = f"""\
def pull(kept, adjoints, pulled0, pulled1, pulled2, entering, constants, drive_adjoint,
         newest, older, oldest, {_PLACES}, enters, jump):
"""
_OF_ADVANCE = (*[POINTER] * 8, *[NUMBER] * 3, *[INTEGER] * 6)
_OF_PULL = (*[POINTER] * 8, *[NUMBER] * 3, *[INTEGER] * 7)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pointwise:
    """A step of the neurons of one device under their drives, and its adjoint, compiled.

    It is a ``kernel.Pointwise``.

    ``advance`` takes states and drive (1/ns) through a step and, if ``jump`` is not 0, through a
    jump of noise; it leaves the outputs after it in ``before``, which held those one step before,
    their mean over the next step in ``value``, and the slopes that ``pull`` needs in ``kept``;
    ``advance_only`` keeps none. ``pull`` takes the adjoints of the states from after the step to
    before it, the outputs having that of ``entering`` and of three ``pulled``, weighted; it
    writes that of the drive. Constants are those of ``constants``, in vectors of 16 neurons.
    """

    per_step = False

    device: Any
    text: str
    """Of all three functions."""
    n_kept: int
    expressions: Sequence[Any]
    """The constants, by parameters, step and noise."""
    _functions: dict[str, Any] = field(default_factory=dict, repr=False)
    """With them goes their code."""

    @property
    def n_states(self) -> int:
        """State variables of a neuron."""
        return len(self.device.states)

    @property
    def parts(self) -> int:
        """Normal numbers of a jump."""
        return int(self.device.noise_parts)

    @cached_property
    def advance(self) -> int:
        """Where the function is that keeps slopes."""
        return self._compiled("advance", _OF_ADVANCE)

    @cached_property
    def advance_only(self) -> int:
        """The same without slopes."""
        return self._compiled("advance_only", _OF_ADVANCE)

    @cached_property
    def pull(self) -> int:
        """The adjoint of ``advance``."""
        return self._compiled("pull", _OF_PULL)

    def _compiled(self, name: str, parameters: tuple[Any, ...]) -> int:
        with _COMPILES:  # of the threads that need it, the first one compiles it
            if name not in self._functions:
                made: dict[str, Any] = {**_NAMES}
                exec(self.text, made)
                self._functions[name] = pointwise(*parameters, text=self.text)(made[name])
            return self._functions[name].address or 0

    @cached_property
    def _evaluate(self) -> Callable[..., Any]:
        names = [*map(_parameter, self.device.parameters), _STEP, _DEVIATION]
        own = {"sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)}
        found: Callable[..., Any] = sympy.lambdify(names, self.expressions, [own, "numpy"])
        return found

    def constants(self, neurons: Any, step_ns: float, deviation: float) -> Array:
        """What depends on parameters alone, (constants, neurons).

        Args:
            neurons: an ``NeuronValues``.
            step_ns: length of a step.
            deviation: standard deviation of a jump over that of noise in 1 ns.
        """
        own = [neurons.values[name] for name in self.device.parameters]
        noise = deviation * neurons.noise_per_sqrt_ns
        found = np.empty((len(self.expressions), len(noise)))
        for row, value in zip(found, self._evaluate(*own, step_ns, noise), strict=True):
            row[:] = value
        return found

    def rest(self, neurons: Any) -> Array:
        """States at the beginning, and then the output, (states + 1, neurons)."""
        own, drive = self.device.with_values(**neurons.values), neurons.fixed_drive
        states = [drive * 0.0 + one for one in own.every("rest_under", drive)]
        return np.array([*states, drive * 0.0 + own.output(*states)])


def generate_steps(device: Any, *, by_flow: bool) -> Pointwise:
    """The functions of a device: integrated by its ``flow``, or by its ``rate``.

    Raises:
        ValueError: a method of the device is no expression.
    """
    key = (type(device), by_flow, repr(sorted(device.choices().items())))
    if key not in _GENERATED:
        _GENERATED.setdefault(key, _generated(device.bare(), by_flow))
    return _GENERATED[key]


def _generated(device: Any, by_flow: bool) -> Pointwise:
    traced = _Traced(device, by_flow)
    parts = [_ADVANCE + traced.advance(keep=True), _PULL + traced.pull()]
    only = _ADVANCE.replace("advance(", "advance_only(")
    text = "\n".join([*parts, only + traced.advance(keep=False)])
    return Pointwise(
        device=device, text=text, n_kept=len(traced.kept), expressions=traced.constants.expressions
    )


# --- what a device computes, as expressions -------------------------------------------------------


def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


def _parameter(name: str) -> Any:
    return _symbol(f"p_{name}")


_STEP, _DEVIATION, _DRIVE = (_symbol(name) for name in ("step", "deviation", "drive_now"))


@dataclass
class _Constants:
    """Expressions of parameters alone, each a constant ``k0``, ``k1`` ... of a neuron."""

    fixed: set[Any]
    """Symbols of parameters and constants."""
    found: dict[Any, Any] = field(default_factory=dict)
    """Expression of parameters -> symbol."""
    meaning: dict[Any, Any] = field(default_factory=dict)

    @property
    def expressions(self) -> list[Any]:
        """In order."""
        return list(self.found)

    def constant(self, expression: Any) -> Any:
        """The symbol of an expression of parameters, constants and numbers."""
        whole = expression.xreplace(self.meaning)
        if whole not in self.found:
            symbol = _symbol(f"k{len(self.found)}")
            self.found[whole], self.meaning[symbol] = symbol, whole
            self.fixed.add(symbol)
        return self.found[whole]

    def hoisted(self, expression: Any) -> Any:
        """An expression with a symbol for each part that depends on parameters alone."""
        free = expression.free_symbols
        if not free:
            is_exact = expression.is_Rational or not expression.is_number
            return expression if is_exact else sympy.Float(expression, 17)
        if free <= self.fixed and isinstance(expression, sympy.Expr):
            return expression if expression in self.meaning else self.constant(expression)
        if not expression.args:
            return expression
        own = [a for a in expression.args if a.free_symbols <= self.fixed]
        if isinstance(expression, sympy.Add | sympy.Mul) and any(a.free_symbols for a in own):
            rest = [self.hoisted(a) for a in expression.args if a not in own]
            return expression.func(self.hoisted(expression.func(*own)), *rest)
        return expression.func(*map(self.hoisted, expression.args))


class _Traced:
    """Definitions, symbol by symbol, of a step, a jump and an output with their slopes."""

    def __init__(self, device: Any, by_flow: bool) -> None:
        self._device, self._states = device, range(len(device.states))
        named = {name: _parameter(name) for name in device.parameters}
        self._own = device.with_values(**named)
        self.constants = _Constants({*named.values(), _STEP, _DEVIATION})
        self._defined: dict[Any, Any] = {}
        before = sympy.Matrix([_symbol(f"x{i}") for i in self._states])
        after, slopes = (self._by_flow if by_flow else self._by_rate)(before)
        kicked, kicked_slopes = self._kick(after, slopes)
        # a name for each: the same after a step and after a step with a jump
        self._step = {f"after{i}": one for i, one in enumerate(after)}
        self._jump = {f"after{i}": one for i, one in enumerate(kicked)}
        final = sympy.Matrix([_symbol(name) for name in self._step])
        output = self._called("output", *final)
        self._output = self._all("y", output)[0]
        outward = self._all("o", output.jacobian(final))
        names = [f"j{i}{v}" for i in self._states for v in [*self._states, "d"]]
        self._entries = dict(zip(names, zip(slopes, kicked_slopes, strict=True), strict=True))
        outputs = {f"o{i}": one for i, one in enumerate(outward)}
        self.kept = [name for name, pair in self._entries.items() if not self._same(*pair)]
        self.kept += [name for name, one in outputs.items() if not self._same(one, one)]
        self._slopes = {name: one for name, (one, _) in self._entries.items()} | outputs

    def _same(self, one: Any, other: Any) -> bool:
        """Whether they are one constant."""
        return bool(one == other) and (not one.free_symbols or one in self.constants.meaning)

    def _called(self, hook: str, *states: Any, **more: Any) -> Any:
        """What a method gives of symbols, a column."""
        try:
            if hook == "output":
                return sympy.Matrix([sympy.sympify(self._own.output(*states))])
            return sympy.Matrix([*map(sympy.sympify, self._own.every(hook, *states, **more))])
        except (AttributeError, TypeError, sympy.SympifyError) as error:
            text = " ".join(str(error).split())
            raise ValueError(
                f"{type(self._device).__name__}.{hook}: expected an expression that SymPy can "
                f"differentiate, got {type(error).__name__}: {text}. Use tanh, exp, ... from "
                "hpo.objectives.device, not from math, numpy or torch, and its where(condition, a, "
                "b) instead of `if`."
            ) from error

    def _all(self, name: str, found: Any) -> Any:
        """A matrix with a symbol for each entry, or what that is if it is constant."""
        return sympy.Matrix(*found.shape, lambda i, v: self._let(f"{name}{i}_{v}", found[i, v]))

    def _let(self, name: str, expression: Any) -> Any:
        found = self.constants.hoisted(expression)
        if self._same(found, found) or found.is_Symbol:
            return found
        symbol = _symbol(name)
        self._defined[symbol] = found
        return symbol

    def _by_flow(self, x: Any) -> tuple[Any, Any]:
        found = self._called("flow", *x, drive=_DRIVE, dt_ns=_STEP)
        return self._all("a", found), self._all("s", found.jacobian([*x, _DRIVE]))

    def _by_rate(self, x: Any) -> tuple[Any, Any]:
        """Runge-Kutta, in units of a step; tangents are those along each state and the drive."""
        here = sympy.Matrix([_symbol(f"at{i}") for i in self._states])
        rate = _STEP * self._called("rate", *here, _DRIVE)
        by_state, by_drive = rate.jacobian(here), rate.diff(_DRIVE)
        start = sympy.eye(len(x)).row_join(sympy.zeros(len(x), 1))
        at, tangent, moved, turned = x, start, 0 * x, 0 * start
        for stage, (weight, reach) in enumerate(_STAGES):
            places = dict(zip(here, at, strict=True))
            k = self._all(f"r{stage}_", rate.xreplace(places))
            slopes = self._all(f"p{stage}_", by_state.xreplace(places)) * tangent
            slopes[:, -1] += self._all(f"d{stage}_", by_drive.xreplace(places))
            slopes = self._all(f"q{stage}_", slopes)
            moved, turned = moved + weight * k, turned + weight * slopes
            at = self._all(f"x{stage}_", x + reach * k)
            tangent = self._all(f"t{stage}_", start + reach * slopes)
        return self._all("a", x + moved), self._all("s", start + turned)

    def _kick(self, after: Any, slopes: Any) -> tuple[Any, Any]:
        here = sympy.Matrix([_symbol(f"at{i}") for i in self._states])
        parts = tuple(_DEVIATION * _symbol(f"n{p}") for p in range(self._device.noise_parts))
        found = self._called("kick", *here, noise=parts if len(parts) > 1 else parts[0])
        places = dict(zip(here, after, strict=True))
        turned = found.jacobian(here).xreplace(places) * slopes
        return self._all("b", found.xreplace(places)), self._all("u", turned)

    # --- as text ---

    def advance(self, *, keep: bool) -> str:
        """The body of ``advance``."""
        writer = _Writer(self._defined)
        writer.lines += [f"x{i} = load(states, {i} * row + at, {WIDTH})" for i in self._states]
        writer.lines += [f"drive_now = load(drive, at, {WIDTH})"]
        kept = [name for name in self._entries if keep and name in self.kept]
        writer.assign(self._lanes({**self._step, **{n: self._entries[n][0] for n in kept}}))
        jump = writer.branch()
        for p in range(self._device.noise_parts):
            jump.lines += [f"n{p} = load(noise, {p} * row + at, {WIDTH})"]
        jump.assign(self._lanes({**self._jump, **{n: self._entries[n][1] for n in kept}}))
        writer.lines += ["if jump != 0:", *("    " + line for line in jump.lines)]
        outputs = [name for name in self._slopes if keep and name in {*self.kept} - {*kept}]
        writer.assign(self._lanes({"y": self._output, **{n: self._slopes[n] for n in outputs}}))
        mean = f"fma(older, load(now, at, {WIDTH}), oldest * load(before, at, {WIDTH}))"
        writer.lines += [
            f"store(value, at, fma(newest, y, {mean}))",
            "store(before, at, y)",
            *(f"store(states, {i} * row + at, after{i})" for i in self._states),
            *(f"store(kept, {n} * row + at, {k})" for n, k in enumerate(self.kept) if keep),
        ]
        return self._looped(writer.lines)

    def pull(self) -> str:
        """The body of ``pull``."""
        writer = _Writer({})
        writer.lines += [
            *(f"{k} = load(kept, {n} * row + at, {WIDTH})" for n, k in enumerate(self.kept)),
            f"g = fma(older, load(pulled1, at, {WIDTH}), oldest * load(pulled2, at, {WIDTH}))",
            f"g = fma(newest, load(pulled0, at, {WIDTH}), g)",
            *(f"m{i} = load(adjoints, {i} * row + at, {WIDTH})" for i in self._states),
            "if enters == 1:",
            f"    g = g + load(entering, at, {WIDTH})",
            "elif enters == 2:",
            f"    m0 = m0 + load(entering, at, {WIDTH})",
        ]
        own = {n: _symbol(n) if n in self.kept else one for n, one in self._slopes.items()}
        writer.assign(
            {f"t{i}": _symbol(f"m{i}") + own[f"o{i}"] * _symbol("g") for i in self._states}
        )
        sums = {
            f"w{v}": sum(_symbol(f"t{i}") * own[f"j{i}{v}"] for i in self._states)
            for v in [*self._states, "d"]
        }
        writer.assign(self._lanes(sums))
        writer.lines += [
            *(f"store(adjoints, {j} * row + at, w{j})" for j in self._states),
            "store(drive_adjoint, at, wd)",
        ]
        return self._looped(writer.lines)

    def _lanes(self, named: dict[str, Any]) -> dict[str, Any]:
        """The same, numbers among them as constants."""
        return {
            name: self.constants.constant(own) if own.is_Number else own
            for name, own in ((name, sympy.sympify(one)) for name, one in named.items())
        }

    def _looped(self, body: list[str]) -> str:
        """With the constants that it names, for all vectors of neurons."""
        words = set(re.findall(r"\w+", "\n".join(body)))
        loads = [
            f"    {name} = load(constants, ({k} * groups + group) * {WIDTH}, {WIDTH})"
            for k, name in enumerate(map(str, self.constants.meaning))
            if name in words
        ]
        head = ["for group in range(groups):", *loads, "    at = group * group_stride"]
        inner = [*body, "at += repeat_stride"]
        whole = [*head, "    for _ in range(repeats):", *("        " + line for line in inner)]
        return "\n".join("    " + line for line in whole) + "\n"


_STAGES = [
    (sympy.Rational(1, 6), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Integer(1)),
    (sympy.Rational(1, 6), sympy.Integer(0)),
]
"""Weight of a slope in the step, and how far it is followed to the next one."""


class _Writer:
    """Expressions as statements on vectors, none computed twice."""

    def __init__(self, defined: Mapping[Any, Any], names: Iterator[int] | None = None) -> None:
        self.lines: list[str] = []
        self._defined, self._names = defined, names or count()
        self._known: dict[str, str] = {}

    def branch(self) -> _Writer:
        """What is written under a condition: it knows what is known here."""
        other = _Writer(self._defined, self._names)
        other._known = dict(self._known)
        return other

    def assign(self, named: Mapping[str, Any]) -> None:
        """Write all, then give them names."""
        found = {name: self._of(one) for name, one in named.items()}
        self.lines += [f"{name} = {one}" for name, one in found.items()]

    def _is(self, text: str) -> str:
        """The name of what a text computes."""
        if text not in self._known:
            self._known[text] = name = f"v{next(self._names)}"
            self.lines.append(f"{name} = {text}")
        return self._known[text]

    def _of(self, expression: Any) -> str:
        """The name of an expression, or the number that it is."""
        if expression in self._defined:
            return self._of(self._defined[expression])
        if expression.is_Symbol:
            return str(expression)
        if expression.is_Number:
            return repr(float(expression))
        if expression.is_Add:
            return self._sum(expression)
        if expression.is_Mul:
            return self._product(expression)
        if expression.is_Pow:
            return self._power(*expression.as_base_exp())
        if expression.is_Piecewise:
            return self._choice(list(expression.args))
        name = type(expression).__name__
        if name == "sign":
            return self._is(f"copysign(1.0, {self._of(expression.args[0])})")
        if name not in _FUNCTIONS:
            known = ", ".join(_FUNCTIONS.values())
            raise ValueError(
                f"device: expected functions that kernels support ({known}, sqrt, where), got "
                f"{name}. Use one of these."
            )
        return self._is(f"{_FUNCTIONS[name]}({self._of(expression.args[0])})")

    def _sum(self, expression: Any) -> str:
        """Terms that are no products first, then one fused multiply-add after the other."""
        total, products = "", []
        for term in expression.args:
            number, rest = term.as_coeff_Mul()
            if rest.is_Mul or number not in (1, -1):
                products.append((number, rest))
                continue
            own = self._of(rest)
            if number == 1:
                total = self._is(f"{total} + {own}") if total else own
            else:
                total = self._is(f"{total} - {own}") if total else self._is(f"-{own}")
        for number, rest in products:
            numerator, denominator = sympy.fraction(rest)
            factors = [*sympy.Mul.make_args(numerator)]
            if denominator != 1 or not total:
                own = self._product(number * rest)
                total = self._is(f"{total} + {own}") if total else own
                continue
            if number not in (1, -1):
                factors.append(number)
            a = self._of(sympy.Mul(*factors[:-1]))
            a = self._is(f"-{a}") if number == -1 else a
            total = self._is(f"fma({a}, {self._of(factors[-1])}, {total})")
        return total

    def _product(self, expression: Any) -> str:
        number, rest = expression.as_coeff_Mul()
        numerator, denominator = sympy.fraction(rest)
        factors = [self._of(one) for one in sympy.Mul.make_args(numerator) if one != 1]
        if abs(number) != 1:
            factors.insert(0, repr(float(number)))
        elif number == -1 and factors:
            factors[0] = self._is(f"-{factors[0]}")
        found = factors[0] if factors else repr(float(number))
        for own in factors[1:]:
            found = self._is(f"{found} * {own}")
        return found if denominator == 1 else self._is(f"{found} / {self._of(denominator)}")

    def _power(self, base: Any, exponent: Any) -> str:
        if exponent.is_Integer and exponent > 0:
            own, n = self._of(base), int(exponent)
            if n == 1:
                return own
            half = self._power(base, sympy.Integer(n // 2))
            square = self._is(f"{half} * {half}")
            return self._is(f"{square} * {own}") if n % 2 else square
        if exponent.could_extract_minus_sign():
            return self._is(f"1.0 / {self._of(base**-exponent)}")
        if (2 * exponent).is_Integer:
            root = self._is(f"square_root({self._of(base)})")
            whole = base ** (exponent - sympy.Rational(1, 2))
            return root if whole == 1 else self._is(f"{self._of(whole)} * {root}")
        return self._is(f"power({self._of(base)}, {self._of(exponent)})")

    def _choice(self, pieces: list[Any]) -> str:
        """The value of the first piece whose condition holds."""
        (value, condition), *others = pieces
        if condition == True or not others:  # noqa: E712 -- SymPy's
            return self._of(value)
        return self._select(condition, self._of(value), self._choice(others))

    def _select(self, condition: Any, then: str, otherwise: str) -> str:
        if condition in (sympy.true, sympy.false):
            return then if condition else otherwise
        if isinstance(condition, sympy.ITE):
            which, one, other = condition.args
            chosen = (self._select(own, then, otherwise) for own in (one, other))
            return self._select(which, *chosen)
        if isinstance(condition, sympy.And | sympy.Or):
            first, *others = condition.args
            rest = self._select(condition.func(*others), then, otherwise) if others else then
            return self._select(
                first, *((rest, otherwise) if isinstance(condition, sympy.And) else (then, rest))
            )
        if isinstance(condition, sympy.Not):
            return self._select(condition.args[0], otherwise, then)
        if not isinstance(
            condition,
            sympy.StrictLessThan | sympy.StrictGreaterThan | sympy.LessThan | sympy.GreaterThan,
        ):
            raise ValueError(
                f"device: expected a comparison by <, <=, > or >= in `where`, got {condition}. Use "
                "one of these."
            )
        low, high = self._of(condition.lts), self._of(condition.gts)
        if isinstance(condition, sympy.LessThan | sympy.GreaterThan):
            return self._is(f"where_less({high}, {low}, {otherwise}, {then})")
        return self._is(f"where_less({low}, {high}, {then}, {otherwise})")

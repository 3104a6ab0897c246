"""Generate the compiled steps of a device from its own methods.

The methods get SymPy's symbols in place of states, drive and parameters. Their results
are differentiated and written as two functions on vectors of neurons, see
``Pointwise``. Expressions of parameters alone become constants of every neuron,
computed in float64. Without a ``flow``, a step is one of the classical Runge-Kutta
method, with tangents stage by stage.
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

from . import elementary, simd
from .compiling import compile_step

Array = NDArray[np.float64]
WIDTH = 16
"""Neurons in a vector."""
_COMPILES = threading.Lock()
_GENERATED: dict[Any, Pointwise] = {}

_FUNCTIONS = {name: name for name in ("tanh", "exp", "log", "sin", "cos", "sigmoid")}
_FUNCTIONS["Abs"] = "absolute"
"""SymPy's name of a function -> ours."""
_NAMES = {**vars(simd), **vars(elementary), "__name__": __name__}
_ADVANCE = """\
def {name}(arrays, extrapolation, walk, events):
    states, drive, constants, noise, now, before, value, kept = arrays
    newest, older, oldest = extrapolation
    groups, group_stride, repeats, repeat_stride, row = walk
    enters, jump = events
"""
_PULL = """\
def pull(arrays, extrapolation, walk, events):
    kept, adjoints, pulled0, pulled1, pulled2, entering, constants, drive_adjoint = arrays
    newest, older, oldest = extrapolation
    groups, group_stride, repeats, repeat_stride, row = walk
    enters, jump = events
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pointwise:
    """A compiled step of the neurons of one device, and its adjoint: a
    ``kernel.Pointwise``.

    ``advance`` takes states and drive (1/ns) through a step and, if ``jump`` is not 0,
    through a jump of noise. It writes the outputs after the step to ``before``, in
    place of those one step earlier, their mean over the next step to ``value``, and the
    slopes for ``pull`` to ``kept``. ``advance_only`` keeps no slopes.

    ``pull`` takes the adjoints of the states from the end of the step to its start, and
    writes that of the drive. The adjoint of the outputs is ``entering`` plus three
    weighted ``pulled``. Constants are those of ``constants``, in vectors of 16 neurons.
    """

    per_step = False

    device: Any
    text: str
    """Source of all three functions."""
    n_kept: int
    expressions: Sequence[Any]
    """The constants as expressions of parameters, step and noise."""
    _functions: dict[str, Any] = field(default_factory=dict, repr=False)
    """The compiled functions, which own their code."""

    @property
    def n_states(self) -> int:
        """Number of state variables of a neuron."""
        return len(self.device.states)

    @property
    def parts(self) -> int:
        """Normal numbers per neuron and jump of noise."""
        return int(self.device.noise_parts)

    @cached_property
    def advance(self) -> int:
        """Address of the step that keeps slopes."""
        return self._compile("advance")

    @cached_property
    def advance_only(self) -> int:
        """Address of the step that keeps none."""
        return self._compile("advance_only")

    @cached_property
    def pull(self) -> int:
        """Address of the adjoint of ``advance``."""
        return self._compile("pull")

    def _compile(self, name: str) -> int:
        with _COMPILES:  # the first thread compiles, the others wait
            if name not in self._functions:
                names: dict[str, Any] = {**_NAMES}
                exec(self.text, names)
                self._functions[name] = compile_step(names[name], self.text)
            return int(self._functions[name].address)

    @cached_property
    def _evaluate(self) -> Callable[..., Any]:
        names = [*map(_parameter, self.device.parameters), _STEP, _DEVIATION]
        ours = {"sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x)}
        function: Callable[..., Any] = sympy.lambdify(
            names, self.expressions, [ours, "numpy"]
        )
        return function

    def constants(self, neurons: Any, step_ns: float, deviation: float) -> Array:
        """Return the constants of the neurons, (constants, neurons), float64.

        Args:
            neurons: a ``kernel.NeuronValues``.
            step_ns: length of a step.
            deviation: standard deviation of a jump over that of the noise in 1 ns.
        """
        values = [neurons.values[name] for name in self.device.parameters]
        noise = deviation * neurons.noise_per_sqrt_ns
        constants = np.empty((len(self.expressions), len(noise)))
        for row, value in zip(
            constants, self._evaluate(*values, step_ns, noise), strict=True
        ):
            row[:] = value
        return constants

    def rest(self, neurons: Any) -> Array:
        """Return the initial states and the initial output, (states + 1, neurons)."""
        device, drive = self.device.with_values(**neurons.values), neurons.fixed_drive
        states = [drive * 0.0 + state for state in device.every("rest_under", drive)]
        return np.array([*states, drive * 0.0 + device.output(*states)])


def generate_steps(device: Any, *, by_flow: bool) -> Pointwise:
    """Generate the functions of a device, integrated by its ``flow`` or by its
    ``rate``.

    Raises:
        ValueError: a method of the device does not return an expression.
    """
    key = (type(device), by_flow, repr(sorted(device.choices().items())))
    if key not in _GENERATED:
        _GENERATED.setdefault(key, _generate(device.bare(), by_flow))
    return _GENERATED[key]


def _generate(device: Any, by_flow: bool) -> Pointwise:
    trace = _Trace(device, by_flow)
    parts = [
        _ADVANCE.format(name="advance") + trace.advance(keep=True),
        _ADVANCE.format(name="advance_only") + trace.advance(keep=False),
        _PULL + trace.pull(),
    ]
    return Pointwise(
        device=device,
        text="\n".join(parts),
        n_kept=len(trace.kept),
        expressions=trace.constants.expressions,
    )


# --- the methods of a device, as expressions ---


def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


def _parameter(name: str) -> Any:
    return _symbol(f"p_{name}")


_STEP, _DEVIATION, _DRIVE = (
    _symbol(name) for name in ("step", "deviation", "drive_now")
)


@dataclass
class _Constants:
    """Constants ``k0``, ``k1`` ... of a neuron: expressions of its parameters alone."""

    fixed: set[Any]
    """Symbols of parameters and constants."""
    symbols: dict[Any, Any] = field(default_factory=dict)
    """Expression of parameters -> symbol of the constant."""
    meaning: dict[Any, Any] = field(default_factory=dict)
    """Symbol of a constant -> expression of parameters."""

    @property
    def expressions(self) -> list[Any]:
        """The expressions of the constants, in order."""
        return list(self.symbols)

    def constant(self, expression: Any) -> Any:
        """Return the symbol of an expression of parameters, constants and numbers."""
        whole = expression.xreplace(self.meaning)
        if whole not in self.symbols:
            symbol = _symbol(f"k{len(self.symbols)}")
            self.symbols[whole], self.meaning[symbol] = symbol, whole
            self.fixed.add(symbol)
        return self.symbols[whole]

    def hoist(self, expression: Any) -> Any:
        """Replace each part of an expression that depends on parameters alone by its
        constant."""
        free = expression.free_symbols
        if not free:
            is_exact = expression.is_Rational or not expression.is_number
            return expression if is_exact else sympy.Float(expression, 17)
        if free <= self.fixed and isinstance(expression, sympy.Expr):
            return (
                expression if expression in self.meaning else self.constant(expression)
            )
        if not expression.args:
            return expression
        fixed = [a for a in expression.args if a.free_symbols <= self.fixed]
        if isinstance(expression, sympy.Add | sympy.Mul) and any(
            a.free_symbols for a in fixed
        ):
            rest = [self.hoist(a) for a in expression.args if a not in fixed]
            return expression.func(self.hoist(expression.func(*fixed)), *rest)
        return expression.func(*map(self.hoist, expression.args))


class _Trace:
    """Definitions of a step, a jump and an output with their slopes, symbol by
    symbol."""

    def __init__(self, device: Any, by_flow: bool) -> None:
        self._device, self._states = device, range(len(device.states))
        named = {name: _parameter(name) for name in device.parameters}
        self._symbolic = device.with_values(**named)
        self.constants = _Constants({*named.values(), _STEP, _DEVIATION})
        self._defined: dict[Any, Any] = {}
        before = sympy.Matrix([_symbol(f"x{i}") for i in self._states])
        after, slopes = (self._by_flow if by_flow else self._by_rate)(before)
        kicked, kicked_slopes = self._kick(after, slopes)
        # one name for each state after a step, with or without a jump
        self._step = {f"after{i}": state for i, state in enumerate(after)}
        self._jump = {f"after{i}": state for i, state in enumerate(kicked)}
        final = sympy.Matrix([_symbol(name) for name in self._step])
        output = self._call("output", *final)
        self._output = self._define_all("y", output)[0]
        outward = self._define_all("o", output.jacobian(final))
        names = [f"j{i}{v}" for i in self._states for v in [*self._states, "d"]]
        self._entries = dict(
            zip(names, zip(slopes, kicked_slopes, strict=True), strict=True)
        )
        outputs = {f"o{i}": slope for i, slope in enumerate(outward)}
        self.kept = [
            name for name, pair in self._entries.items() if not self._are_one(*pair)
        ]
        self.kept += [
            name for name, slope in outputs.items() if not self._are_one(slope, slope)
        ]
        self._slopes = {
            name: slope for name, (slope, _) in self._entries.items()
        } | outputs

    def _are_one(self, one: Any, other: Any) -> bool:
        """Tell whether two expressions are one constant."""
        return bool(one == other) and (
            not one.free_symbols or one in self.constants.meaning
        )

    def _call(self, hook: str, *states: Any, **more: Any) -> Any:
        """Call a method of the device with symbols, and return its values as a
        column."""
        try:
            if hook == "output":
                return sympy.Matrix([sympy.sympify(self._symbolic.output(*states))])
            return sympy.Matrix(
                [*map(sympy.sympify, self._symbolic.every(hook, *states, **more))]
            )
        except (AttributeError, TypeError, sympy.SympifyError) as error:
            text = " ".join(str(error).split())
            raise ValueError(
                f"{type(self._device).__name__}.{hook}: expected an expression that"
                f" SymPy can differentiate, got {type(error).__name__}: {text}. Use"
                " tanh, exp, ... from hpo.objectives.devices.device, not from math, numpy or"
                " torch, and its where(condition, a, b) instead of `if`."
            ) from error

    def _define_all(self, name: str, matrix: Any) -> Any:
        """Return a matrix with a symbol for each entry that is not constant."""
        define = self._define
        return sympy.Matrix(
            *matrix.shape, lambda i, v: define(f"{name}{i}_{v}", matrix[i, v])
        )

    def _define(self, name: str, expression: Any) -> Any:
        reduced = self.constants.hoist(expression)
        if self._are_one(reduced, reduced) or reduced.is_Symbol:
            return reduced
        symbol = _symbol(name)
        self._defined[symbol] = reduced
        return symbol

    def _by_flow(self, x: Any) -> tuple[Any, Any]:
        after = self._call("flow", *x, drive=_DRIVE, dt_ns=_STEP)
        return self._define_all("a", after), self._define_all(
            "s", after.jacobian([*x, _DRIVE])
        )

    def _by_rate(self, x: Any) -> tuple[Any, Any]:
        """Take a step of Runge-Kutta; its tangents are along each state and the
        drive."""
        here = sympy.Matrix([_symbol(f"at{i}") for i in self._states])
        rate = _STEP * self._call("rate", *here, _DRIVE)
        by_state, by_drive = rate.jacobian(here), rate.diff(_DRIVE)
        start = sympy.eye(len(x)).row_join(sympy.zeros(len(x), 1))
        at, tangent, moved, turned = x, start, 0 * x, 0 * start
        for stage, (weight, reach) in enumerate(_STAGES):
            places = dict(zip(here, at, strict=True))
            k = self._define_all(f"r{stage}_", rate.xreplace(places))
            slopes = self._define_all(f"p{stage}_", by_state.xreplace(places)) * tangent
            slopes[:, -1] += self._define_all(f"d{stage}_", by_drive.xreplace(places))
            slopes = self._define_all(f"q{stage}_", slopes)
            moved, turned = moved + weight * k, turned + weight * slopes
            at = self._define_all(f"x{stage}_", x + reach * k)
            tangent = self._define_all(f"t{stage}_", start + reach * slopes)
        return self._define_all("a", x + moved), self._define_all("s", start + turned)

    def _kick(self, after: Any, slopes: Any) -> tuple[Any, Any]:
        here = sympy.Matrix([_symbol(f"at{i}") for i in self._states])
        parts = tuple(
            _DEVIATION * _symbol(f"n{p}") for p in range(self._device.noise_parts)
        )
        kicked = self._call("kick", *here, noise=parts if len(parts) > 1 else parts[0])
        places = dict(zip(here, after, strict=True))
        turned = kicked.jacobian(here).xreplace(places) * slopes
        return self._define_all("b", kicked.xreplace(places)), self._define_all(
            "u", turned
        )

    # --- as text ---

    def advance(self, *, keep: bool) -> str:
        """Write the body of ``advance``."""
        writer = _Writer(self._defined)
        writer.lines += [
            f"x{i} = load(states, {i} * row + at, {WIDTH})" for i in self._states
        ]
        writer.lines += [f"drive_now = load(drive, at, {WIDTH})"]
        kept = [name for name in self._entries if keep and name in self.kept]
        writer.assign(
            self._lanes({**self._step, **{n: self._entries[n][0] for n in kept}})
        )
        jump = writer.branch()
        for p in range(self._device.noise_parts):
            jump.lines += [f"n{p} = load(noise, {p} * row + at, {WIDTH})"]
        jump.assign(
            self._lanes({**self._jump, **{n: self._entries[n][1] for n in kept}})
        )
        writer.lines += ["if jump != 0:", *("    " + line for line in jump.lines)]
        outputs = [
            name for name in self._slopes if keep and name in {*self.kept} - {*kept}
        ]
        writer.assign(
            self._lanes({"y": self._output, **{n: self._slopes[n] for n in outputs}})
        )
        mean = f"fma(older, load(now, at, {WIDTH}), oldest * load(before, at, {WIDTH}))"
        writer.lines += [
            f"store(value, at, fma(newest, y, {mean}))",
            "store(before, at, y)",
            *(f"store(states, {i} * row + at, after{i})" for i in self._states),
            *(
                f"store(kept, {n} * row + at, {k})"
                for n, k in enumerate(self.kept)
                if keep
            ),
        ]
        return self._loop(writer.lines)

    def pull(self) -> str:
        """Write the body of ``pull``."""
        writer = _Writer({})
        writer.lines += [
            *(
                f"{k} = load(kept, {n} * row + at, {WIDTH})"
                for n, k in enumerate(self.kept)
            ),
            (
                f"g = fma(older, load(pulled1, at, {WIDTH}), oldest * load(pulled2, at,"
                f" {WIDTH}))"
            ),
            f"g = fma(newest, load(pulled0, at, {WIDTH}), g)",
            *(f"m{i} = load(adjoints, {i} * row + at, {WIDTH})" for i in self._states),
            "if enters == 1:",
            f"    g = g + load(entering, at, {WIDTH})",
            "elif enters == 2:",
            f"    m0 = m0 + load(entering, at, {WIDTH})",
        ]
        slopes = {
            n: _symbol(n) if n in self.kept else one for n, one in self._slopes.items()
        }
        writer.assign(
            {
                f"t{i}": _symbol(f"m{i}") + slopes[f"o{i}"] * _symbol("g")
                for i in self._states
            }
        )
        sums = {
            f"w{v}": sum(_symbol(f"t{i}") * slopes[f"j{i}{v}"] for i in self._states)
            for v in [*self._states, "d"]
        }
        writer.assign(self._lanes(sums))
        writer.lines += [
            *(f"store(adjoints, {j} * row + at, w{j})" for j in self._states),
            "store(drive_adjoint, at, wd)",
        ]
        return self._loop(writer.lines)

    def _lanes(self, named: dict[str, Any]) -> dict[str, Any]:
        """Replace numbers by constants, which have lanes."""
        values = {name: sympy.sympify(value) for name, value in named.items()}
        return {
            name: self.constants.constant(value) if value.is_Number else value
            for name, value in values.items()
        }

    def _loop(self, body: list[str]) -> str:
        """Loop a body over all vectors of neurons, and load the constants that it
        names."""
        words = set(re.findall(r"\w+", "\n".join(body)))
        loads = [
            f"    {name} = load(constants, ({k} * groups + group) * {WIDTH}, {WIDTH})"
            for k, name in enumerate(map(str, self.constants.meaning))
            if name in words
        ]
        head = ["for group in range(groups):", *loads, "    at = group * group_stride"]
        inner = [*body, "at += repeat_stride"]
        whole = [
            *head,
            "    for _ in range(repeats):",
            *("        " + line for line in inner),
        ]
        return "\n".join("    " + line for line in whole) + "\n"


_STAGES = [
    (sympy.Rational(1, 6), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Integer(1)),
    (sympy.Rational(1, 6), sympy.Integer(0)),
]
"""Weight of each slope in the step, and the part of the step from there to the next
stage."""


class _Writer:
    """Write expressions as statements on vectors, none of them twice."""

    def __init__(
        self, defined: Mapping[Any, Any], names: Iterator[int] | None = None
    ) -> None:
        self.lines: list[str] = []
        self._defined, self._names = defined, names or count()
        self._variables: dict[str, str] = {}

    def branch(self) -> _Writer:
        """Return a writer for statements under a condition, which may use all names so
        far."""
        other = _Writer(self._defined, self._names)
        other._variables = dict(self._variables)
        return other

    def assign(self, named: Mapping[str, Any]) -> None:
        """Write all expressions, then assign them to their names."""
        variables = {
            name: self._write(expression) for name, expression in named.items()
        }
        self.lines += [f"{name} = {variable}" for name, variable in variables.items()]

    def _variable(self, text: str) -> str:
        """Assign a text to a variable, unless one has it, and return the name of the
        variable."""
        if text not in self._variables:
            self._variables[text] = name = f"v{next(self._names)}"
            self.lines.append(f"{name} = {text}")
        return self._variables[text]

    def _write(self, expression: Any) -> str:
        """Write an expression, and return its variable, or the number that it is."""
        if expression in self._defined:
            return self._write(self._defined[expression])
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
            return self._variable(f"copysign(1.0, {self._write(expression.args[0])})")
        if name not in _FUNCTIONS:
            known = ", ".join(_FUNCTIONS.values())
            raise ValueError(
                f"device: expected functions that kernels support ({known}, sqrt,"
                f" where), got {name}. Use one of these."
            )
        return self._variable(f"{_FUNCTIONS[name]}({self._write(expression.args[0])})")

    def _sum(self, expression: Any) -> str:
        """Write terms that are no products, then one fused multiply-add for each
        product."""
        total, products = "", []
        for term in expression.args:
            number, rest = term.as_coeff_Mul()
            if rest.is_Mul or number not in (1, -1):
                products.append((number, rest))
                continue
            own = self._write(rest)
            if number == 1:
                total = self._variable(f"{total} + {own}") if total else own
            else:
                total = (
                    self._variable(f"{total} - {own}")
                    if total
                    else self._variable(f"-{own}")
                )
        for number, rest in products:
            numerator, denominator = sympy.fraction(rest)
            factors = [*sympy.Mul.make_args(numerator)]
            if denominator != 1 or not total:
                own = self._product(number * rest)
                total = self._variable(f"{total} + {own}") if total else own
                continue
            if number not in (1, -1):
                factors.append(number)
            a = self._write(sympy.Mul(*factors[:-1]))
            a = self._variable(f"-{a}") if number == -1 else a
            total = self._variable(f"fma({a}, {self._write(factors[-1])}, {total})")
        return total

    def _product(self, expression: Any) -> str:
        number, rest = expression.as_coeff_Mul()
        numerator, denominator = sympy.fraction(rest)
        factors = [
            self._write(one) for one in sympy.Mul.make_args(numerator) if one != 1
        ]
        if abs(number) != 1:
            factors.insert(0, repr(float(number)))
        elif number == -1 and factors:
            factors[0] = self._variable(f"-{factors[0]}")
        product = factors[0] if factors else repr(float(number))
        for factor in factors[1:]:
            product = self._variable(f"{product} * {factor}")
        return (
            product
            if denominator == 1
            else self._variable(f"{product} / {self._write(denominator)}")
        )

    def _power(self, base: Any, exponent: Any) -> str:
        if exponent.is_Integer and exponent > 0:
            own, n = self._write(base), int(exponent)
            if n == 1:
                return own
            half = self._power(base, sympy.Integer(n // 2))
            square = self._variable(f"{half} * {half}")
            return self._variable(f"{square} * {own}") if n % 2 else square
        if exponent.could_extract_minus_sign():
            return self._variable(f"1.0 / {self._write(base**-exponent)}")
        if (2 * exponent).is_Integer:
            root = self._variable(f"square_root({self._write(base)})")
            whole = base ** (exponent - sympy.Rational(1, 2))
            return (
                root if whole == 1 else self._variable(f"{self._write(whole)} * {root}")
            )
        return self._variable(f"power({self._write(base)}, {self._write(exponent)})")

    def _choice(self, pieces: list[Any]) -> str:
        """Write a selection of the first piece with a true condition."""
        (value, condition), *others = pieces
        if condition == True or not others:  # noqa: E712 -- SymPy's
            return self._write(value)
        return self._select(condition, self._write(value), self._choice(others))

    def _select(self, condition: Any, then: str, otherwise: str) -> str:
        if condition in (sympy.true, sympy.false):
            return then if condition else otherwise
        if isinstance(condition, sympy.ITE):
            which, one, other = condition.args
            chosen = (self._select(own, then, otherwise) for own in (one, other))
            return self._select(which, *chosen)
        if isinstance(condition, sympy.And | sympy.Or):
            first, *others = condition.args
            rest = (
                self._select(condition.func(*others), then, otherwise)
                if others
                else then
            )
            return self._select(
                first,
                *(
                    (rest, otherwise)
                    if isinstance(condition, sympy.And)
                    else (then, rest)
                ),
            )
        if isinstance(condition, sympy.Not):
            return self._select(condition.args[0], otherwise, then)
        if not isinstance(
            condition,
            sympy.StrictLessThan
            | sympy.StrictGreaterThan
            | sympy.LessThan
            | sympy.GreaterThan,
        ):
            raise ValueError(
                "device: expected a comparison by <, <=, > or >= in `where`, got"
                f" {condition}. Use one of these."
            )
        low, high = self._write(condition.lts), self._write(condition.gts)
        if isinstance(condition, sympy.LessThan | sympy.GreaterThan):
            return self._variable(f"where_less({high}, {low}, {otherwise}, {then})")
        return self._variable(f"where_less({low}, {high}, {then}, {otherwise})")

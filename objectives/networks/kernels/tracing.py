"""Trace the methods of a device: its step, a jump and the output, with their slopes.

The methods get SymPy's symbols in place of states, drive and parameters, and their
results are differentiated. Expressions of parameters alone become constants of every
neuron. Without ``advance_exactly``, a step is one of the classical Runge-Kutta method,
with tangents stage by stage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import sympy  # type: ignore[import-untyped]

from .limiting import KINDS, limit_constants
from .sizes import WIDTH
from .writing import Writer


def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


def parameter_symbol(name: str) -> Any:
    """Return the symbol of a parameter of the device."""
    return _symbol(f"p_{name}")


STEP = _symbol("step")
DEVIATION = _symbol("deviation")
LOW = _symbol("drive_low")
HIGH = _symbol("drive_high")
_DRIVE = _symbol("drive_now")
_RAW = _symbol("raw_drive")
_LIMIT_SLOPE = _symbol("limit_slope")
_STAGES = [
    (sympy.Rational(1, 6), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Rational(1, 2)),
    (sympy.Rational(1, 3), sympy.Integer(1)),
    (sympy.Rational(1, 6), sympy.Integer(0)),
]
"""Weight of each slope in the step, and the part of the step from there to the next
stage."""


@dataclass
class Constants:
    """Constants ``k0``, ``k1`` ... of a neuron: expressions of its parameters alone."""

    fixed: set[Any]
    """Symbols of parameters and constants."""
    symbols: dict[Any, Any] = field(default_factory=dict)
    """Expression of parameters -> symbol of the constant."""
    meaning: dict[Any, Any] = field(default_factory=dict)
    """Symbol of a constant -> expression of parameters, in the order of the rows of
    ``GeneratedSteps.constants``."""

    def symbol_of(self, expression: Any) -> Any:
        """Return the symbol of an expression of parameters, constants and numbers.

        The first request adds it as the next row of ``GeneratedSteps.constants``.
        """
        whole = expression.xreplace(self.meaning)
        if whole not in self.symbols:
            symbol = _symbol(f"k{len(self.symbols)}")
            self.symbols[whole] = symbol
            self.meaning[symbol] = whole
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
            return self.symbol_of(expression)
        if not expression.args:
            return expression
        fixed = [a for a in expression.args if a.free_symbols <= self.fixed]
        joins = isinstance(expression, sympy.Add | sympy.Mul)
        if not joins or not any(a.free_symbols for a in fixed):
            return expression.func(*map(self.hoist, expression.args))
        others = [self.hoist(a) for a in expression.args if a not in fixed]
        return expression.func(self.hoist(expression.func(*fixed)), *others)

    def as_lanes(self, named: dict[str, Any]) -> dict[str, Any]:
        """Replace numbers by constants, which have lanes."""
        lanes = {}
        for name, value in named.items():
            lanes[name] = sympy.sympify(value)
            if lanes[name].is_Number:
                lanes[name] = self.symbol_of(lanes[name])
        return lanes


class StepTrace:
    """Definitions of a step, a jump and an output with their slopes, symbol by symbol.

    Args:
        device: the device.
        exact: integrated by its ``advance_exactly``, not its ``rate``.

    Raises:
        ValueError: a method of the device does not return an expression.
    """

    def __init__(self, device: Any, exact: bool) -> None:
        """Call the methods of the device with symbols."""
        self._device = device
        self._states = range(len(device.states))
        named = {name: parameter_symbol(name) for name in device.parameters}
        self._symbolic = device.with_values(**named)
        self.constants = Constants({*named.values(), STEP, DEVIATION, LOW, HIGH})
        self._defined: dict[Any, Any] = {}
        before = self._column("x")
        if exact:
            after, slopes = self._solve(before)
        else:
            after, slopes = self._integrate(before)
        if device.drive_limit != "none" or device.has_own_limit():
            slopes[:, -1] *= _LIMIT_SLOPE
            slopes = self._define_all("l", slopes)
        noisy, noisy_slopes = self._add_noise(after, slopes)
        # one name for each state after a step, with or without a jump
        self._step = {f"after{i}": state for i, state in enumerate(after)}
        self._jump = {f"after{i}": state for i, state in enumerate(noisy)}
        final = self._column("after")
        output = self._call("output", *final)
        self._output = self._define_all("y", output)[0]
        outward = self._define_all("o", output.jacobian(final))
        self._outward = {f"o{i}": slope for i, slope in enumerate(outward)}
        names = [f"j{i}{v}" for i in self._states for v in [*self._states, "d"]]
        self._slopes = dict(zip(names, slopes, strict=True))
        self._jump_slopes = dict(zip(names, noisy_slopes, strict=True))
        self._kept = [
            name
            for name, slope in self._slopes.items()
            if slope != self._jump_slopes[name] or not self._is_constant(slope)
        ]
        self._kept_outward = [
            name
            for name, slope in self._outward.items()
            if not self._is_constant(slope)
        ]
        self.kept = self._kept + self._kept_outward
        """Names of the slopes that are kept."""

    def _column(self, name: str) -> Any:
        """Return a column of symbols, one for each state."""
        return sympy.Matrix([_symbol(f"{name}{i}") for i in self._states])

    def _is_constant(self, expression: Any) -> bool:
        return not expression.free_symbols or expression in self.constants.meaning

    def _call(self, hook: str, *states: Any, **more: Any) -> Any:
        """Call a method of the device with symbols, and return its values as a
        column."""
        try:
            if hook in ("output", "limit_drive"):
                values = (getattr(self._symbolic, hook)(*states),)
            else:
                values = self._symbolic.every(hook, *states, **more)
            return sympy.Matrix([*map(sympy.sympify, values)])
        except (AttributeError, TypeError, sympy.SympifyError) as error:
            text = " ".join(str(error).split())
            raise ValueError(
                f"{type(self._device).__name__}.{hook}: expected an expression that"
                f" SymPy can differentiate, got {type(error).__name__}: {text}. Use"
                " tanh, exp, ... from hpo.objectives.devices, not from math, numpy or"
                " torch, and its where(condition, a, b) instead of `if`."
            ) from error

    def _define_all(self, name: str, matrix: Any) -> Any:
        """Return a matrix with a symbol for each entry that is not constant."""

        def define(i: int, v: int) -> Any:
            reduced = self.constants.hoist(matrix[i, v])
            if self._is_constant(reduced) or reduced.is_Symbol:
                return reduced
            symbol = _symbol(f"{name}{i}_{v}")
            self._defined[symbol] = reduced
            return symbol

        return sympy.Matrix(*matrix.shape, define)

    def _solve(self, x: Any) -> tuple[Any, Any]:
        """Take a step in closed form."""
        after = self._call("advance_exactly", *x, drive=_DRIVE, step_ns=STEP)
        slopes = after.jacobian([*x, _DRIVE])
        return self._define_all("a", after), self._define_all("s", slopes)

    def _integrate(self, x: Any) -> tuple[Any, Any]:
        """Take a step of Runge-Kutta; its tangents are along each state and the
        drive."""
        here = self._column("at")
        rate = STEP * self._call("rate", *here, _DRIVE)
        by_state = rate.jacobian(here)
        by_drive = rate.diff(_DRIVE)
        start = sympy.eye(len(x)).row_join(sympy.zeros(len(x), 1))
        at = x
        moved = 0 * x
        tangent = start
        turned = 0 * start
        for stage, (weight, reach) in enumerate(_STAGES):
            places = dict(zip(here, at, strict=True))
            k = self._define_all(f"r{stage}_", rate.xreplace(places))
            slopes = self._define_all(f"p{stage}_", by_state.xreplace(places)) * tangent
            slopes[:, -1] += self._define_all(f"d{stage}_", by_drive.xreplace(places))
            slopes = self._define_all(f"q{stage}_", slopes)
            moved += weight * k
            turned += weight * slopes
            at = self._define_all(f"x{stage}_", x + reach * k)
            tangent = self._define_all(f"t{stage}_", start + reach * slopes)
        return self._define_all("a", x + moved), self._define_all("s", start + turned)

    def _add_noise(self, after: Any, slopes: Any) -> tuple[Any, Any]:
        """Return the states after a jump of noise, and their slopes."""
        here = self._column("at")
        parts = range(self._device.noise_parts)
        noise = tuple(DEVIATION * _symbol(f"n{p}") for p in parts)
        noisy = self._call(
            "add_noise", *here, noise=noise if len(noise) > 1 else noise[0]
        )
        places = dict(zip(here, after, strict=True))
        turned = noisy.jacobian(here).xreplace(places) * slopes
        noisy = self._define_all("b", noisy.xreplace(places))
        return noisy, self._define_all("u", turned)

    # --- as text ---

    def advance(self, *, keep: bool) -> str:
        """Write the body of ``advance``."""
        kept = self._kept if keep else []
        outward = self._kept_outward if keep else []
        writer = Writer(self._defined)
        writer.lines += [f"x{i} = {_load('states', i)}" for i in self._states]
        writer.lines.append(f"drive_now = {_load('drive')}")
        writer.lines += self._limit()
        slopes = {name: self._slopes[name] for name in kept}
        writer.assign(self.constants.as_lanes(self._step | slopes))
        jump = writer.branch()
        for p in range(self._device.noise_parts):
            jump.lines.append(f"n{p} = {_load('noise', p)}")
        slopes = {name: self._jump_slopes[name] for name in kept}
        jump.assign(self.constants.as_lanes(self._jump | slopes))
        writer.lines += ["if jump != 0:", *("    " + line for line in jump.lines)]
        outputs = {"y": self._output} | {name: self._outward[name] for name in outward}
        writer.assign(self.constants.as_lanes(outputs))
        writer.lines += [
            f"mean = fma(older, {_load('now')}, oldest * {_load('before')})",
            "store(value, at, fma(newest, y, mean))",
            "store(before, at, y)",
        ]
        writer.lines += [_store("states", i, f"after{i}") for i in self._states]
        names = [*kept, *outward]
        writer.lines += [_store("kept", n, name) for n, name in enumerate(names)]
        return self._loop(writer.lines)

    def _limit(self) -> list[str]:
        """Write the limit of the drive, and its slope."""
        if self._device.has_own_limit():
            return self._own_limit()
        name = self._device.drive_limit
        if name == "none":
            return []
        values = limit_constants(KINDS[name], LOW, HIGH)
        constants = self.constants.as_lanes(
            dict(zip(("first", "second", "third"), values, strict=True))
        )
        names = ", ".join(str(self.constants.hoist(c)) for c in constants.values())
        return [f"drive_now, {_LIMIT_SLOPE} = limit_{name}(drive_now, {names})"]

    def _own_limit(self) -> list[str]:
        """Write a limit that the class of the device defines, and its slope."""
        (limited,) = self._call("limit_drive", _RAW, LOW, HIGH)
        others = limited.free_symbols - {_RAW, LOW, HIGH}
        if others:
            names = ", ".join(sorted(str(one).removeprefix("p_") for one in others))
            raise ValueError(
                f"{type(self._device).__name__}.limit_drive: expected an expression of"
                f" drive, low and high, got {names} besides: the limit is that of the"
                " nominal device on every chip. Use `low` and `high`."
            )
        both = sympy.Matrix([limited, limited.diff(_RAW)])
        limited, slope = self._define_all("h", both)
        writer = Writer(self._defined)
        writer.lines.append(f"{_RAW} = drive_now")
        named = {str(_DRIVE): limited, str(_LIMIT_SLOPE): slope}
        writer.assign(self.constants.as_lanes(named))
        return writer.lines

    def pull(self) -> str:
        """Write the body of ``pull``."""
        writer = Writer({})
        writer.lines += [f"{k} = {_load('kept', n)}" for n, k in enumerate(self.kept)]
        writer.lines += [
            f"g = fma(older, {_load('pulled1')}, oldest * {_load('pulled2')})",
            f"g = fma(newest, {_load('pulled0')}, g)",
        ]
        writer.lines += [f"m{i} = {_load('adjoints', i)}" for i in self._states]
        writer.lines += [
            "if enters == 1:",
            f"    g = g + {_load('entering')}",
            "elif enters == 2:",
            f"    m0 = m0 + {_load('entering')}",
        ]
        slopes = self._slopes | self._outward
        slopes |= {name: _symbol(name) for name in self.kept}
        totals = {
            f"t{i}": _symbol(f"m{i}") + slopes[f"o{i}"] * _symbol("g")
            for i in self._states
        }
        writer.assign(totals)
        sums = {}
        for v in [*self._states, "d"]:
            terms = [_symbol(f"t{i}") * slopes[f"j{i}{v}"] for i in self._states]
            sums[f"w{v}"] = sum(terms)
        writer.assign(self.constants.as_lanes(sums))
        writer.lines += [_store("adjoints", i, f"w{i}") for i in self._states]
        writer.lines.append(_store("drive_adjoint", 0, "wd"))
        return self._loop(writer.lines)

    def _loop(self, body: list[str]) -> str:
        """Loop a body over all vectors of neurons, and load the constants that it
        names."""
        words = set(re.findall(r"\w+", "\n".join(body)))
        lines = ["for group in range(groups):"]
        for k, name in enumerate(map(str, self.constants.meaning)):
            if name in words:
                place = f"({k} * groups + group) * {WIDTH}"
                lines.append(f"    {name} = load(constants, {place}, {WIDTH})")
        lines += ["    at = group * group_stride", "    for _ in range(repeats):"]
        lines += [f"        {line}" for line in [*body, "at += repeat_stride"]]
        return "".join(f"    {line}\n" for line in lines)


def _load(array: str, k: int = 0) -> str:
    """Return the expression that loads from row k of an array."""
    return f"load({array}, {k} * row + at, {WIDTH})"


def _store(array: str, k: int, name: str) -> str:
    """Return the statement that stores to row k of an array."""
    return f"store({array}, {k} * row + at, {name})"

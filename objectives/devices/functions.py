"""Functions for the methods of a device.

They take numbers, tensors of PyTorch, arrays of NumPy and symbols of SymPy alike, and a
``Placeholder`` for any of these. Light to import.
"""

from __future__ import annotations

import math
import sys
from functools import cache
from typing import Any

REMEDY = (
    "Use tanh, exp, ... from hpo.objectives.devices, not from math, numpy or torch,"
    " and its where(condition, a, b) instead of `if`."
)


class Placeholder:
    """A placeholder for any number, which passes through expressions without SymPy."""

    __name__ = "anything"
    __array_ufunc__ = None

    def __getattr__(self, name: str) -> Any:
        """Return a function of this module."""
        if name not in ("tanh", "exp", "sin", "cos", "log", "sqrt", "where"):
            raise AttributeError(f"a number has no {name}")
        return self._same

    def _same(self, *_: Any) -> Placeholder:
        return self

    def __bool__(self) -> bool:
        """Refuse to be a condition of ``if``."""
        raise TypeError("a condition on it has no truth value")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __pow__ = (
        __rpow__
    ) = _same
    __truediv__ = __rtruediv__ = __neg__ = __pos__ = __abs__ = __invert__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __and__ = __rand__ = __or__ = __ror__ = _same


def _library(*values: Any) -> Any:
    """Return the module that made the values."""
    names = set()
    for value in values:
        if isinstance(value, Placeholder):
            return value
        names.add(type(value).__module__.partition(".")[0])
    for name in ("sympy", "torch", "numpy"):
        if name in names:
            return sys.modules[name]
    return math


def _function(name: str, value: Any) -> Any:
    return getattr(_library(value), name)(value)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return _function("tanh", x)


def exp(x: Any) -> Any:
    """Return the exponential."""
    return _function("exp", x)


def sin(x: Any) -> Any:
    """Return the sine of radians."""
    return _function("sin", x)


def cos(x: Any) -> Any:
    """Return the cosine of radians."""
    return _function("cos", x)


def log(x: Any) -> Any:
    """Return the natural logarithm."""
    return _function("log", x)


def sqrt(x: Any) -> Any:
    """Return the square root."""
    return _function("sqrt", x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    library = _library(x)
    if library.__name__ == "sympy":
        return _sigmoid_of_symbols()(x)
    if library.__name__ == "torch":
        return library.sigmoid(x)
    return 0.5 + 0.5 * tanh(0.5 * x)


@cache
def _sigmoid_of_symbols() -> Any:
    import sympy  # type: ignore[import-untyped]

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return self * (1 - self)

    return type("sigmoid", (sympy.Function,), {"fdiff": fdiff})


def where(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return ``then`` where a comparison holds, else ``otherwise``."""
    if isinstance(condition, bool):  # parameters that all neurons share
        return then if condition else otherwise
    library = _library(condition, then, otherwise)
    if library.__name__ == "sympy":
        return library.Piecewise((then, condition), (otherwise, True))
    return library.where(condition, then, otherwise)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller value."""
    return where(x < y, x, y)


def maximum(x: Any, y: Any) -> Any:
    """Return the larger value."""
    return where(x < y, y, x)

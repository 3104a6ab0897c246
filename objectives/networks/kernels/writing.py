"""Write expressions of SymPy as statements on lanes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import sympy  # type: ignore[import-untyped]
from sympy.printing.printer import Printer  # type: ignore[import-untyped]

_FUNCTIONS = {name: name for name in ("tanh", "exp", "log", "sin", "cos", "sigmoid")}
_FUNCTIONS["Abs"] = "absolute"
"""SymPy's name of a function -> ours."""
_OR_EQUAL = sympy.LessThan | sympy.GreaterThan
_COMPARISONS = _OR_EQUAL | sympy.StrictLessThan | sympy.StrictGreaterThan


class Writer(Printer):  # type: ignore[misc]
    """Writes expressions as statements on vectors, none of them twice.

    Its ``_print`` methods, see ``sympy.printing.printer``, return the variable of an
    expression, or the number that it is.

    Args:
        defined: symbols that stand for expressions.
        names: numbers of new variables.
    """

    def __init__(
        self, defined: Mapping[Any, Any], names: Iterator[int] | None = None
    ) -> None:
        """Begin without statements."""
        super().__init__()
        self.lines: list[str] = []
        self._defined = defined
        self._names = names or count()
        self._names_of_values: dict[str, str] = {}

    def branch(self) -> Writer:
        """Return a writer for statements under a condition, which may use all names so
        far."""
        other = Writer(self._defined, self._names)
        other._names_of_values = dict(self._names_of_values)
        return other

    def assign(self, named: Mapping[str, Any]) -> None:
        """Write all expressions, then assign them to their names."""
        variables = {name: self._print(one) for name, one in named.items()}
        self.lines += [f"{name} = {variable}" for name, variable in variables.items()]

    def _variable(self, text: str) -> str:
        """Assign a text to a variable, unless one has it, and return the name of the
        variable."""
        if text not in self._names_of_values:
            name = f"v{next(self._names)}"
            self._names_of_values[text] = name
            self.lines.append(f"{name} = {text}")
        return self._names_of_values[text]

    def _print_Symbol(self, symbol: Any) -> str:
        if symbol in self._defined:
            return str(self._print(self._defined[symbol]))
        return str(symbol)

    def _print_Number(self, number: Any) -> str:
        return repr(float(number))

    def _print_sign(self, sign: Any) -> str:
        return self._variable(f"copysign(1.0, {self._print(sign.args[0])})")

    def _print_Function(self, function: Any) -> str:
        name = type(function).__name__
        if name not in _FUNCTIONS:
            return self.emptyPrinter(function)
        return self._variable(f"{_FUNCTIONS[name]}({self._print(function.args[0])})")

    def emptyPrinter(self, expression: Any) -> str:
        """Refuse what kernels cannot compute."""
        known = ", ".join(_FUNCTIONS.values())
        raise ValueError(
            f"device: expected functions that kernels support ({known}, sqrt, where),"
            f" got {type(expression).__name__}. Use one of these."
        )

    def _print_Add(self, expression: Any) -> str:
        """Write terms that are no products, then one fused multiply-add for each
        product."""
        total: str = ""
        products = []
        for term in expression.args:
            number, rest = term.as_coeff_Mul()
            if rest.is_Mul or number not in (1, -1):
                products.append(term)
            else:
                total = self._add(total, number, self._print(rest))
        for term in products:
            total = self._add_product(total, term)
        return total

    def _add(self, total: str, number: Any, own: str) -> str:
        """Add a variable to a total, or subtract it; the first total is empty."""
        if number == 1:
            return self._variable(f"{total} + {own}") if total else own
        return self._variable(f"{total} - {own}" if total else f"-{own}")

    def _add_product(self, total: str, term: Any) -> str:
        number, rest = term.as_coeff_Mul()
        numerator, denominator = sympy.fraction(rest)
        if denominator != 1 or not total:
            return self._add(total, 1, self._print_Mul(term))
        factors = [*sympy.Mul.make_args(numerator)]
        if number not in (1, -1):
            factors.append(number)
        first = self._print(sympy.Mul(*factors[:-1]))
        if number == -1:
            first = self._variable(f"-{first}")
        return self._variable(f"fma({first}, {self._print(factors[-1])}, {total})")

    def _print_Mul(self, expression: Any) -> str:
        number, rest = expression.as_coeff_Mul()
        numerator, denominator = sympy.fraction(rest)
        parts = sympy.Mul.make_args(numerator)
        factors = [self._print(part) for part in parts if part != 1]
        if abs(number) != 1:
            factors.insert(0, repr(float(number)))
        elif not factors:
            factors = [repr(float(number))]
        elif number == -1:
            factors[0] = self._variable(f"-{factors[0]}")
        product, *others = factors
        for factor in others:
            product = self._variable(f"{product} * {factor}")
        if denominator != 1:
            product = self._variable(f"{product} / {self._print(denominator)}")
        return str(product)

    def _print_Pow(self, power: Any) -> str:
        return self._power(*power.as_base_exp())

    def _power(self, base: Any, exponent: Any) -> str:
        if exponent.is_Integer and exponent > 0:
            own: str = self._print(base)
            return self._whole_power(own, int(exponent))
        if exponent.could_extract_minus_sign():
            return self._variable(f"1.0 / {self._print(base**-exponent)}")
        if (2 * exponent).is_Integer:
            root = self._variable(f"square_root({self._print(base)})")
            whole = base ** (exponent - sympy.Rational(1, 2))
            if whole == 1:
                return root
            return self._variable(f"{self._print(whole)} * {root}")
        return self._variable(f"power({self._print(base)}, {self._print(exponent)})")

    def _whole_power(self, base: str, n: int) -> str:
        if n == 1:
            return base
        half = self._whole_power(base, n // 2)
        square = self._variable(f"{half} * {half}")
        return self._variable(f"{square} * {base}") if n % 2 else square

    def _print_Piecewise(self, choice: Any) -> str:
        """Write a selection of the first piece with a true condition."""
        (value, condition), *others = choice.args
        then = self._print(value)
        if condition == sympy.true or not others:
            return str(then)
        otherwise = self._print(sympy.Piecewise(*others, evaluate=False))
        return self._select(condition, then, otherwise)

    def _select(self, condition: Any, then: str, otherwise: str) -> str:
        """Write a selection by a comparison, or by several."""
        if condition in (sympy.true, sympy.false):
            return then if condition else otherwise
        if isinstance(condition, sympy.Not):
            return self._select(condition.args[0], otherwise, then)
        if isinstance(condition, sympy.And | sympy.Or | sympy.ITE):
            return self._select_by_several(condition, then, otherwise)
        if not isinstance(condition, _COMPARISONS):
            raise ValueError(
                "device: expected a comparison by <, <=, > or >= in `where`, got"
                f" {condition}. Use one of these."
            )
        low = self._print(condition.lts)
        high = self._print(condition.gts)
        if isinstance(condition, _OR_EQUAL):
            return self._variable(f"where_less({high}, {low}, {otherwise}, {then})")
        return self._variable(f"where_less({low}, {high}, {then}, {otherwise})")

    def _select_by_several(self, condition: Any, then: str, otherwise: str) -> str:
        """Write a selection by conditions that ``And``, ``Or`` or ``ITE`` joins."""
        if isinstance(condition, sympy.ITE):
            which, one, other = condition.args
            one = self._select(one, then, otherwise)
            other = self._select(other, then, otherwise)
            return self._select(which, one, other)
        if isinstance(condition, sympy.And):
            for one in reversed(condition.args):
                then = self._select(one, then, otherwise)
            return then
        for one in reversed(condition.args):
            otherwise = self._select(one, then, otherwise)
        return otherwise

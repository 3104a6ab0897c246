"""Check a user's device before its networks are trained.

Light to import: symbols are placeholders, so that SymPy is not needed.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from pydantic import ValidationError

from .device import Device
from .functions import REMEDY, Placeholder

_LIMIT_REMEDY = (
    "Use `low` and `high`, not parameters or drive_low and drive_high: the limit is"
    " that of the nominal device on every chip. " + REMEDY
)

_RENAMED = {"flow": "advance_exactly", "kick": "add_noise"}
"""Methods by the names that they had up to 0.3.0."""


def check_device(device: type[Device]) -> None:
    """Check that a device's methods have their present names, and return one number per
    state.

    What they return is not checked if a parameter has no default.

    Raises:
        ValueError: a method has an earlier name, returns something else, or fails.
    """
    for old, name in _RENAMED.items():
        if hasattr(device, old):
            raise ValueError(
                f"{device.__name__}.{old}: expected this method by its present name,"
                f" {name}. Rename it: def {name}(self, ...)."
            )
    one = _with_defaults(device)
    if one is None:
        return
    states = _values(one, "rest")
    _check_methods(one, states, 0.0)
    if device.has_own_limit():
        _values(one.bare(), "limit_drive", one.fixed_drive(), *one.drive_bounds())
    if _has_own_solution(one):
        _check_solution(one, tuple(state + 0.1 for state in states))
    if device.generates_kernel():
        _check_expressions(one)
    one.check_rest()


def _has_own_solution(one: Device) -> bool:
    """Tell whether a solution is the user's; that of a hand-written kernel takes
    tensors alone."""
    return one.advance_exactly is not None and one.generates_kernel()


def _with_defaults(device: type[Device]) -> Device | None:
    """Return a device with its defaults, and one number for all layers; None without
    defaults."""
    names = (*device.parameters, *Device.model_fields)
    fields = {name: device.model_fields[name] for name in names}
    defaults = {n: info.default for n, info in fields.items() if not info.is_required()}
    try:
        one = device(**defaults)
    except ValidationError as error:
        for problem in error.errors():
            if not problem["loc"]:
                text = problem["msg"].removeprefix("Value error, ")
                raise ValueError(f"{device.__name__}.{text}") from error
            if problem["type"] != "missing":
                raise ValueError(
                    f"{device.__name__}.{problem['loc'][0]}: expected a default within"
                    f" its bounds, got {problem['input']}: {problem['msg']}. Change one"
                    " of them."
                ) from error
        return None
    values = one.values()
    first = {n: v[0] for n, v in values.items() if isinstance(v, tuple)}
    return one.with_values(**first)


def _check_methods(one: Device, states: tuple[Any, ...], number: Any) -> Any:
    """Call every method with a number, or a symbol in its place; return the output."""
    noise = number if one.noise_parts == 1 else (number,) * one.noise_parts
    _values(one, "rate", *states, number)
    (output,) = _values(one, "output", *states)
    _values(one, "fixed_drive")
    _values(one, "add_noise", *states, noise=noise)
    if _has_own_solution(one):
        _values(one, "advance_exactly", *states, drive=number, step_ns=number)
    return output


def _values(one: Device, hook: str, *states: Any, **more: Any) -> tuple[Any, ...]:
    """Call a method and check that it returns numbers or symbols.

    Raises:
        ValueError: it returns something else, or fails.
    """
    name = f"{type(one).__name__}.{hook}"
    try:
        result = getattr(one, hook)(*states, **more)
    except Exception as error:  # a user's method may do anything
        remedy = f"Correct it; see `hpo.objectives.devices.Device.{hook}`."
        if hook == "limit_drive":
            remedy = _LIMIT_REMEDY
        elif isinstance(error, AttributeError):
            remedy = "Use only states, drive, parameters and fields of its own class."
        elif any(isinstance(state, Placeholder) for state in states):
            remedy = REMEDY
        raise ValueError(
            f"{name}: expected expressions of states, drive and parameters, got "
            f"{type(error).__name__}: {str(error).rstrip('.')}. {remedy}"
        ) from error
    single = hook in ("output", "fixed_drive", "noise_per_sqrt_ns", "limit_drive")
    values = (result,) if single else one.in_order(hook, result)
    for value in values:
        if not isinstance(value, Real | Placeholder):
            raise ValueError(
                f"{name}: expected a number{'' if single else ' for each state'}, got "
                f"{value!r}. Return an expression."
            )
    return values


def _check_expressions(one: Device) -> None:
    """Call the methods with symbols instead of numbers, as the generator of kernels
    does."""
    symbol = Placeholder()
    traced = one.bare().with_values(**dict.fromkeys(one.parameters, symbol))
    _values(traced, "rest")
    output = _check_methods(traced, (symbol,) * len(one.states), symbol)
    if one.has_own_limit():
        _values(one.bare(), "limit_drive", symbol, symbol, symbol)
    if not isinstance(output, Placeholder):
        raise ValueError(
            f"{type(one).__name__}.output: expected an expression of states, got the"
            f" constant {output!r}. Return an expression."
        )


def _check_solution(one: Device, states: tuple[Any, ...]) -> None:
    """Check that ``advance_exactly`` begins with the slopes of ``rate``, under a drive.

    Raises:
        ValueError: it does not.
    """
    step_ns = 1e-6
    after = _values(one, "advance_exactly", *states, drive=0.1, step_ns=step_ns)
    rates = _values(one, "rate", *states, 0.1)
    for name, new, old, rate in zip(one.states, after, states, rates, strict=True):
        error = (new - old) / step_ns - rate
        if not abs(error) <= 1e-3 * max(1.0, abs(rate)):
            raise ValueError(
                f"{type(one).__name__}.advance_exactly: expected the solution of `rate`"
                f" under a constant drive, but {name} changes by {error + rate:.4g} per"
                f" ns instead of {rate:.4g}, at states {states} and a drive of 0.1."
                " Correct one of them."
            )

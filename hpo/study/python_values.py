"""Values given in Python, as a study file would have them."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpo.errors import SpecError


def plain(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Convert values to the types of a study file: numbers of NumPy to plain numbers,
    a class to ``module:Class``.

    Raises:
        SpecError: a value has no such type, or no module holds the class.
    """

    def convert(value: Any) -> Any:
        if hasattr(value, "__qualname__"):
            return address(value, where)
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, Path):
            return str(value)
        raise SpecError(
            f"{where}: expected numbers, strings, lists or dicts, got {value!r}. Use"
            " the value that a study file would have."
        )

    return dict(json.loads(json.dumps(values, default=convert)))


def address(value: Any, where: str) -> str:
    """Return ``module:Class`` of a class, or ``train.py:objective`` of a function.

    Raises:
        SpecError: workers cannot import it.
    """
    name = value.__qualname__
    is_function = inspect.isfunction(value)
    in_file = is_function and hasattr(sys.modules["__main__"], "__file__")
    if value.__module__ == "__main__" and not in_file:
        raise SpecError(f"{where}: {explain_no_module(name, is_function=is_function)}")
    if not name.isidentifier():
        raise SpecError(
            f"{where}: workers cannot import {name}, which is no name at the top of its"
            " module. Define it there."
        )
    if is_function:
        return f"{Path(inspect.getfile(value)).absolute()}:{name}"
    return f"{value.__module__}:{name}"


def explain_no_module(name: str, *, is_function: bool = False) -> str:
    """Say why workers cannot import what a cell or the running script defines."""
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    instead = f"{module}:{name}"
    if is_function:
        instead = f"{module}.py:{name}"
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None:
        return (
            f"{name} is defined in {Path(script).name}, the script that runs, which"
            f" workers do not run. Move it to {module}.py, and give {instead!r}."
        )
    return (
        f"{name} is defined in a cell, which workers cannot import. Write it to a file:"
        f" begin the cell with %%writefile {module}.py, run it, and give {instead!r}."
    )

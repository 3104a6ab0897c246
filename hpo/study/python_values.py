"""Values given in Python, as a study file would have them."""

from __future__ import annotations

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
            return _address(value, where)
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, Path):
            return str(value)
        raise SpecError(
            f"{where}: expected numbers, strings, lists or dicts, got {value!r}. Use"
            " the value that a study file would have."
        )

    return dict(json.loads(json.dumps(values, default=convert)))


def _address(value: Any, where: str) -> str:
    """Return ``module:Class`` of a class or a function."""
    name = value.__qualname__
    if value.__module__ == "__main__":
        raise SpecError(f"{where}: {explain_no_module(name)}")
    if "." in name:
        raise SpecError(
            f"{where}: {name} is defined inside another class or function, where"
            " workers cannot import it. Define it at the top of its module."
        )
    return f"{value.__module__}:{name}"


def explain_no_module(name: str) -> str:
    """Say why workers cannot import what a cell or the running script defines."""
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    address = f"{module}:{name}"
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None:
        return (
            f"{name} is defined in {Path(script).name}, the script that runs, which"
            f" workers do not run. Move it to {module}.py, and give {address!r}."
        )
    return (
        f"{name} is defined in a cell, which workers cannot import. Write it to a file:"
        f" begin the cell with %%writefile {module}.py, run it, and give {address!r}."
    )

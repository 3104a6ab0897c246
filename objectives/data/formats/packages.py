"""Packages that read formats of others: the extra ``data``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ...refusal import refuse


def load_package(path: Path, name: str) -> Any:
    """Return a package that reads a file.

    Raises:
        ValueError: it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        refuse(
            path,
            f"the package {name}, which reads it",
            f"none ({error})",
            "Install it, on the hosts of workers too: pip install"
            " 'hpo-dynamics[data]'.",
        )

"""Objectives by name: what a study can optimise.

A built-in objective is one line in ``BUILT_IN``; any importable class works too, as
``objective = "my_package.my_module:MyObjective"`` in the study file.
"""

from __future__ import annotations

import importlib
from typing import Any

from objectives.contract import Objective

BUILT_IN = {
    "spintronic": "objectives.spintronic:SpintronicObjective",
}


def load(name: str) -> Objective[Any, Any]:
    """The objective called ``name``, or the one at ``package.module:Class``.

    Raises:
        LookupError: there is no such objective; the message lists those that exist.
    """
    target = BUILT_IN.get(name, name)
    module_name, colon, class_name = target.partition(":")
    known = ", ".join(sorted(BUILT_IN))
    if not colon:
        raise LookupError(
            f"unknown objective {name!r}. Built in: {known}; "
            f'your own is given as "package.module:Class"'
        )
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise LookupError(
            f"objective {name!r} cannot be imported: {error}. Built in: {known}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Objective)):
        raise LookupError(
            f"{name!r} is not an Objective: derive it from objectives.contract.Objective"
        )
    return found()

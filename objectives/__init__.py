"""Objectives by name: what a study can optimise.

A built-in objective is one line in ``BUILT_IN``; any importable class works too, as
``objective = "my_package.my_module:MyObjective"`` in the study file.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from objectives.contract import Objective

BUILT_IN = {
    "ctrnn": "objectives.ctrnn:CtrnnObjective",
    "ctrnn-prediction": "objectives.prediction:CtrnnPredictionObjective",
    "spintronic": "objectives.spintronic:SpintronicObjective",
    "spintronic-prediction": "objectives.prediction:SpintronicPredictionObjective",
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
    except Exception as error:  # a user's module may do anything as it is imported
        raise LookupError(
            f"objective {name!r} cannot be imported: {error}. Built in: {known}"
        ) from error
    concrete = isinstance(found, type) and not inspect.isabstract(found)
    if not (concrete and issubclass(found, Objective)):
        raise LookupError(
            f"{name!r} is not an Objective: derive a class from objectives.contract.Objective "
            f"and give it `evaluate`"
        )
    objective: Objective[Any, Any] = found()
    return objective

"""Objectives by name: what a study can optimise.

A built-in objective is one line in ``BUILT_IN``; any importable class works too, as
``objective = "my_package.my_module:MyObjective"`` in the study file: an objective, or a device, of
which a network is trained, to predict if ``-prediction`` follows.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any

from hpo.objectives.contract import Baseline, Objective

if __name__ != "hpo.objectives":  # found in a checkout, as a second copy
    raise ImportError("import hpo.objectives; a file of your own needs another name")

BUILT_IN = {
    "ctrnn": "hpo.objectives.ctrnn:Ctrnn",
    "ctrnn-prediction": "hpo.objectives.ctrnn:Ctrnn-prediction",
    "duffing": "hpo.objectives.devices.duffing:Duffing",
    "microring": "hpo.objectives.devices.microring:Microring",
    "phase-oscillator": "hpo.objectives.devices.phase_oscillator:PhaseOscillator",
    "spintronic": "hpo.objectives.spintronic:Spintronic",
    "spintronic-prediction": "hpo.objectives.spintronic:Spintronic-prediction",
}

_PREDICTS = "-prediction"


def load(name: str) -> Objective[Any, Any]:
    """The objective called ``name``, or the one at ``package.module:Class``.

    Raises:
        LookupError: there is no such objective; the message lists those that exist.
    """
    target = BUILT_IN.get(name, name)
    target, predicts = target.removesuffix(_PREDICTS), target.endswith(_PREDICTS)
    known = ", ".join(sorted(BUILT_IN))
    if ":" not in target:
        raise LookupError(
            f"unknown objective {name!r}. Built in: {known}; "
            f'your own is given as "package.module:Class"'
        )
    found = imported(target, f"objective {name!r}", f". Built in: {known}")
    if isinstance(found, type) and issubclass(found, _imported("hpo.objectives.device:Device")):
        return _of_device(found, name, predicts)
    concrete = isinstance(found, type) and not inspect.isabstract(found)
    if predicts or not (concrete and issubclass(found, Objective)):
        raise LookupError(
            f"{name!r} is not an Objective: derive a class from hpo.objectives.contract.Objective "
            f"and give it `evaluate`, or a device from hpo.objectives.device.Device"
        )
    objective: Objective[Any, Any] = found()
    return objective


def imported(target: str, what: str, known: str = "") -> Any:
    """What is at ``package.module:Class``.

    Raises:
        LookupError: nothing is; the text begins with ``what``, and ends with what is ``known``.
    """
    try:
        return _imported(target)
    except Exception as error:  # a user's module may do anything as it is imported
        why = str(error).rstrip(".")
        raise LookupError(f"{what} cannot be imported: {why}{known}") from error


def sampler(name: str) -> Any:
    """The class of somebody's own sampler at ``package.module:Class``; this knows no Optuna.

    Raises:
        LookupError: there is none, or the seed of a trial cannot be given to it.
    """
    found = imported(name, repr(name))
    if not (isinstance(found, type) and hasattr(found, "infer_relative_search_space")):
        raise LookupError(f"{name!r} is no sampler: derive it from optuna.samplers.BaseSampler")
    if inspect.isabstract(found):
        lacks = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise LookupError(f"{name!r} is no whole sampler: it lacks {lacks}")
    if "seed" not in inspect.signature(found).parameters:
        raise LookupError(f"{name!r} must take an argument `seed`: that of the trial")
    return found


@cache
def _of_device(device: Any, name: str, predicts: bool) -> Objective[Any, Any]:
    """The objective on networks of devices of a class."""
    try:
        if name not in BUILT_IN:
            _imported("hpo.objectives.device:check_device")(device)
        params = _imported("hpo.objectives.prediction:predicting")(device) if predicts else device
    except ValueError as error:
        raise LookupError(f"objective {name!r}: {error}") from error
    own = {"name": name, "Params": params}
    if not predicts:
        base = _imported("hpo.objectives.device:DeviceObjective")
        return _made(f"{device.__name__}Objective", (base,), own)
    base = _imported("hpo.objectives.prediction:DevicePredictionObjective")
    return _made(f"{device.__name__}PredictionObjective", (base,), own)


def attempt_baselines(*about: Any) -> list[Baseline] | None:
    """The baselines of a study; ``hpo.objectives.baselines`` loads scikit-learn."""
    found: list[Baseline] | None = _imported("hpo.objectives.baselines:attempt")(*about)
    return found


def _made(name: str, bases: tuple[type, ...], own: dict[str, Any]) -> Objective[Any, Any]:
    objective: Objective[Any, Any] = type(name, bases, own)()
    return objective


def _imported(target: str) -> Any:
    module_name, _, name = target.partition(":")
    return getattr(importlib.import_module(module_name), name)

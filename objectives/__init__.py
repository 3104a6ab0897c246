"""Objectives by name: what a study can optimise.

A built-in objective is one line in ``BUILT_IN``; any importable class works too, as
``objective = "my_package.my_module:MyObjective"`` in the study file: an objective, or a
device, of which a network is trained, to predict if ``-prediction`` follows.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hpo.contract import (
    Baseline,
    ExitedError,
    Objective,
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
    calling,
    importing,
)
from hpo.provenance import source

if __name__ != "hpo.objectives":  # a second copy, imported from a checkout
    raise ImportError("import hpo.objectives; a file of your own needs another name")

BUILT_IN = {
    "ctrnn": "hpo.objectives.devices.ctrnn:Ctrnn",
    "ctrnn-prediction": "hpo.objectives.devices.ctrnn:Ctrnn-prediction",
    "duffing": "hpo.objectives.devices.duffing:Duffing",
    "microring": "hpo.objectives.devices.microring:Microring",
    "phase-oscillator": "hpo.objectives.devices.phase_oscillator:PhaseOscillator",
    "spintronic": "hpo.objectives.devices.spintronic:Spintronic",
    "spintronic-prediction": "hpo.objectives.devices.spintronic:Spintronic-prediction",
}

_PREDICTS = "-prediction"


def load(name: str) -> Objective[Any, Any]:
    """Return the objective called ``name``, or the one at ``package.module:Class``.

    Raises:
        LookupError: there is no such objective; the message lists those that exist.
    """
    target = BUILT_IN.get(name, name)
    predicts = target.endswith(_PREDICTS)
    target = target.removesuffix(_PREDICTS)
    known = ", ".join(sorted(BUILT_IN))
    if ":" not in target:
        raise LookupError(
            f"unknown objective {name!r}. Built in: {known}; "
            f'your own is given as "package.module:Class"'
        )
    cls = import_class(target, f"objective {name!r}", f". Built in: {known}")
    try:
        with calling(module_of(name)):
            return _make_objective(cls, name, predicts)
    except ExitedError as error:
        raise LookupError(f"objective {name!r} cannot be made: it {error}") from None


def module_of(name: str) -> str:
    """Return the name of the module that defines an objective."""
    return BUILT_IN.get(name, name).partition(":")[0]


def _make_objective(cls: Any, name: str, predicts: bool) -> Objective[Any, Any]:
    """Make the objective that a class names: its own, or that of a device."""
    if isinstance(cls, type) and issubclass(
        cls, _import("hpo.objectives.devices.device:Device")
    ):
        return _device_objective(cls, name, predicts)
    concrete = isinstance(cls, type) and not inspect.isabstract(cls)
    if predicts or not (concrete and issubclass(cls, Objective)):
        raise LookupError(
            f"{name!r} is not an Objective: derive a class from"
            " hpo.contract.Objective and give it `evaluate`, or a device"
            " from hpo.objectives.devices.Device"
        )
    objective: Objective[Any, Any] = cls()
    return objective


def _pass_over(progress: Progress) -> None:
    """Do nothing after an epoch."""


def train(
    name: str,
    params: Mapping[str, Any],
    *,
    task: Mapping[str, Any] | None = None,
    seed: int = 0,
    confirm: bool = False,
    on_epoch: OnEpoch = _pass_over,
    resume: bytes | None = None,
) -> Outcome:
    """Build, train and score one network, with neither study nor database.

    Args:
        name: an objective, as ``load`` takes it.
        params: hyper-parameters; those left out have their defaults.
        task: the keys of a ``[task]`` table; by default the objective's first task.
            Relative paths begin in the working directory.
        seed: the only source of randomness: initial weights, order of batches, and the
            validation split.
        confirm: train on the whole training half, and score on the test half, once.
            Otherwise part of the training half scores the network, and the test half
            stays unseen.
        on_epoch: called after every epoch; an exception that it raises ends the
            training.
        resume: what ``Progress.checkpoint`` of an earlier call returned.

    Returns:
        The outcome; ``claimed`` is the score that counts.

    Raises:
        LookupError: there is no such objective or task.
        ValueError: a parameter or a key of the task is unknown, or out of its bounds.
    """
    objective = load(name)
    table = {"name": next(iter(objective.tasks)), **(task or {})}
    model = objective.tasks.get(table["name"])
    if model is None:
        known = ", ".join(objective.tasks)
        raise LookupError(
            f"objective {name!r} has no task {table['name']!r}. Its tasks: {known}"
        )
    return objective.evaluate(
        objective.Params(**params),
        task=model(**table).resolve(Path.cwd()),
        protocol=Protocol.CONFIRM if confirm else Protocol.VALIDATION,
        member_seed=seed,
        on_epoch=on_epoch,
        resume=resume,
    )


def modules(name: str, *others: str) -> dict[str, str]:
    """Return a hash of the source of each module that an objective consists of.

    ``others`` are more classes, each at ``package.module:Class``.

    Raises:
        LookupError: there is no such objective.
    """
    objective = load(name)
    own = source.modules([module_of(name)], [type(objective), objective.Params])
    return {**own, **sampler_modules(*others)}


def sampler_modules(*names: str) -> dict[str, str]:
    """Return a hash of the source of each module that samplers of one's own consist
    of.

    Raises:
        LookupError: there is no such sampler.
    """
    classes = [import_class(name, repr(name)) for name in names]
    return source.modules([name.partition(":")[0] for name in names], classes)


def import_class(target: str, what: str, known: str = "") -> Any:
    """Import ``package.module:Class``.

    Raises:
        LookupError: the import fails; the message begins with ``what`` and ends with
            ``known``.
    """
    try:
        return _import_contained(target)
    except ExitedError as error:
        raise LookupError(f"{what} cannot be imported: it {error}{known}") from None
    except Exception as error:  # a user's module may do anything as it is imported
        why = str(error).rstrip(".")
        if isinstance(error, ModuleNotFoundError):
            why += " in the working directory, nor installed"
        raise LookupError(f"{what} cannot be imported: {why}{known}") from error


def sampler(name: str) -> Any:
    """Return the class of a user's sampler at ``package.module:Class``, without
    importing Optuna.

    Raises:
        LookupError: there is no such sampler, or it takes no ``seed``.
    """
    cls = import_class(name, repr(name))
    if not (isinstance(cls, type) and hasattr(cls, "infer_relative_search_space")):
        raise LookupError(
            f"{name!r} is no sampler: derive it from optuna.samplers.BaseSampler"
        )
    if inspect.isabstract(cls):
        lacks = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise LookupError(f"{name!r} is no whole sampler: it lacks {lacks}")
    if "seed" not in inspect.signature(cls).parameters:
        raise LookupError(f"{name!r} must take an argument `seed`: that of the trial")
    return cls


@cache
def _device_objective(device: Any, name: str, predicts: bool) -> Objective[Any, Any]:
    """Return the objective that trains networks of a device."""
    try:
        if name not in BUILT_IN:
            _import("hpo.objectives.devices.checking:check_device")(device)
        params = (
            _import("hpo.objectives.devices.prediction:prediction_params")(device)
            if predicts
            else device
        )
    except ValueError as error:
        raise LookupError(f"objective {name!r}: {str(error).rstrip('.')}") from error
    fields = {"name": name, "Params": params, "system": device.system}
    if not predicts:
        base = _import("hpo.objectives.devices.objective:DeviceObjective")
        return _make(f"{device.__name__}Objective", base, fields)
    base = _import("hpo.objectives.devices.prediction:DevicePredictionObjective")
    return _make(f"{device.__name__}PredictionObjective", base, fields)


def attempt_baselines(*about: Any) -> list[Baseline] | None:
    """Return the baselines of a study; ``hpo.objectives.baselines`` loads
    scikit-learn."""
    baselines: list[Baseline] | None = _import("hpo.objectives.baselines:attempt")(
        *about
    )
    return baselines


def fit_device(
    name: str, paths: Sequence[Path], fixed: Mapping[str, float] | None = None
) -> Any:
    """Return the parameters of a device, estimated from files of measurements: a
    ``fitting.result.Fit``.

    Args:
        name: a device, as ``load`` takes it.
        paths: files, as ``fitting.recordings`` describes them.
        fixed: values that are known; all other parameters are estimated.

    Raises:
        LookupError: there is no such device.
        ValueError: a file breaks a rule, a name is unknown, or no response fits.
    """
    model = load(name).Params
    return _import("hpo.objectives.fitting.fit:fit")(name, model, paths, fixed)


def _make(name: str, base: type, fields: dict[str, Any]) -> Objective[Any, Any]:
    objective: Objective[Any, Any] = type(name, (base,), fields)()
    return objective


def _import_contained(target: str) -> Any:
    module_name = target.partition(":")[0]
    if module_name in sys.modules:
        return _import(target)
    with importing(module_name):
        return _import(target)


def _import(target: str) -> Any:
    module_name, _, name = target.partition(":")
    return getattr(importlib.import_module(module_name), name)

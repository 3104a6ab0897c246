"""What a search is measured on: a function of Optuna, its space, and the truth."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from optuna.trial import BaseTrial

Params = Mapping[str, Any]
Space = dict[str, dict[str, Any]]
"""``[space]`` as a study file has it."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem with the truth of every configuration."""

    name: str
    space: Space
    """What our search is told of the parameters; Optuna finds them as it runs."""
    objective: Callable[[BaseTrial], float]
    """An objective as users of Optuna write it; its values may be noisy."""
    true: Callable[[Params], float]
    """Return what a configuration is worth."""
    metric: str
    maximize: bool
    scatters: bool = True
    """Whether a value may differ from what its configuration is worth."""
    optimum: float | None = None
    """The best there is; None where nobody knows it."""


class MissingError(Exception):
    """A package of somebody else is not installed."""


def load_package(module: str, package: str) -> ModuleType:
    """Import a module of a package that the benchmarks alone need.

    Raises:
        MissingError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(
            f"benchmarks.outside: {package} is not installed. Install it: pip install"
            f" {package}"
        ) from error


def suggest(trial: BaseTrial, space: Space) -> dict[str, Any]:
    """Suggest every parameter of a space without conditions."""
    params: dict[str, Any] = {}
    for name, own in space.items():
        if "choices" in own:
            params[name] = trial.suggest_categorical(name, own["choices"])
        elif isinstance(own["low"], int):
            params[name] = trial.suggest_int(name, own["low"], own["high"])
        else:
            params[name] = trial.suggest_float(name, own["low"], own["high"])
    return params

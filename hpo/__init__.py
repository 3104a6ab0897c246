"""Hyper-parameter optimisation service: studies that are pure functions of their specs.

import hpo
study = hpo.launch("seqdigits")  # or, if it exists: hpo.load("seqdigits")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.functions import checkpoint, confirming, seed
    from hpo.launch import launch, new_study
    from hpo.notebook import Study, compare, load, studies

__all__ = [
    "Study",
    "checkpoint",
    "compare",
    "confirming",
    "launch",
    "load",
    "new_study",
    "seed",
    "studies",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that `import hpo` stays light."""
    if name == "launch":
        return import_module("hpo.launch")
    if name == "new_study":
        return import_module("hpo.launch").new_study
    if name in ("checkpoint", "confirming", "seed"):
        return getattr(import_module("hpo.functions"), name)
    if name in __all__:
        return getattr(import_module("hpo.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, for completion in a notebook."""
    return __all__

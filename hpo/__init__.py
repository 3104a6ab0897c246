"""Hyper-parameter optimisation service: studies that are pure functions of their specs.

import hpo
study = hpo.launch("seqdigits")  # or, of one that is there: hpo.load("seqdigits")
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.launch import launch
    from hpo.notebook import Study, load

__all__ = ["Study", "launch", "load"]


class _OurObjectives:
    """Finds ``objectives`` beside this package, whatever lies in the working directory."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As ``PathFinder`` does, for the one name."""
        if fullname != "objectives":
            return None
        return PathFinder.find_spec(fullname, [str(Path(__file__).parents[1])], target)


sys.meta_path.insert(0, _OurObjectives())


def __getattr__(name: str) -> Any:
    """What is imported when it is first used: `import hpo` stays light."""
    if name == "launch":
        return import_module("hpo.launch")
    if name in __all__:
        return getattr(import_module("hpo.notebook"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

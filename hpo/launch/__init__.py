"""A launch: a study from its file to its result; starts workers, follows them, reports.

The package can be called: ``hpo.launch("seqdigits")`` is ``launch`` below.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.notebook import Study

__all__ = ["executors", "launch", "plan"]


def launch(
    study: str | Path | Mapping[str, Any] | None = None,
    *,
    workers: int | None = None,
    storage: str | None = None,
    **tables: Any,
) -> Study:
    """Run or resume a study, and return it at its end.

    A notebook shows the progress in the cell. Ctrl-C, or an interrupt of the kernel,
    stops the workers without loss and returns the study as it is; call the function
    again to resume it.

    Args:
        study: name or path of a study file, or its content as a dict with a ``name``;
            relative paths in it start at the working directory.
        workers: processes on this machine; default: one per core, or none if workers
            serve the study already.
        storage: PostgreSQL URL of the database; default: ``HPO_STORAGE``, else the
            embedded server.
        tables: keys and tables of the study file, in place of its own: ``name="other",
            seed=3, budget={"trials": 200}``. With all of a study, no file is needed.
            An ``objective`` may be a class of a module that workers can import.

    Returns:
        the study, as ``hpo.load`` does.

    Raises:
        SpecError: the study is invalid; nothing has been written.
        StudyError: another study has this name.
        StorageError: the database cannot be reached.
        HpoError: workers cannot start, or the study has failed or was stopped.
    """
    from hpo.errors import for_python
    from hpo.launch import run

    with for_python():
        return run.from_python(study, tables, workers=workers, storage=storage)


class _Launch(ModuleType):
    """The package, which can be called: ``hpo.launch`` names the package and the
    function."""

    __signature__ = inspect.signature(launch)

    def __call__(self, *arguments: Any, **options: Any) -> Study:
        """See ``launch``."""
        return launch(*arguments, **options)


sys.modules[__name__].__class__ = _Launch

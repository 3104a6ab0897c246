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
    study: str | Path | Mapping[str, Any], *, workers: int | None = None, storage: str | None = None
) -> Study:
    """Run a study, or go on with it, and return it when it is over.

    A notebook shows its progress in the cell. Ctrl-C, or the interrupt of a kernel, stops the
    workers in order, loses nothing, and returns the study as it is; call it again to go on.

    Args:
        study: a study file by name or by path, or what would stand in one, as a dict with a
            ``name``; relative paths in it begin at the working directory.
        workers: processes on this machine; without it one per core, or none where workers serve
            the study already.
        storage: PostgreSQL URL of the database; without it ``HPO_STORAGE``, else the embedded
            server.

    Returns:
        the study, as ``hpo.load`` does.

    Raises:
        SpecError: the study breaks a rule; nothing has been written.
        StudyError: there is another study of this name.
        StorageError: the database cannot be reached.
        HpoError: workers cannot be started, or the study has failed, or was stopped by somebody.
    """
    from hpo.launch import run

    return run.from_python(study, workers=workers, storage=storage)


class _Launch(ModuleType):
    """The package itself: ``hpo.launch`` is its name, and that of the function, too."""

    __signature__ = inspect.signature(launch)

    def __call__(self, *arguments: Any, **options: Any) -> Study:
        """See ``launch``."""
        return launch(*arguments, **options)


sys.modules[__name__].__class__ = _Launch

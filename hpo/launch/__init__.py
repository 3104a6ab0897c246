"""A launch: a study from its file to its result; starts workers, follows them, reports.

The package can be called: ``hpo.launch("seqdigits")`` is ``launch`` below.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.notebook import Study

__all__ = ["executors", "from_data", "launch", "new_study", "plan"]


def launch(
    study: str | Path | Mapping[str, Any] | Callable[..., Any] | None = None,
    *,
    data: Any = None,
    workers: int | None = None,
    storage: str | None = None,
    **tables: Any,
) -> Study:
    """Run or resume a study, and return it at its end.

    A notebook shows the progress in the cell. Ctrl-C, or an interrupt of the kernel,
    stops the workers without loss and returns the study as it is; call the function
    again to resume it.

    Args:
        study: name or path of a study file; its content as a dict with a ``name``
            (relative paths in it start at the working directory); or a function
            ``objective(trial)`` of a file, also as ``"train.py:objective"``.
        data: data in memory for the task, as in ``new_study``: they are written to
            ``NAME-HASH.npz`` in the working directory. Without a ``name`` of the task,
            the data say which one reads them.
        workers: processes on this machine; default: one per core, or none if workers
            serve the study already.
        storage: PostgreSQL URL of the database; default: ``HPO_STORAGE``, else the
            embedded server.
        tables: keys and tables of the study file, in place of its own: ``name="other",
            seed=3, budget={"trials": 200}``. With all of a study, no file is needed.
            An ``objective`` may be a class or a function that workers can import.

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
        return run.from_python(
            study, tables, data=data, workers=workers, storage=storage
        )


def new_study(
    name: str,
    data: Any,
    *,
    inputs: str | Sequence[str] = "",
    labels: str = "",
    series: str = "",
    targets: str | Sequence[str] = "",
    horizon: int = 0,
    point_ns: float | None = None,
) -> Path:
    """Write a study that fits your data, NAME.toml in the working directory, and print
    how the data were read.

    Data in memory are written to ``NAME-HASH.npz`` beside it, from which workers read
    them; workers on other hosts need this file at the same place.

    Args:
        name: name of the study.
        data: a pair ``(x, y)`` of series, (n, time) or (n, time, channels), and labels,
            (n,); series of unequal lengths are a list. Or a dict of arrays, a
            DataFrame, an ``xarray.Dataset``, an array; or the path of a file or a
            directory.
        inputs: arrays or columns that a network receives: a list, or names with commas
            between them.
        labels: the array or column of labels.
        series: of a table: the column that tells series apart; ``"row"``: each row is
            one.
        targets: arrays or columns to predict, likewise.
        horizon: points to predict ahead.
        point_ns: time between two points on the device; default: that of the data,
            or 1.

    Returns:
        the path of the study file, for ``hpo.launch``.

    Raises:
        HpoError: the data break a rule, or can be read in several ways: the message
            lists them. Nothing has been written.
    """
    from hpo.errors import for_python
    from hpo.launch import from_data

    roles = {"inputs": inputs, "labels": labels, "series": series, "targets": targets}
    with for_python():
        return from_data.from_python(name, data, roles, horizon, point_ns)


class _Launch(ModuleType):
    """The package, which can be called: ``hpo.launch`` names the package and the
    function."""

    __signature__ = inspect.signature(launch)

    def __call__(self, *arguments: Any, **options: Any) -> Study:
        """See ``launch``."""
        return launch(*arguments, **options)


sys.modules[__name__].__class__ = _Launch

"""Look at a user's data: which task reads them, what is in them, and what should be
known of them.

``hpo new study`` prints it. The task that reads the data checks all rules.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...hardware import physics
from .. import advice
from ..refusal import refuse
from . import classification, prediction
from .recognise import choose_table
from .summary import Data, What

__all__ = ["Data", "look", "study"]


def look(
    path: Path,
    what: What | None = None,
    *,
    inputs: str = "",
    targets: str = "",
    horizon: int = 0,
) -> Data:
    """Read and summarise the data at ``path``.

    Args:
        path: a file, a directory, or the name of a pair of ``.ts`` files.
        what: what to learn; by default, what the data are for.
        inputs: input columns of a CSV file, for a series to predict.
        targets: its target columns.
        horizon: number of points to predict ahead.

    Raises:
        ValueError: no task reads the data, or they break a rule; the message says
            where.
    """
    table = choose_table(path, what)
    if table["name"] == "series":
        data = prediction.summarise(path, inputs, targets, horizon)
    elif inputs or targets or horizon:
        remedy = "Leave --inputs, --targets and --horizon out."
        refuse(path, "a series to predict", "series with labels", remedy)
    else:
        data = classification.summarise(table)
    return replace(data, rows=[(name, _printable(text)) for name, text in data.rows])


def _printable(text: str) -> str:
    """Replace control characters, which names of classes and files may have."""
    return "".join(c if c.isprintable() else "?" for c in text)


def study(
    data: Data, *, dt_ns: float | None = None
) -> advice.Classification | advice.Prediction:
    """Return a study that fits the data.

    Args:
        data: summary of the data.
        dt_ns: time between two points on the device; by default, that of the data, or
            1.

    Raises:
        ValueError: ``dt_ns`` is not positive.
    """
    if dt_ns is None:
        dt_ns = data.dt_ns or 1.0
    physics.presentation_ns(points=data.points, dt_ns=dt_ns)
    if data.what == "predict":
        return advice.prediction(points=data.points, dt_ns=dt_ns)
    return advice.classification(
        n_train=data.train,
        points=data.points,
        channels=data.channels,
        dt_ns=dt_ns,
        folds=data.table.get("validation_folds", 1),
    )

"""Look at a user's data: which task reads them, what is in them, and what should be
known of them.

``hpo new study`` prints it. The task that reads the data checks all rules.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hpo.errors import advise

from ...hardware import physics
from ...refusal import refuse
from .. import advice
from . import classification, prediction
from .question import QuestionError
from .recognise import choose_roles
from .summary import Data, Request, What

__all__ = [
    "Data",
    "QuestionError",
    "Request",
    "What",
    "look",
    "study",
]


def look(path: Path, request: Request | None = None) -> Data:
    """Read and summarise the data at ``path``.

    Args:
        path: a file, a directory, or the name of a pair of ``.ts`` files.
        request: what to learn, and from what; by default, what the data say.

    Raises:
        QuestionError: the data can be read in several ways; the message lists them.
        ValueError: no task reads the data, or they break a rule; the message says
            where.
    """
    request = _complete(path, request or Request())
    roles = choose_roles(path, request)
    if roles.table["name"] == "series":
        data = prediction.summarise(roles, request.horizon)
    else:
        data = classification.summarise(roles)
    return replace(data, rows=[(name, _printable(text)) for name, text in data.rows])


def _complete(path: Path, request: Request) -> Request:
    """Return a request with what follows from its other options.

    Raises:
        ValueError: they contradict each other.
    """
    classifies = bool(request.labels or request.series)
    predicts = bool(request.targets or request.horizon)
    if predicts and (classifies or request.what == "classify"):
        remedy = f"Leave {advise('--targets and --horizon', 'targets, horizon')} out."
        refuse(path, "a series to predict", "series with labels", remedy)
    if classifies and request.what == "predict":
        remedy = f"Leave {advise('--labels and --series', 'labels, series')} out."
        refuse(path, "series with labels", "one series to predict", remedy)
    if classifies:
        return replace(request, what="classify")
    if predicts:
        return replace(request, what="predict")
    return request


def _printable(text: str) -> str:
    """Replace control characters, which names of classes and files may have."""
    return "".join(c if c.isprintable() else "?" for c in text)


def study(
    data: Data, *, point_ns: float | None = None
) -> advice.Classification | advice.Prediction:
    """Return a study that fits the data.

    Args:
        data: summary of the data.
        point_ns: time between two points on the device; by default, that of the data,
            or 1.

    Raises:
        ValueError: ``point_ns`` is not positive.
    """
    if point_ns is None:
        point_ns = data.point_ns or 1.0
    physics.presentation_ns(points=data.points, point_ns=point_ns)
    if data.what == "predict":
        return advice.prediction(points=data.points, point_ns=point_ns)
    return advice.classification(
        n_train=data.train,
        points=data.points,
        channels=data.channels,
        point_ns=point_ns,
        folds=data.table.get("validation_folds", 1),
    )

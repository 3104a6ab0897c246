"""Prediction: one long series, its target at each point, and its split in time.

The split is not random: first ``washout`` points without a score, then the training
part, then the test part. Under ``Protocol.VALIDATION`` the end of the training part
scores, and the test part stays unseen. A network is scored in one run, from rest
through the ``washout`` points before the part, without a score, and through the whole
part.

Input and target are standardised, channel by channel, by the points of the training
part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from hpo.contract import Protocol, TaskParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from .examples import Examples, SeriesSplit


class SeriesParams(TaskParams):
    """Fields of all ``[task]`` tables for prediction."""

    washout: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description=(
                "points before each part that a network runs through without a score"
            ),
        ),
    ] = 100
    validation_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description=(
                "share of the training points, the last ones, that scores under the"
                " validation protocol"
            ),
        ),
    ] = 0.3

    def series(self) -> Series:
        """Return the series of the table.

        Raises:
            UnavailableError: this host does not have the data of ``sha256``.
            ValueError: without ``sha256``, the data is missing or breaks a rule.
        """
        raise NotImplementedError


class GeneratedParams(SeriesParams):
    """Fields of all ``[task]`` tables for generated series."""

    n_train: Annotated[
        int, Field(ge=100, le=100_000, description="points to train and to validate on")
    ] = 2000
    n_test: Annotated[
        int, Field(ge=100, le=100_000, description="points to test on")
    ] = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One series with its target at each point."""

    u: NDArray[np.float64]
    """Input, (points, channels)."""
    target: NDArray[np.float64]
    """Target of the readout, (points, outputs)."""
    n_test: int
    """Number of points in the test part, the last ones."""


def load(task: SeriesParams, *, protocol: Protocol) -> SeriesSplit:
    """Return the training part and the scoring part, each one example; see the module.

    Raises:
        UnavailableError: this host does not have the data of ``task.sha256``.
        ValueError: the data is missing or breaks a rule.
    """
    from .examples import Scaling, SeriesSplit

    series = task.series()
    n_train, n_validation = parts(task, series)
    first, score = task.washout, slice(len(series.u) - series.n_test, None)
    whole = train = slice(first, first + n_train + n_validation)
    if protocol is Protocol.VALIDATION:
        train, score = slice(first, first + n_train), slice(first + n_train, whole.stop)

    def scaling_of(values: NDArray[np.float64]) -> Scaling:
        mean, deviation = values[whole].mean(axis=0), values[whole].std(axis=0)
        scale = (
            deviation + (deviation == 0.0)
        ).tolist()  # a constant channel becomes 0
        return Scaling(shift=tuple(mean.tolist()), scale=tuple(scale))

    scaling, target_scaling = scaling_of(series.u), scaling_of(series.target)
    return SeriesSplit(
        train=_part(task, series, train, scaling, target_scaling),
        score=_part(task, series, score, scaling, target_scaling),
        n_classes=series.target.shape[1],
        scaling=scaling,
        target_scaling=target_scaling,
    )


def parts(task: SeriesParams, series: Series) -> tuple[int, int]:
    """Return the numbers of points that train and that validate."""
    n = len(series.u) - task.washout - series.n_test
    n_validation = round(task.validation_fraction * n)
    return n - n_validation, n_validation


def windows(part: Examples, *, length: int, washout: int) -> Examples:
    """Cut a part into adjacent windows of ``length`` scored points, to train on.

    Before its scored points, each window has ``washout`` points, from rest and without
    a score. Points that make no whole window, at the beginning and at the end, are left
    out.

    Args:
        part: one example from ``load``.
        length: scored points of a window.
        washout: points before them.

    Raises:
        ValueError: the part is too short for one window.
    """
    import numpy as np

    from .examples import Examples

    u, target = part.x[0], part.label[0]
    before = len(u) - len(target)  # points without a target
    first = max(before, washout)
    check_window(length=length, washout=washout, n_points=len(target), n_before=before)
    n = (len(u) - first) // length
    starts = first + length * np.arange(n)[:, np.newaxis]
    x = u[starts + np.arange(-washout, length)]
    return Examples(x=x, label=target[starts - before + np.arange(length)])


def check_window(*, length: int, washout: int, n_points: int, n_before: int) -> None:
    """Refuse a window that is too long for ``n_points`` points with ``n_before`` before
    them.

    Raises:
        ValueError: see ``windows``.
    """
    what, most, size = "window", n_points, length
    if length <= n_points:
        what, most, size = (
            "window + window_washout",
            n_before + n_points,
            length + washout,
        )
    if size > most:
        raise ValueError(
            f"window: expected `{what} <= {most}`, the points to train on, "
            f"got window={length}, window_washout={washout}. Lower them."
        )


def _part(
    task: SeriesParams, series: Series, part: slice, scaling: Any, target_scaling: Any
) -> Examples:
    """Return the points of a part, and ``washout`` points before it, as one example."""
    from .examples import Examples

    first = (
        part.start if part.start >= 0 else len(series.u) + part.start
    ) - task.washout
    x = scaling.apply(series.u[first : part.stop])
    label = target_scaling.apply(series.target[part])
    return Examples(x=x[None], label=label[None])

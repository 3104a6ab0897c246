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
from typing import TYPE_CHECKING

from pydantic import Field

from hpo.contract import Protocol, TaskParams

from ..sizes import SeriesContents
from .fields import Share

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..examples import Scaling, SeriesSplit

    Values = NDArray[np.float64]


class SeriesParams(TaskParams):
    """Fields of all ``[task]`` tables for prediction."""

    washout: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description=(
            "points before each part that a network runs through without a score"
        ),
    )
    validation_fraction: Share = Field(
        default=0.3,
        description=(
            "share of the training points, the last ones, that scores under the"
            " validation protocol"
        ),
    )

    def series(self) -> Series:
        """Return the series of the table.

        Raises:
            UnavailableError: this host does not have the data of ``sha256``.
            ValueError: without ``sha256``, the data is missing or breaks a rule.
        """
        raise NotImplementedError

    def parts(self, series: Series) -> tuple[int, int]:
        """Return the numbers of points that train and that validate."""
        n = len(series.u) - self.washout - series.n_test
        n_validation = round(self.validation_fraction * n)
        return n - n_validation, n_validation

    def contents(self) -> SeriesContents:
        """Return the sizes of the series and of its parts.

        Raises:
            ValueError: as ``series``.
        """
        series = self.series()
        train, validation = self.parts(series)
        return SeriesContents(
            points=len(series.u),
            channels=series.u.shape[1],
            outputs=series.target.shape[1],
            washout=self.washout,
            train=train,
            validation=validation,
            test=series.n_test,
        )

    def load(self, *, protocol: Protocol) -> SeriesSplit:
        """Return the training part and the scoring part, each one example; see the
        module.

        Raises:
            ValueError: as ``series``.
        """
        from ..examples import Examples, SeriesSplit

        series = self.series()
        n_train, n_validation = self.parts(series)
        first = self.washout
        end = first + n_train + n_validation
        scaling = _standardise(series.u[first:end])
        target_scaling = _standardise(series.target[first:end])

        def part(begin: int, end: int) -> Examples:
            """Return points, and ``washout`` points before them, as one example."""
            x = scaling.apply(series.u[begin - first : end])
            label = target_scaling.apply(series.target[begin:end])
            return Examples(x=x[None], label=label[None])

        if protocol is Protocol.VALIDATION:
            train = part(first, first + n_train)
            score = part(first + n_train, end)
        else:
            train = part(first, end)
            score = part(end, len(series.u))
        return SeriesSplit(
            train=train,
            score=score,
            n_classes=series.target.shape[1],
            scaling=scaling,
            target_scaling=target_scaling,
        )


class GeneratedParams(SeriesParams):
    """Fields of all ``[task]`` tables for generated series."""

    n_train: int = Field(
        default=2000,
        ge=100,
        le=100_000,
        description="points to train and to validate on",
    )
    n_test: int = Field(
        default=1000, ge=100, le=100_000, description="points to test on"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One series with its target at each point."""

    u: Values
    """Input, (points, channels)."""
    target: Values
    """Target of the readout, (points, outputs)."""
    n_test: int
    """Number of points in the test part, the last ones."""


def _standardise(values: Values) -> Scaling:
    """Return the scaling to mean 0 and deviation 1; a constant channel becomes 0."""
    from ..examples import Scaling

    deviation = values.std(axis=0)
    scale = deviation + (deviation == 0.0)
    return Scaling(
        shift=tuple(values.mean(axis=0).tolist()), scale=tuple(scale.tolist())
    )

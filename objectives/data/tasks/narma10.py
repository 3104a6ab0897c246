"""NARMA10: reproduce a system with a memory of ten points from its random input::

    y(t + 1) = 0.3 y(t) + 0.05 y(t) [y(t) + ... + y(t - 9)] + 1.5 u(t - 9) u(t) + 0.1

with u uniform in [0, 0.5]. After u(t) the target of the readout is y(t + 1).

A. F. Atiya and A. G. Parlos, New results on recurrent network training: unifying the
algorithms and accelerating convergence, IEEE Trans. Neural Netw. 11, 697 (2000).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .fields import Seed
from .series import GeneratedParams, Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ORDER = 10
LARGEST = 2.0
"""Bound of y. One input of 3,000 points in a hundred diverges; then another one is
drawn."""


def narma10(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return y(0) to y(n) under the input u(0) to u(n - 1), from rest: y and u are 0
    before."""
    import numpy as np

    inputs = [0.0] * (ORDER - 1) + u.tolist()
    y = [0.0] * ORDER
    for past, now in zip(inputs, inputs[ORDER - 1 :], strict=False):
        total = sum(y[-ORDER:])
        y.append(0.3 * y[-1] + 0.05 * y[-1] * total + 1.5 * past * now + 0.1)
    return np.array(y[ORDER - 1 :])


class Narma10Params(GeneratedParams):
    """The ``[task]`` table of a study on NARMA10."""

    name: Literal["narma10"] = "narma10"
    series_seed: Seed = Field(
        default=0, description="seed of the input, the same for all networks"
    )

    def series(self) -> Series:
        """See ``SeriesParams``."""
        import numpy as np

        from ...randomness import stream

        n = self.washout + self.n_train + self.n_test
        for attempt in count():
            u = stream(self.series_seed, f"narma10/{attempt}").uniform(0.0, 0.5, n)
            y = narma10(u)
            if np.abs(y).max() < LARGEST:  # false for NaN
                break
        return Series(u=u[:, np.newaxis], target=y[1:, np.newaxis], n_test=self.n_test)

"""MNIST-1D: ten templates of 12 points, padded, stretched, shifted, sheared and made noisy.

S. Greydanus, D. Kobak, arXiv:2011.14439. With the seed 42 the series are those that its authors
published, to rounding: their draws, in their order, by NumPy's legacy generator, whose streams do
not change. Series of 40 points of mean 0 and standard deviation 1, over all of them; 4,000 train
and 1,000 test.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hpo.objectives.tasks.recorded import RecordedParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from hpo.objectives.tasks.recording import Recording

N_SERIES, N_TRAIN, POINTS = 5000, 4000, 40
_SHORTEST_PADDING, _LONGEST_PADDING = 36, 60
_LARGEST_SHIFT = 48
_SCALE, _SHEAR, _CORRELATED_NOISE, _NOISE = 0.4, 0.75, 0.25, 0.02
_SIGMA = 2
"""Of the Gaussian that correlates the noise, in points."""

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


class Mnist1dParams(RecordedParams):
    """The ``[task]`` table of a study on MNIST-1D."""

    name: Literal["mnist-1d"] = "mnist-1d"
    seed: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            description="draws all series; those of 42 are the ones that were published",
        ),
    ] = 42

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import numpy as np

        from hpo.objectives.tasks.raw import Raw
        from hpo.objectives.tasks.recording import checked

        x, y = generated(np.random.RandomState(self.seed))
        test = np.arange(N_SERIES) >= N_TRAIN
        return checked("mnist-1d", Raw(x=x, y=y, test=test, sha256=""))


def generated(chance: np.random.RandomState) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The series, (5000, 40), and the digit of each, (5000,), in the order of the authors."""
    import numpy as np

    templates = np.array(_TEMPLATES)
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= templates.std(axis=1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6  # begins and ends at 0
    digit = np.repeat(np.arange(10), N_SERIES // 10)
    x = np.stack([_series(templates[k], chance) for k in digit])
    order = chance.permutation(N_SERIES)
    x, digit = x[order], digit[order]
    return (x - x.mean()) / x.std(), digit


def _series(template: NDArray[np.float64], chance: np.random.RandomState) -> NDArray[np.float64]:
    """One series of a template: ``transform`` of the authors, with their default arguments."""
    import numpy as np

    n_padding = _LONGEST_PADDING - _SHORTEST_PADDING + 1
    padding = _SHORTEST_PADDING + int(chance.rand() * n_padding)
    x = np.concatenate([template + 1e-8, np.zeros(padding)])  # no point of it is exactly 0
    x = _stretched(x, len(template) + _LONGEST_PADDING)
    x *= 1 + _SCALE * (chance.rand() - 0.5)
    x = np.roll(x, chance.choice(_LARGEST_SHIFT))
    correlated = _smoothed(_CORRELATED_NOISE * chance.randn(len(x)))
    x = np.where(x != 0, x, correlated) + _NOISE * chance.randn(len(x))
    x -= _SHEAR * (chance.rand() - 0.5) * np.linspace(-0.5, 0.5, len(x))
    return _stretched(x, POINTS)


def _stretched(x: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """The same curve by so many points, with straight lines between those that it had."""
    import numpy as np

    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(x)), x)


def _smoothed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolved with a Gaussian that ends at 4 standard deviations; reflected at the ends."""
    import numpy as np

    reach = 4 * _SIGMA
    kernel = np.array([math.exp(-0.5 * (k / _SIGMA) ** 2) for k in range(-reach, reach + 1)])
    padded = np.pad(x, reach, mode="symmetric")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")

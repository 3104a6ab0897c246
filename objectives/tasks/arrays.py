"""Your own data: labelled time series from an ``.npz`` or ``.ts`` file, from CSV or IDX files.

``.npz``: an array ``x``, (n, time) or (n, time, channels), of numbers, NaN at the end of series
that are shorter than the longest; an array ``y``, (n,), of
labels, whole numbers or texts; and, if you split the data yourself, an array ``test``, (n,), of
true or false.

Directory: one CSV file per series (a row per time point, a column per channel, a line of names on
top if you like), and ``labels.csv`` with the columns ``file,label`` and, if you split the data
yourself, ``test`` (0 or 1).

A ``.ts`` file of the UCR archive that is no pair is split as the others are; ``ucr`` reads pairs.
``idx`` says which IDX files are read.

Series of unequal lengths are refused unless ``pad`` says how they become as long as the longest.

Classes are numbered in the sorted order of their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from hpo.objectives.tasks.recorded import Padding, SplitParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from hpo.objectives.tasks.recording import Recording


class ArraysParams(SplitParams):
    """The ``[task]`` table of a study on a user's own data."""

    scarce: ClassVar[str] = "Record more of it, or mark others as test."

    name: Literal["arrays"] = "arrays"
    path: Annotated[
        str,
        Field(
            min_length=1,
            description="an .npz or .ts file, or a directory of CSV files with labels.csv or of"
            " IDX files; a relative path begins at the directory of the study file",
        ),
    ]
    pad: Padding = None

    @property
    def files(self) -> Sequence[Path]:
        """The file, or the IDX files; those of a directory of CSV are read by every process."""
        if self.source.suffix in (".npz", ".ts"):
            return (self.source,)
        from hpo.objectives.tasks import idx

        return idx.files(self.source) if idx.are_in(self.source) else ()

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        from hpo.objectives.tasks.recording import read

        return read(self.source, unequal=self.pad is not None)

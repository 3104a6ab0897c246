"""Your own data: labelled time series from a file or a directory.

Named arrays (NumPy, HDF5, NetCDF, MATLAB): ``x`` of numbers, (n, time) or (n, time,
channels), with NaN at the end of shorter series; ``y`` of labels, (n,), whole numbers
or texts; and, for a split of your own, ``test`` of true or false, (n,). ``inputs`` and
``labels`` name others.

Table (CSV, TSV, Parquet): ``labels`` names the column of labels. Each row is a series;
or, with ``series``, rows with the same value there are one.

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

from .fields import Names, Padding, Place
from .recorded import SplitParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from ..formats import Recording


class ArraysParams(SplitParams):
    """The ``[task]`` table of a study on a user's own data."""

    scarce: ClassVar[str] = "Record more of it, or mark others as test."

    name: Literal["arrays"] = "arrays"
    path: Place = Field(
        description=(
            "file or directory of the data (docs/how-to/own-data.md has the formats);"
            " a relative path begins at the directory of the study file"
        ),
    )
    inputs: Names = Field(
        default="",
        description=(
            "arrays of series, or columns of a table, with commas between them; by"
            " default x, or all columns that have no other role"
        ),
    )
    labels: Names = Field(
        default="", description="the array or column of labels; by default y"
    )
    series: Names = Field(
        default="",
        description=(
            "of a table with a row per time point: the column that tells which series"
            " a row belongs to; without it, each row is a series"
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

        choice = formats.Choice(self.inputs, self.labels, self.series)
        return formats.read(self.source, unequal=self.pad is not None, choice=choice)

"""Sets of the UCR and UEA archives, split into ``NAME_TRAIN.ts`` and ``NAME_TEST.ts``.

H. A. Dau et al., arXiv:1810.07758; A. Bagnall et al., arXiv:1811.00075.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...refusal import refuse
from .fields import Padding, Place
from .recorded import FileParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from ..formats import Recording

_TRAIN = "_TRAIN.ts"
_TEST = "_TEST.ts"
_REMEDY = (
    "Download the set from timeseriesclassification.com, unpack it, and give the"
    " directory of its .ts files, or their names up to _TRAIN.ts."
)


class UcrParams(FileParams):
    """The ``[task]`` table of a study on a set of the UCR or UEA archive."""

    name: Literal["ucr"] = "ucr"
    path: Place = Field(
        description=(
            "directory of NAME_TRAIN.ts and NAME_TEST.ts, or directory/NAME if it"
            " has several such pairs"
        ),
    )
    pad: Padding = None

    @property
    def files(self) -> Sequence[Path]:
        """The training file and the test file.

        Raises:
            ValueError: the directory has no such file, or several.
        """
        prefix = str(self.source)
        if self.source.is_dir():
            pairs = sorted(str(path) for path in self.source.glob(f"*{_TRAIN}"))
            if len(pairs) != 1:
                names = [Path(pair).name.removesuffix(_TRAIN) for pair in pairs]
                got = ", ".join(names) or "none"
                refuse(self.source, f"one file *{_TRAIN}", got, _REMEDY)
            prefix = pairs[0].removesuffix(_TRAIN)
        return Path(prefix + _TRAIN), Path(prefix + _TEST)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        from ..formats import check, ts

        for path in self.files:
            if not path.exists():
                refuse(path, "a file", "nothing there", _REMEDY)
        unequal = self.pad is not None
        raw = ts.read_all(self.files, unequal=unequal)
        return check(self.source, raw, unequal=unequal)

"""Sets of the UCR and UEA archives, split into ``NAME_TRAIN.ts`` and ``NAME_TEST.ts``.

H. A. Dau et al., arXiv:1810.07758; A. Bagnall et al., arXiv:1811.00075.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from .recorded import FileParams, Padding

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from .recording import Recording

_TRAIN, _TEST = "_TRAIN.ts", "_TEST.ts"
_REMEDY = (
    "Download the set from timeseriesclassification.com, unpack it, and give the"
    " directory of its .ts files, or their names up to _TRAIN.ts."
)


class UcrParams(FileParams):
    """The ``[task]`` table of a study on a set of the UCR or UEA archive."""

    name: Literal["ucr"] = "ucr"
    path: Annotated[
        str,
        Field(
            min_length=1,
            description=(
                "directory of NAME_TRAIN.ts and NAME_TEST.ts, or directory/NAME if it"
                " has several such pairs"
            ),
        ),
    ]
    pad: Padding = None

    @property
    def files(self) -> Sequence[Path]:
        """The training file and the test file.

        Raises:
            ValueError: the directory has no such file, or several.
        """
        from .raw import refuse

        prefix = self.source
        if prefix.is_dir():
            names = sorted(
                file.name.removesuffix(_TRAIN) for file in prefix.glob(f"*{_TRAIN}")
            )
            if len(names) != 1:
                rule = f"one file *{_TRAIN}"
                refuse(prefix, rule, ", ".join(names) or "none", _REMEDY)
            prefix /= names[0]
        return prefix.with_name(prefix.name + _TRAIN), prefix.with_name(
            prefix.name + _TEST
        )

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        from . import ts
        from .raw import refuse
        from .recording import check

        for path in self.files:
            if not path.exists():
                refuse(path, "a file", "nothing there", _REMEDY)
        unequal = self.pad is not None
        return check(self.source, ts.read(self.files, unequal=unequal), unequal=unequal)

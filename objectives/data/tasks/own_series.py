"""Your own series to predict, from a file of named arrays or a table.

Arrays: ``u``, (time,) or (time, channels), and ``target``, (time,) or (time, outputs),
of numbers; ``inputs`` and ``targets`` name others. Table: a row per time point;
``inputs`` and ``targets`` name columns. One that is in both, with a ``horizon``, is
predicted from its own past.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from hpo.contract import UnavailableError

from ...refusal import check_unchanged, refuse
from .fields import DataHash, Names, Place, Share
from .recorded import absolute
from .series import Series, SeriesParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..formats import Variables

    Array = NDArray[Any]

INPUTS = "u"
TARGETS = "target"
"""Names of arrays without a choice."""


class OwnSeriesParams(SeriesParams):
    """The ``[task]`` table of a study on a user's own series."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    name: Literal["series"] = "series"
    path: Place = Field(
        description=(
            "a file of named arrays or a table (docs/how-to/own-data.md has the"
            " formats); a relative path begins at the directory of the study file"
        ),
    )
    inputs: Names = Field(
        default="",
        description=(
            "columns of a table, or arrays, with commas between them; by default the"
            " array u"
        ),
    )
    targets: Names = Field(
        default="",
        description="what is predicted, likewise; by default the array target",
    )
    horizon: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="points by which the target is ahead of the input",
    )
    test_fraction: Share = Field(
        default=0.3, description="share of the points, the last ones, that tests"
    )
    sha256: DataHash = None

    def resolve(self, base: Path) -> Self:
        """Return a copy with an absolute path and the hash of the data, after all
        checks."""
        here = self.model_copy(update={"path": absolute(base, self.path)})
        _, sha256 = _read(here)
        return here.model_copy(update={"sha256": sha256})

    def series(self) -> Series:
        """See ``SeriesParams``."""
        if self.sha256 is None:
            return _read(self)[0]
        try:
            return _load_once(self)
        except (ValueError, OSError) as error:
            raise UnavailableError(str(error)) from error


@lru_cache(maxsize=2)
def _load_once(task: OwnSeriesParams) -> Series:
    """Read data with a pinned hash once per process."""
    return _read(task)[0]


def _read(task: OwnSeriesParams) -> tuple[Series, str]:
    """Return the series and the hash of its file, after all checks."""
    from .. import formats

    path = Path(task.path)
    known = formats.find_arrays(path)
    if known is None:
        got = f"path={task.path!r}"
        rule = formats.describe(arrays_only=True)
        refuse(path, rule, got, formats.raw.ELSEWHERE)
    file = known.open(path)
    check_unchanged(path, "sha256", task.sha256, file.sha256)
    u = _choose(file, "inputs", task.inputs, INPUTS)
    target = _choose(file, "targets", task.targets, TARGETS)
    return _make_series(task, u, target), file.sha256


def _choose(file: Variables, key: str, text: str, default: str) -> NDArray[np.float64]:
    """Return the arrays or columns that a key names, side by side, (time, columns).

    Raises:
        ValueError: the file has no such array, or it has no finite numbers.
    """
    import numpy as np

    remedy = "Name another one in [task], by `inputs` or `targets`."

    def read(name: str) -> Array:
        return file.numbers(name) if text else file.get(name, remedy)

    if text or (file.is_table and default not in file.shapes):
        names = file.choose(key, text)
    else:
        names = [default]
    parts = [_check(file.path, name, read(name)) for name in names]
    if len({len(part) for part in parts}) > 1:
        got = ", ".join(f"len({n})={len(p)}" for n, p in zip(names, parts, strict=True))
        refuse(file.path, f"`{key}` of one length", got, "Name others.")
    return np.concatenate(parts, axis=1)


def _check(path: Path, name: str, values: Array) -> NDArray[np.float64]:
    """Return an array as finite numbers, (time, columns)."""
    import numpy as np

    from ..formats import raw

    if not raw.holds_numbers(values) or values.ndim not in (1, 2) or values.size == 0:
        refuse(
            path,
            f"numbers in `{name}`, (time,) or (time, columns)",
            f"{name}.dtype={values.dtype}, {name}.shape={values.shape}",
            f"Convert it: {name}[t] is one time point.",
        )
    columns = values.astype(np.float64).reshape(len(values), -1)
    broken = ~np.isfinite(columns)
    if broken.any():
        rule = f"finite numbers in `{name}`"
        remedy = "Correct or remove these points."
        refuse(path, rule, raw.show_first(name, columns, broken), remedy)
    return columns


def _make_series(
    task: OwnSeriesParams, u: NDArray[np.float64], target: NDArray[np.float64]
) -> Series:
    """Return the series with targets ``horizon`` points ahead.

    Raises:
        ValueError: it is too short, or a target of the test part is constant.
    """
    import numpy as np

    if len(u) != len(target):
        refuse(
            task.path,
            "a target for every point, `len(u) == len(target)`",
            f"len(u)={len(u)}, len(target)={len(target)}",
            "Correct the file.",
        )
    n = max(0, len(u) - task.horizon)
    n_test = round(task.test_fraction * n)
    series = Series(u=u[:n], target=target[task.horizon :], n_test=n_test)
    if min(n_test, *task.parts(series)) < 2:
        refuse(
            task.path,
            "points to train, to validate and to test",
            f"{n} points, washout={task.washout}, horizon={task.horizon}",
            "Record more of them, or lower `washout` or `horizon`.",
        )
    constant = np.flatnonzero(series.target[-n_test:].std(axis=0) == 0.0)
    if len(constant):
        refuse(
            task.path,
            "targets that vary",
            f"a constant one, number {constant[0]}, in the test part",
            "Leave it out: an error has no scale there.",
        )
    return series

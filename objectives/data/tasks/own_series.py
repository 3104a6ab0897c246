"""Your own series to predict, from an ``.npz`` file or a CSV file.

``.npz``: an array ``u``, (time,) or (time, channels), and an array ``target``, (time,)
or (time, outputs), of numbers. CSV: a line with the names of the columns, then a row
per time point; ``inputs`` and ``targets`` name columns. A column in both, with a
``horizon``, is predicted from its own past.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from hpo.contract import UnavailableError

from ..refusal import refuse
from .fields import DataHash, Place, Share
from .recorded import absolute
from .series import Series, SeriesParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

Names = Annotated[str, Field(max_length=10_000)]


class OwnSeriesParams(SeriesParams):
    """The ``[task]`` table of a study on a user's own series."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    name: Literal["series"] = "series"
    path: Place = Field(
        description=(
            "an .npz file or a CSV file; a relative path begins at the directory of"
            " the study file"
        ),
    )
    inputs: Names = Field(
        default="",
        description="of a CSV file: its input columns, with commas between them",
    )
    targets: Names = Field(
        default="", description="of a CSV file: the columns to predict, likewise"
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
    import hashlib

    from ..formats import raw

    path = Path(task.path)
    if path.suffix not in (".npz", ".csv"):
        refuse(
            path,
            "an .npz file or a CSV file (.csv)",
            f"path={task.path!r}",
            raw.ELSEWHERE,
        )
    content = raw.content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if task.sha256 not in (None, sha256):
        refuse(
            path,
            f"`sha256 == {task.sha256!r}`",
            f"sha256={sha256!r}: it changed",
            "Put the old data back, or begin a new study (without `sha256`, if it is"
            " given).",
        )
    read_arrays = _read_npz if path.suffix == ".npz" else _read_csv
    u, target = read_arrays(task, path, content)
    return _make_series(
        task, _check(path, "u", u), _check(path, "target", target)
    ), sha256


def _read_npz(task: OwnSeriesParams, path: Path, content: bytes) -> tuple[Array, Array]:
    """Return the arrays ``u`` and ``target``."""
    from ..formats import npz

    if task.inputs or task.targets:
        refuse(
            path,
            "columns of a CSV file",
            "an .npz file",
            "Remove `inputs` and `targets`: an .npz file has the arrays `u` and"
            " `target`.",
        )
    remedy = 'Save it: numpy.savez("….npz", u=u, target=target).'
    by_name = npz.arrays(path, content, ("u", "target"), remedy)
    return by_name["u"], by_name["target"]


def _read_csv(task: OwnSeriesParams, path: Path, content: bytes) -> tuple[Array, Array]:
    """Return the columns ``inputs`` and ``targets``, each (time, columns)."""
    import numpy as np

    from ..formats import csvs

    columns = csvs.table(path, content)

    def choose(key: str, text: str) -> Array:
        names = csvs.column_names(text)
        if not names or not columns.keys() >= set(names):
            remedy = f"Name some of {', '.join(columns)}, with commas between them."
            refuse(path, f"`{key}`, columns of the file", f"{key}={text!r}", remedy)
        return np.array([columns[name] for name in names]).T

    return choose("inputs", task.inputs), choose("targets", task.targets)


def _check(path: Path, name: str, values: Array) -> NDArray[np.float64]:
    """Return an array as finite numbers, (time, columns)."""
    import numpy as np

    from ..formats import raw

    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or values.size == 0:
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

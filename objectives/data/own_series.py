"""Your own series to predict, from an ``.npz`` file or a CSV file.

``.npz``: an array ``u``, (time,) or (time, channels), and an array ``target``, (time,)
or (time, outputs), of numbers. CSV: a line with the names of the columns, then a row
per time point; ``inputs`` and ``targets`` name columns. A column in both, with a
``horizon``, is predicted from its own past.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from hpo.contract import Sha256, UnavailableError

from .series import Series, SeriesParams, parts

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

Names = Annotated[str, Field(max_length=10_000)]


class OwnSeriesParams(SeriesParams):
    """The ``[task]`` table of a study on a user's own series."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    name: Literal["series"] = "series"
    path: Annotated[
        str,
        Field(
            min_length=1,
            description=(
                "an .npz file or a CSV file; a relative path begins at the directory of"
                " the study file"
            ),
        ),
    ]
    inputs: Annotated[
        Names,
        Field(description="of a CSV file: its input columns, with commas between them"),
    ] = ""
    targets: Annotated[
        Names, Field(description="of a CSV file: the columns to predict, likewise")
    ] = ""
    horizon: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="points by which the target is ahead of the input",
        ),
    ] = 0
    test_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description="share of the points, the last ones, that tests",
        ),
    ] = 0.3
    sha256: Annotated[
        Sha256 | None,
        Field(
            description=(
                "hash of the data; set when the study file is read, and verified by"
                " every worker"
            ),
        ),
    ] = None

    def resolve(self, base: Path) -> Self:
        """Return a copy with an absolute path and the hash of the data, after all
        checks."""
        path = Path(os.path.abspath(base / os.path.expanduser(self.path)))
        here = self.model_copy(update={"path": str(path)})
        return here.model_copy(update={"sha256": _check(here)[1]})

    def series(self) -> Series:
        """See ``SeriesParams``."""
        if self.sha256 is None:
            return _check(self)[0]
        try:
            return _load_once(self)
        except (ValueError, OSError) as error:
            raise UnavailableError(str(error)) from error


@lru_cache(maxsize=2)
def _load_once(task: OwnSeriesParams) -> Series:
    """Read data with a pinned hash once per process."""
    return _check(task)[0]


def _check(task: OwnSeriesParams) -> tuple[Series, str]:
    """Return the series and the hash of its file, after all checks."""
    import hashlib

    import numpy as np

    from .raw import content, refuse

    path = Path(task.path)
    if path.suffix not in (".npz", ".csv"):
        remedy = (
            "Correct the path; workers on other hosts need the data at the same place."
        )
        refuse(path, "an .npz file or a CSV file (.csv)", f"path={task.path!r}", remedy)
    bytes_ = content(path)
    sha256 = hashlib.sha256(bytes_).hexdigest()
    if task.sha256 not in (None, sha256):
        remedy = (
            "Put the old data back, or begin a new study (without `sha256`, if it is"
            " given)."
        )
        refuse(
            path,
            f"`sha256 == {task.sha256!r}`",
            f"sha256={sha256!r}: it changed",
            remedy,
        )
    if path.suffix == ".npz" and (task.inputs or task.targets):
        remedy = (
            "Remove `inputs` and `targets`: an .npz file has the arrays `u` and"
            " `target`."
        )
        refuse(path, "columns of a CSV file", "an .npz file", remedy)
    arrays = _npz(path, bytes_) if path.suffix == ".npz" else _csv(path, bytes_, task)
    u, target = (_columns(path, name, values) for name, values in arrays.items())
    if len(u) != len(target):
        got = f"len(u)={len(u)}, len(target)={len(target)}"
        refuse(
            path,
            "a target for every point, `len(u) == len(target)`",
            got,
            "Correct the file.",
        )
    n = max(0, len(u) - task.horizon)
    u, target = u[:n], target[task.horizon :]
    series = Series(u=u, target=target, n_test=round(task.test_fraction * n))
    if min(series.n_test, *parts(task, series)) < 2:
        got = f"{n} points, washout={task.washout}, horizon={task.horizon}"
        remedy = "Record more of them, or lower `washout` or `horizon`."
        refuse(path, "points to train, to validate and to test", got, remedy)
    constant = np.flatnonzero(target[-series.n_test :].std(axis=0) == 0.0)
    if len(constant):
        remedy = "Leave it out: an error has no scale there."
        refuse(
            path,
            "targets that vary",
            f"a constant one, number {constant[0]}, in the test part",
            remedy,
        )
    return series, sha256


def _npz(path: Path, bytes_: bytes) -> dict[str, NDArray[Any]]:
    from .npz import arrays

    names, remedy = (
        ("u", "target"),
        'Save it: numpy.savez("….npz", u=u, target=target).',
    )
    by_name = arrays(path, bytes_, names, remedy)
    return {name: by_name[name] for name in names}


def _csv(path: Path, bytes_: bytes, task: OwnSeriesParams) -> dict[str, NDArray[Any]]:
    from .csvs import column_name, table
    from .raw import refuse

    columns = table(path, bytes_)
    arrays: dict[str, Any] = {}
    for key, array, text in (
        ("inputs", "u", task.inputs),
        ("targets", "target", task.targets),
    ):
        names = [column_name(name) for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in columns]
        if unknown or not names:
            got = f"{key}={text!r}"
            remedy = f"Name some of {', '.join(columns)}, with commas between them."
            refuse(path, f"`{key}`, columns of the file", got, remedy)
        arrays[array] = [columns[name] for name in names]
    import numpy as np

    return {array: np.array(values).T for array, values in arrays.items()}


def _columns(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return an array as finite numbers, (time, columns)."""
    import numpy as np

    from .raw import refuse

    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or values.size == 0:
        got = f"{name}.dtype={values.dtype}, {name}.shape={values.shape}"
        remedy = f"Convert it: {name}[t] is one time point."
        refuse(path, f"numbers in `{name}`, (time,) or (time, columns)", got, remedy)
    columns = values.astype(np.float64).reshape(len(values), -1)
    broken = ~np.isfinite(columns)
    if broken.any():
        row, column = np.argwhere(broken)[0].tolist()
        got = (
            f"{name}[{row}, {column}]={columns[row, column]} ({broken.sum()} such"
            " values)"
        )
        refuse(
            path, f"finite numbers in `{name}`", got, "Correct or remove these points."
        )
    return columns

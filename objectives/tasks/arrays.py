"""Your own data: labelled time series from an ``.npz`` file or a directory of CSV files.

``.npz``: an array ``x``, (n, time) or (n, time, channels), of numbers, NaN at the end of series
that are shorter than the longest; an array ``y``, (n,), of
labels, whole numbers or texts; and, if you split the data yourself, an array ``test``, (n,), of
true or false.

Directory: one CSV file per series (a row per time point, a column per channel, a line of names on
top if you like), and ``labels.csv`` with the columns ``file,label`` and, if you split the data
yourself, ``test`` (0 or 1).

Series of unequal lengths are refused unless ``pad`` says how they become as long as the longest.

Classes are numbered in the sorted order of their labels.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from objectives.contract import Protocol, TaskParams, UnavailableError

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from objectives.tasks.data import Examples, Scaling, Split
    from objectives.tasks.recording import Recording

Normalisation = Literal["none", "minmax", "standard"]


class ArraysParams(TaskParams):
    """The ``[task]`` table of a study on a user's own data."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    name: Literal["arrays"] = "arrays"
    path: Annotated[
        str,
        Field(
            min_length=1,
            description="an .npz file, or a directory of CSV files with labels.csv; a relative"
            " path begins at the directory of the study file",
        ),
    ]
    split_seed: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            description="chooses which series train, which test, where the data does not say",
        ),
    ] = 0
    test_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description="part of the series that tests, where the data does not say; half, as in"
            " the paper",
        ),
    ] = 0.5
    validation_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description="part of the training half that scores under the validation protocol",
        ),
    ] = 0.3
    normalise: Annotated[
        Normalisation,
        Field(
            description="of every channel, by statistics of the training half: none; minmax, to"
            " 0..1; standard, to mean 0 and standard deviation 1"
        ),
    ] = "none"
    pad: Annotated[
        Literal["before"] | None,
        Field(
            description="how series become as long as the longest: before, by 0 (after normalise)"
            " before their first point; without it they must be of one length"
        ),
    ] = None
    sha256: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="content of the data; filled in when the study file is read, and verified"
            " by every worker",
        ),
    ] = None

    def resolved(self, base: Path) -> Self:
        """With an absolute path and the hash of the data, which is checked as a whole."""
        # neither Path.expanduser, which raises, nor Path.resolve: symbolic links stay
        path = Path(os.path.abspath(base / os.path.expanduser(self.path)))
        recording = _verified(path, self.sha256, self.pad is not None)
        _check_shares(self, recording, path)
        return self.model_copy(update={"path": str(path), "sha256": recording.sha256})


def load(task: ArraysParams, *, protocol: Protocol, member_seed: int) -> Split:
    """The examples that train and score the member ``member_seed``; see ``splitting.for_member``.

    Returns:
        Split of series of shape (time, channels).

    Raises:
        UnavailableError: the data of ``task.sha256`` is not at hand on this host.
        ValueError: without it: the data is not there, or breaks a rule.
    """
    from objectives.tasks.data import Split
    from objectives.tasks.splitting import for_member

    path = Path(task.path)
    unequal = task.pad is not None
    pinned = _pinned(path, task.sha256, unequal) if task.sha256 else None
    recording = pinned or _verified(path, None, unequal)
    train, test, scaling = halves(task, recording)
    train, score = for_member(
        train,
        test,
        protocol=protocol,
        validation_fraction=task.validation_fraction,
        member_seed=member_seed,
    )
    classes = recording.classes
    return Split(train=train, score=score, n_classes=len(classes), classes=classes, scaling=scaling)


def halves(task: ArraysParams, recording: Recording) -> tuple[Examples, Examples, Scaling | None]:
    """The training half and the test half, normalised, then padded; and how they were normalised.

    Raises:
        ValueError: a class has too few series for the split.
    """
    import numpy as np

    from objectives.tasks.splitting import stratified_split

    _check_shares(task, recording, Path(task.path))
    every = recording.examples
    if recording.test is None:
        n_test = round(task.test_fraction * len(every))
        train, test = stratified_split(every, n_second=n_test, seed=task.split_seed)
    else:
        train = every.take(np.flatnonzero(~recording.test))
        test = every.take(np.flatnonzero(recording.test))
    scaling = _scaling(task.normalise, train)
    if scaling is not None:
        train, test = scaling.apply(train), scaling.apply(test)
    return _padded(train), _padded(test), scaling


def _padded(examples: Examples) -> Examples:
    """0 in place of the points that a shorter series lacks."""
    import numpy as np

    lacking = np.isnan(examples.x)
    if not lacking.any():
        return examples
    return replace(examples, x=np.where(lacking, np.float32(0), examples.x))


def _scaling(how: Normalisation, train: Examples) -> Scaling | None:
    """What ``how`` asks for, by the statistics of the points of the training half alone."""
    import numpy as np

    from objectives.tasks.data import Scaling

    if how == "none":
        return None
    x = train.x.astype(np.float64)
    there = ~np.isnan(x[:, :, 0])
    if not there.all():  # else in its shape, by which a sum rounds
        x = x[there][np.newaxis]
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    shift, scale = (low, high - low) if how == "minmax" else (x.mean((0, 1)), x.std((0, 1)))
    scale = np.where(high > low, scale, 1.0)  # a constant channel becomes 0
    shift = np.where(high > low, shift, low)
    return Scaling(shift=tuple(shift.tolist()), scale=tuple(scale.tolist()))


def _check_shares(task: ArraysParams, recording: Recording, path: Path) -> None:
    """Every class has at least one series to train on, to validate on and to test on.

    Bounds that hold for any seed: a stratified split rounds a class's share down or up.
    """
    import numpy as np

    n_classes = len(recording.classes)
    count = np.bincount(recording.examples.label, minlength=n_classes)
    if recording.test is None:
        test = count * round(task.test_fraction * count.sum()) / count.sum()
        least_test, least_train = np.floor(test), count - np.ceil(test)
        fractions = f"test_fraction={task.test_fraction}, "
        remedy = "Record more of it, or change the fractions."
    else:
        own = np.bincount(recording.examples.label[recording.test], minlength=n_classes)
        least_test, least_train = own, count - own
        fractions = f"{int(own.sum())} series marked as test, "
        remedy = "Record more of it, or mark others as test."
    n_train = max(least_train.sum(), 1)
    validation = least_train * round(task.validation_fraction * n_train) / n_train
    least = np.minimum(least_test, np.floor(validation))
    least = np.minimum(least, least_train - np.ceil(validation))
    if least.min() < 1:
        worst = int(least.argmin())
        raise ValueError(
            f"{path}: enough series of every class to train, to validate and to test must hold, "
            f"but got {count[worst]} of the class {recording.classes[worst]!r} with {fractions}"
            f"validation_fraction={task.validation_fraction}. {remedy}"
        )


def _pinned(path: Path, sha256: str, unequal: bool) -> Recording:
    """The data with this content, which was checked when the study began."""
    try:
        return _recording(path, sha256, unequal)
    except (ValueError, OSError) as error:
        raise UnavailableError(str(error)) from error


@lru_cache(maxsize=2)
def _recording(path: Path, sha256: str, unequal: bool) -> Recording:
    """The data with this content, read once per process."""
    return _verified(path, sha256, unequal)


def _verified(path: Path, sha256: str | None, unequal: bool) -> Recording:
    from objectives.tasks.recording import read

    recording = read(path, unequal=unequal)
    if sha256 is not None and recording.sha256 != sha256:
        raise ValueError(
            f"{path}: `sha256 == {sha256!r}` must hold, but got sha256={recording.sha256!r}: the "
            "data changed since the study began. Put the old data back, or begin a new study "
            "(without `sha256`, if the file gives it)."
        )
    return recording

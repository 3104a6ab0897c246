"""Tasks with series that are read as a ``Recording``: split, normalised, padded and
pinned here.

A task itself only reads its recording.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from hpo.contract import Protocol, Sha256, UnavailableError

from .splitting import SplitTaskParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from .examples import Examples, Halves, Scaling, Split
    from .recording import Recording

Normalisation = Literal["none", "minmax", "standard"]
Normalise = Annotated[
    Normalisation,
    Field(
        description=(
            "of every channel, by statistics of the training part: none; minmax, to"
            " 0..1; standard, to mean 0 and standard deviation 1"
        )
    ),
]
Padding = Annotated[
    Literal["before"] | None,
    Field(
        description=(
            "how series become as long as the longest: before, by 0 (after normalise)"
            " before their first point; without it, all must have one length"
        )
    ),
]
SERIES_AT_ONCE = 4096
"""Number of series to normalise together, which limits the memory."""


class RecordedParams(SplitTaskParams):
    """Fields of the ``[task]`` tables of such tasks, and the methods of the task."""

    scarce: ClassVar[str] = "Change validation_fraction, or choose another set."
    """Remedy for a class with too few series in the split of the data."""

    normalise: Normalise = "none"

    @property
    def source(self) -> Path | str:
        """Origin of the series."""
        return self.name

    @property
    def pinned(self) -> bool:
        """True if the table alone determines the data."""
        return True

    @property
    def files(self) -> Sequence[Path]:
        """Files of the data, unless there are many."""
        return ()

    @abstractmethod
    def read(self) -> Recording:
        """Read and check the series.

        Raises:
            ValueError: the data is missing or breaks a rule; the message says where and
                what to do.
        """

    def verified(self) -> Recording:
        """Read the series and check that they are those that the table pins.

        Raises:
            ValueError: as ``read``, or the data is not what the table pins.
        """
        return self.read()

    def verify(self) -> None:
        """Check that the files are there and are those that the table pins, without
        reading series.

        Raises:
            ValueError: they are not.
        """


class FileParams(RecordedParams):
    """Fields of such tasks with files, pinned by a hash."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    path: str | None = None
    sha256: Annotated[
        Sha256 | None,
        Field(
            description=(
                "hash of the data; set when the study file is read, and verified by"
                " every worker"
            ),
        ),
    ] = None

    @property
    def source(self) -> Path:
        """Path of the data.

        Raises:
            ValueError: there is no ``path``, and no data at the usual place.
        """
        return self.usual_place() if self.path is None else Path(self.path)

    def usual_place(self) -> Path:
        """Return the path of the data on this host without a ``path``.

        Raises:
            ValueError: there is no data; the message says how to get it.
        """
        raise NotImplementedError

    @property
    def pinned(self) -> bool:
        """True if a hash pins the content."""
        return self.sha256 is not None

    def digest(self) -> str:
        """Return the hash of ``files``, as in ``Recording.sha256``.

        Raises:
            ValueError: one of them is missing.
        """
        from .raw import digest

        return digest(self.files)

    def resolve(self, base: Path) -> Self:
        """Return a copy with an absolute path and the hash of the data, after all
        checks."""
        task = self
        if self.path is not None:
            # neither Path.expanduser, which raises, nor Path.resolve: symbolic links
            # stay
            path = os.path.abspath(base / os.path.expanduser(self.path))
            task = self.model_copy(update={"path": path})
        recording = task.verified()
        check_shares(task, recording)
        return task.model_copy(update={"sha256": recording.sha256})

    def verified(self) -> Recording:
        """See ``RecordedParams.verified``."""
        recording = self.read()
        self._check(recording.sha256)
        return recording

    def verify(self) -> None:
        """See ``RecordedParams.verify``."""
        self._check(self.digest())

    def _check(self, sha256: str) -> None:
        if self.sha256 not in (None, sha256):
            raise ValueError(
                f"{self.source}: the data changed since the study began: expected"
                f" sha256={self.sha256!r}, got {sha256!r}. Restore the old data, or"
                " start a new study (without `sha256`, if the file has it)."
            )


class SplitParams(FileParams):
    """Fields of such tasks with data that may lack a test part."""

    split_seed: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            description="seed of the random test part of data without one",
        ),
    ] = 0
    test_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description=(
                "share of the series in the random test part of data without one; half,"
                " as in the paper"
            ),
        ),
    ] = 0.5


def load(task: RecordedParams, *, protocol: Protocol, member_seed: int) -> Split:
    """Return the examples that train and score the member ``member_seed``.

    See ``splitting.for_member``. Each series has the shape (time, channels).

    Raises:
        UnavailableError: this host does not have the data that the task pins.
        ValueError: the task pins no data, and the data is missing or breaks a rule.
    """
    from .examples import Split
    from .splitting import for_member

    data = (
        _load_once(task.for_member(0)) if task.pinned else halves(task, task.verified())
    )
    train, score = for_member(
        data.train,
        data.test,
        task=task,
        protocol=protocol,
        member_seed=member_seed,
    )
    classes = data.classes
    return Split(
        train=train,
        score=score,
        n_classes=len(classes),
        classes=classes,
        scaling=data.scaling,
    )


@lru_cache(maxsize=2)
def _load_once(task: RecordedParams) -> Halves:
    """Load the halves of a pinned task once per process; large ones, once per host."""
    from . import shared

    def make() -> Halves:
        return halves(task, task.verified())

    try:
        if not shared.are_large(task.files):
            return make()
        sources = task.model_dump_json(
            exclude={"path", "validation_fraction", "validation_folds"}
        )
        return shared.load_once(sources, make, task.verify)
    except (ValueError, OSError) as error:
        raise UnavailableError(str(error)) from error


def halves(task: RecordedParams, recording: Recording) -> Halves:
    """Return the training part and the test part, normalised, then padded.

    Raises:
        ValueError: a class has too few series for the split.
    """
    import numpy as np

    from .examples import Halves
    from .splitting import stratified_split

    check_shares(task, recording)
    examples = recording.examples
    if recording.test is None:
        assert isinstance(task, SplitParams)
        n_test = count_test(task, recording)
        train, test = stratified_split(examples, n_second=n_test, seed=task.split_seed)
    else:
        train = examples.take(np.flatnonzero(~recording.test))
        test = examples.take(np.flatnonzero(recording.test))
    scaling = _scaling(task.normalise, train)
    if scaling is not None or np.isnan(examples.x[:, :, 0]).any():
        train, test = _prepare(train, scaling), _prepare(test, scaling)
    return Halves(train=train, test=test, classes=recording.classes, scaling=scaling)


def count_test(task: RecordedParams, recording: Recording) -> int:
    """Return the number of test series."""
    if recording.test is not None:
        return int(recording.test.sum())
    assert isinstance(task, SplitParams)
    return round(task.test_fraction * len(recording.examples))


def _prepare(examples: Examples, scaling: Scaling | None) -> Examples:
    """Normalise examples, and replace missing points of shorter series by 0."""
    import numpy as np

    from .examples import Examples

    ready, first = np.empty(examples.shape, np.float32), 0
    for part in examples.batches(SERIES_AT_ONCE):
        x = part.x if scaling is None else scaling.apply(part.x)
        ready[first : first + len(x)] = np.where(np.isnan(x), np.float32(0), x)
        first += len(x)
    return Examples(x=ready, label=examples.label)


def _scaling(how: Normalisation, train: Examples) -> Scaling | None:
    """Return the scaling ``how``, from statistics of the points of the training part
    alone."""
    import numpy as np

    from .examples import Scaling

    if how == "none":
        return None
    x = train.x.astype(np.float64)
    there = ~np.isnan(x[:, :, 0])
    if not there.all():  # else keep the shape, which decides how sums round
        x = x[there][np.newaxis]
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    shift, scale = (
        (low, high - low) if how == "minmax" else (x.mean((0, 1)), x.std((0, 1)))
    )
    scale = np.where(high > low, scale, 1.0)  # a constant channel becomes 0
    shift = np.where(high > low, shift, low)
    return Scaling(shift=tuple(shift.tolist()), scale=tuple(scale.tolist()))


def least_shares(
    task: RecordedParams, recording: Recording
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least numbers of series per class that train and that test."""
    import numpy as np

    label, n_classes = recording.examples.label, len(recording.classes)
    count = np.bincount(label, minlength=n_classes).astype(np.float64)
    if recording.test is None:
        test = count * count_test(task, recording) / count.sum()
        return count - np.ceil(test), np.floor(test)
    own = np.bincount(label[recording.test], minlength=n_classes).astype(np.float64)
    return count - own, own


def check_shares(task: RecordedParams, recording: Recording) -> None:
    """Refuse data without a series of every class to train, to validate and to test on.

    The bounds are valid for any seed: a stratified split rounds the share of a class up
    or down.
    """
    import numpy as np

    from .raw import refuse

    count = np.bincount(recording.examples.label, minlength=len(recording.classes))
    least_train, least_test = least_shares(task, recording)
    if recording.test is None:
        assert isinstance(task, SplitParams)
        fractions = f"test_fraction={task.test_fraction}, "
        remedy = "Record more of it, or change the fractions."
    else:
        fractions = f"{int(least_test.sum())} series marked as test, "
        remedy = task.scarce
    n_train = max(least_train.sum(), 1)
    validation = least_train * task.validates(n_train) / n_train
    how = "validation_fraction"
    if task.folds > 1:
        how, validation = "validation_folds", least_train / task.folds
    least = np.minimum(least_test, np.floor(validation))
    least = np.minimum(least, least_train - np.ceil(validation))
    if least.min() < 1:
        worst = int(least.argmin())
        refuse(
            task.source,
            "enough series of every class to train, to validate and to test",
            f"{count[worst]} of the class {recording.classes[worst]!r} with {fractions}"
            f"{how}={getattr(task, how)}",
            remedy,
        )

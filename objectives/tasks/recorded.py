"""What tasks share whose series are read as a ``Recording``: split, normalised, padded, pinned.

A task of its own says how to read one; all else is here.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from hpo.objectives.contract import Protocol, Sha256, UnavailableError
from hpo.objectives.tasks.splitting import SplitTaskParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from hpo.objectives.tasks.data import Examples, Halves, Scaling, Split
    from hpo.objectives.tasks.recording import Recording

Normalisation = Literal["none", "minmax", "standard"]
Normalise = Annotated[
    Normalisation,
    Field(
        description="of every channel, by statistics of the training part: none; minmax, to"
        " 0..1; standard, to mean 0 and standard deviation 1"
    ),
]
Padding = Annotated[
    Literal["before"] | None,
    Field(
        description="how series become as long as the longest: before, by 0 (after normalise)"
        " before their first point; without it they must be of one length"
    ),
]
SERIES_AT_ONCE = 4096
"""So many are normalised together: memory for the numbers in between."""


class RecordedParams(SplitTaskParams):
    """What the ``[task]`` table of every such task has, and what is asked of the task."""

    scarce: ClassVar[str] = "Change validation_fraction, or choose another set."
    """What to do where a class has too few series for the split that the data come with."""

    normalise: Normalise = "none"

    @property
    def source(self) -> Path | str:
        """Where the series come from."""
        return self.name

    @property
    def pinned(self) -> bool:
        """Whether the table alone decides what is read."""
        return True

    @property
    def files(self) -> Sequence[Path]:
        """The files that are read, as far as they are few."""
        return ()

    @abstractmethod
    def read(self) -> Recording:
        """Read and check the series.

        Raises:
            ValueError: they are not there, or break a rule; the message says where and what to do.
        """

    def verified(self) -> Recording:
        """The same, once they are known to be those that the table pins.

        Raises:
            ValueError: they are not, either.
        """
        return self.read()

    def verify(self) -> None:
        """Look whether the series are there and are those that the table pins, reading none.

        Raises:
            ValueError: they are not.
        """


class FileParams(RecordedParams):
    """What such a task has if its series are in files, which a hash pins."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    path: str | None = None
    sha256: Annotated[
        Sha256 | None,
        Field(
            description="content of the data; filled in when the study file is read, and verified"
            " by every worker",
        ),
    ] = None

    @property
    def source(self) -> Path:
        """Where the series are.

        Raises:
            ValueError: ``path`` does not say, and they are not where they usually are.
        """
        return self.usual_place() if self.path is None else Path(self.path)

    def usual_place(self) -> Path:
        """Where the data are on this host if ``path`` does not say.

        Raises:
            ValueError: they are not there; the message says how to get them.
        """
        raise NotImplementedError

    @property
    def pinned(self) -> bool:
        """Whether the content is pinned."""
        return self.sha256 is not None

    def digest(self) -> str:
        """The hash of ``files``, as in ``Recording.sha256``.

        Raises:
            ValueError: one of them is not there.
        """
        from hpo.objectives.tasks.raw import digest

        return digest(self.files)

    def resolve(self, base: Path) -> Self:
        """With an absolute path and the hash of the data, which is checked as a whole."""
        task = self
        if self.path is not None:
            # neither Path.expanduser, which raises, nor Path.resolve: symbolic links stay
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
                f"{self.source}: the data changed since the study began: expected "
                f"sha256={self.sha256!r}, got {sha256!r}. Restore the old data, or start a new "
                "study (without `sha256`, if the file has it)."
            )


class SplitParams(FileParams):
    """What such a task has if its data need not say which series test."""

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


def load(task: RecordedParams, *, protocol: Protocol, member_seed: int) -> Split:
    """The examples that train and score the member ``member_seed``; see ``splitting.for_member``.

    Returns:
        Split of series of shape (time, channels).

    Raises:
        UnavailableError: the data that the task pins is not at hand on this host.
        ValueError: it pins none: the data is not there, or breaks a rule.
    """
    from hpo.objectives.tasks.data import Split
    from hpo.objectives.tasks.splitting import for_member

    found = _once(task.for_member(0)) if task.pinned else halves(task, task.verified())
    train, score = for_member(
        found.train,
        found.test,
        task=task,
        protocol=protocol,
        member_seed=member_seed,
    )
    classes = found.classes
    return Split(
        train=train, score=score, n_classes=len(classes), classes=classes, scaling=found.scaling
    )


@lru_cache(maxsize=2)
def _once(task: RecordedParams) -> Halves:
    """The halves of a pinned task, once per process, and once per host where they are large."""
    from hpo.objectives.tasks import shared

    def make() -> Halves:
        return halves(task, task.verified())

    try:
        if not shared.are_large(task.files):
            return make()
        told = task.model_dump_json(exclude={"path", "validation_fraction", "validation_folds"})
        return shared.once_per_host(told, make, task.verify)
    except (ValueError, OSError) as error:
        raise UnavailableError(str(error)) from error


def halves(task: RecordedParams, recording: Recording) -> Halves:
    """The training part and the test part, normalised, then padded.

    Raises:
        ValueError: a class has too few series for the split.
    """
    import numpy as np

    from hpo.objectives.tasks.data import Halves
    from hpo.objectives.tasks.splitting import stratified_split

    check_shares(task, recording)
    every = recording.examples
    if recording.test is None:
        assert isinstance(task, SplitParams)
        n_test = n_test_of(task, recording)
        train, test = stratified_split(every, n_second=n_test, seed=task.split_seed)
    else:
        train = every.take(np.flatnonzero(~recording.test))
        test = every.take(np.flatnonzero(recording.test))
    scaling = _scaling(task.normalise, train)
    if scaling is not None or np.isnan(every.x[:, :, 0]).any():
        train, test = _ready(train, scaling), _ready(test, scaling)
    return Halves(train=train, test=test, classes=recording.classes, scaling=scaling)


def n_test_of(task: RecordedParams, recording: Recording) -> int:
    """How many series test."""
    if recording.test is not None:
        return int(recording.test.sum())
    assert isinstance(task, SplitParams)
    return round(task.test_fraction * len(recording.examples))


def _ready(examples: Examples, scaling: Scaling | None) -> Examples:
    """Normalised, with 0 in place of the points that a shorter series lacks."""
    import numpy as np

    from hpo.objectives.tasks.data import Examples

    ready, first = np.empty(examples.shape, np.float32), 0
    for part in examples.batches(SERIES_AT_ONCE):
        x = part.x if scaling is None else scaling.scaled(part.x)
        ready[first : first + len(x)] = np.where(np.isnan(x), np.float32(0), x)
        first += len(x)
    return Examples(x=ready, label=examples.label)


def _scaling(how: Normalisation, train: Examples) -> Scaling | None:
    """What ``how`` asks for, by the statistics of the points of the training part alone."""
    import numpy as np

    from hpo.objectives.tasks.data import Scaling

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


def least_shares(
    task: RecordedParams, recording: Recording
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many series of each class train and test, at least."""
    import numpy as np

    label, n_classes = recording.examples.label, len(recording.classes)
    count = np.bincount(label, minlength=n_classes).astype(np.float64)
    if recording.test is None:
        test = count * n_test_of(task, recording) / count.sum()
        return count - np.ceil(test), np.floor(test)
    own = np.bincount(label[recording.test], minlength=n_classes).astype(np.float64)
    return count - own, own


def check_shares(task: RecordedParams, recording: Recording) -> None:
    """Every class has at least one series to train on, to validate on and to test on.

    Bounds that hold for any seed: a stratified split rounds a class's share down or up.
    """
    import numpy as np

    from hpo.objectives.tasks.raw import refuse

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

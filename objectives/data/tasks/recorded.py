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
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from hpo.contract import UnavailableError

from ...refusal import check_unchanged, refuse
from ..sizes import Contents
from .fields import DataHash, Normalise, Seed, Share
from .splitting import SplitTaskParams, stratified_split

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..examples import Examples, Split
    from ..formats import Recording

    Counts = NDArray[np.float64]


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

    def contents(self) -> Contents:
        """See ``SplitTaskParams``."""
        recording = self.read()
        n_series, points, channels = recording.examples.shape
        n_test = self.count_test(recording)
        least_train, _ = self.least_shares(recording)
        return Contents(
            series=n_series,
            points=points,
            shortest=int(recording.lengths.min()),
            channels=channels,
            classes=len(recording.classes),
            validation=self.validates(n_series - n_test),
            rarest=int(least_train.min()),
            folds=self.folds,
            test=n_test,
        )

    def halves(self) -> Split:
        """See ``SplitTaskParams``; the series are normalised, then padded."""
        if self.pinned:
            return _load_once(self.for_member(0))
        return self._prepare(self.verified())

    def _prepare(self, recording: Recording) -> Split:
        """Return the training part and the test part, normalised, then padded.

        Raises:
            ValueError: a class has too few series for the split.
        """
        import numpy as np

        from ..examples import Split
        from .normalising import choose_scaling, fill

        self.check_shares(recording)
        train, test = self._split(recording)
        scaling = choose_scaling(self.normalise, train)
        if scaling is not None or np.isnan(recording.examples.x[:, :, 0]).any():
            train = fill(train, scaling)
            test = fill(test, scaling)
        return Split(
            train=train,
            score=test,
            n_classes=len(recording.classes),
            classes=recording.classes,
            scaling=scaling,
        )

    @property
    def random_test(self) -> tuple[float, int]:
        """Share and seed of the random test part of data without a test part."""
        raise NotImplementedError

    def _split(self, recording: Recording) -> tuple[Examples, Examples]:
        """Return the training part and the test part."""
        import numpy as np

        examples = recording.examples
        if recording.test is None:
            _, seed = self.random_test
            return stratified_split(
                examples, n_second=self.count_test(recording), seed=seed
            )
        train = examples.take(np.flatnonzero(~recording.test))
        return train, examples.take(np.flatnonzero(recording.test))

    def count_test(self, recording: Recording) -> int:
        """Return the number of test series."""
        if recording.test is None:
            share, _ = self.random_test
            return round(share * len(recording.examples))
        return int(recording.test.sum())

    def least_shares(self, recording: Recording) -> tuple[Counts, Counts]:
        """Return the least numbers of series per class that train and that test."""
        import numpy as np

        count = recording.count()
        if recording.test is None:
            test = count * self.count_test(recording) / count.sum()
            return count - np.ceil(test), np.floor(test)
        test = recording.count(recording.test)
        return count - test, test

    def check_shares(self, recording: Recording) -> None:
        """Refuse data without a series of every class to train, to validate and to test
        on.

        The bounds are valid for any seed: a stratified split rounds the share of a
        class up or down.
        """
        import numpy as np

        least_train, least_test = self.least_shares(recording)
        n_train = max(least_train.sum(), 1)
        how = "validation_fraction"
        validation = least_train * self.validates(n_train) / n_train
        if self.folds > 1:
            how = "validation_folds"
            validation = least_train / self.folds
        least = np.minimum(least_test, np.floor(validation))
        least = np.minimum(least, least_train - np.ceil(validation))
        if least.min() < 1:
            worst = int(least.argmin())
            split = f"{self.count_test(recording)} series marked as test"
            remedy = self.scarce
            if recording.test is None:
                split = f"test_fraction={self.random_test[0]}"
                remedy = "Record more of it, or change the fractions."
            refuse(
                self.source,
                "enough series of every class to train, to validate and to test",
                f"{recording.count()[worst]:.0f} of the class"
                f" {recording.classes[worst]!r} with {split},"
                f" {how}={getattr(self, how)}",
                remedy,
            )


@lru_cache(maxsize=2)
def _load_once(task: RecordedParams) -> Split:
    """Load the halves of a pinned task once per process; large ones, once per host."""
    from .. import host_cache

    def make() -> Split:
        return task._prepare(task.verified())

    try:
        if not host_cache.are_large(task.files):
            return make()
        sources = task.model_dump_json(
            exclude={"path", "validation_fraction", "validation_folds"}
        )
        return host_cache.load_once(sources, make, task.verify)
    except (ValueError, OSError) as error:
        raise UnavailableError(str(error)) from error


class FileParams(RecordedParams):
    """Fields of such tasks with files, pinned by a hash."""

    places: ClassVar[frozenset[str]] = frozenset({"path"})

    path: str | None = None
    sha256: DataHash = None

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
        from ..formats import raw

        return raw.digest(self.files)

    def resolve(self, base: Path) -> Self:
        """Return a copy with an absolute path and the hash of the data, after all
        checks."""
        task = self
        if self.path is not None:
            task = self.model_copy(update={"path": absolute(base, self.path)})
        recording = task.verified()
        task.check_shares(recording)
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
        check_unchanged(self.source, "sha256", self.sha256, sha256)


def absolute(base: Path, path: str) -> str:
    """Return a path of a study file, which begins at ``base`` unless it is absolute.

    Symbolic links stay, and no home directory needs to exist: neither ``Path.resolve``
    nor ``Path.expanduser``.
    """
    return os.path.abspath(base / os.path.expanduser(path))


class SplitParams(FileParams):
    """Fields of such tasks with data that may lack a test part."""

    split_seed: Seed = Field(
        default=0, description="seed of the random test part of data without one"
    )
    test_fraction: Share = Field(
        default=0.5,
        description=(
            "share of the series in the random test part of data without one; half,"
            " as in the paper"
        ),
    )

    @property
    def random_test(self) -> tuple[float, int]:
        """See ``RecordedParams``."""
        return self.test_fraction, self.split_seed

    def on_split(self, number: int) -> Self:
        """See ``TaskParams``."""
        return self.model_copy(update={"split_seed": self.split_seed + number})

    def check_splits(self) -> None:
        """See ``TaskParams``: the split is random unless the data have a test part."""
        if self.read().test is not None:
            raise ValueError("the data say which series are its test set")

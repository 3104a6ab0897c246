"""Split examples: stratified halves, and the parts that a protocol may see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import Field, PrivateAttr

from hpo.contract import Protocol, TaskParams

from ..sizes import Contents, DataShape
from .fields import Share

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from ..examples import Examples, Split


class SplitTaskParams(TaskParams):
    """Fields of the ``[task]`` tables that split the training part again to
    validate."""

    validation_fraction: Share = Field(
        default=0.3,
        description=(
            "share of the training part that scores under the validation protocol,"
            " drawn anew for each member"
        ),
    )
    validation_folds: int = Field(
        default=1,
        ge=1,
        le=100,
        description=(
            "above 1, in place of `validation_fraction`: folds of the training"
            " part; the members of a trial are scored on them in turn"
        ),
    )
    _number: int = PrivateAttr(0)

    @property
    def folds(self) -> int:
        """See ``TaskParams``."""
        return self.validation_folds

    def for_member(self, number: int) -> Self:
        """See ``TaskParams``."""
        if self.folds == 1:
            return self
        own = self.model_copy()
        own._number = number
        return own

    def validates(self, n_train: int) -> int:
        """Return the number of training series that score a network, up to rounding."""
        share = 1.0 / self.folds if self.folds > 1 else self.validation_fraction
        return round(share * n_train)

    def halves(self) -> Split:
        """Return all series: the whole training part trains, the test part scores.

        Raises:
            UnavailableError: this host does not have the data that the task pins.
            ValueError: the task pins no data, and the data is missing or breaks a rule.
        """
        raise NotImplementedError

    def contents(self) -> Contents | None:
        """Return the sizes of the data; None if they are unknown.

        Raises:
            ValueError: the data are missing, break a rule, or have changed.
        """
        return None

    def shape(self) -> DataShape:
        """Return the shape of the series.

        Raises:
            ValueError: as ``halves``.
        """
        halves = self.halves()
        _, points, channels = halves.train.shape
        return DataShape(points, channels, halves.n_classes)

    def load(self, *, protocol: Protocol, member_seed: int) -> Split:
        """Return the examples that train and those that score the member
        ``member_seed``.

        Under ``Protocol.VALIDATION`` the training part is split again, differently for
        each member and in the same way in every trial; the test part stays untouched.
        Otherwise the whole training part trains and the test part scores.

        Raises:
            ValueError: as ``halves``.
        """
        halves = self.halves()
        if protocol is not Protocol.VALIDATION:
            return halves
        train, score = self._validation_split(halves.train, member_seed)
        return replace(halves, train=train, score=score)

    def _validation_split(
        self, train: Examples, member_seed: int
    ) -> tuple[Examples, Examples]:
        from ...randomness import stream

        if self.folds > 1:
            return self._fold(train)
        seed = int(stream(member_seed, "validation split").integers(2**32))
        return stratified_split(train, n_second=self.validates(len(train)), seed=seed)

    def _fold(self, train: Examples) -> tuple[Examples, Examples]:
        """Return all folds but the member's, and its own; each round of members has new
        folds."""
        from sklearn.model_selection import StratifiedKFold

        from ...randomness import stream

        turn, number = divmod(self._number, self.folds)
        random = stream(getattr(self, "split_seed", 0), f"validation folds/{turn}")
        folds = StratifiedKFold(
            self.folds, shuffle=True, random_state=int(random.integers(2**32))
        )
        first, second = list(folds.split(train.label, train.label))[number]
        return train.take(first), train.take(second)


def stratified_split(
    examples: Examples, *, n_second: int, seed: int
) -> tuple[Examples, Examples]:
    """Split into two parts with equal shares of each class; ``n_second`` examples in
    the second."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    first, second = train_test_split(
        np.arange(len(examples)),
        test_size=n_second,
        stratify=examples.label,
        random_state=seed,
    )
    return examples.take(first), examples.take(second)

"""Split examples: stratified halves, and the parts that a protocol may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, PrivateAttr

from hpo.contract import Protocol, TaskParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    from .examples import Examples


class SplitTaskParams(TaskParams):
    """Fields of the ``[task]`` tables that split the training part again to
    validate."""

    validation_fraction: Annotated[
        float,
        Field(
            ge=0.05,
            le=0.95,
            description=(
                "share of the training part that scores under the validation protocol,"
                " drawn anew for each member"
            ),
        ),
    ] = 0.3
    validation_folds: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description=(
                "above 1, in place of `validation_fraction`: folds of the training"
                " part; the members of a trial are scored on them in turn"
            ),
        ),
    ] = 1
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


def for_member(
    train: Examples,
    test: Examples,
    *,
    task: SplitTaskParams,
    protocol: Protocol,
    member_seed: int,
) -> tuple[Examples, Examples]:
    """Return the examples that train and those that score the member ``member_seed``.

    Under ``Protocol.VALIDATION`` the training part is split again, differently for each
    member and in the same way in every trial; the test part stays untouched. Otherwise
    the whole training part trains and the test part scores.
    """
    from ..randomness import stream

    if protocol is not Protocol.VALIDATION:
        return train, test
    if task.folds > 1:
        return _fold(train, task)
    seed = int(stream(member_seed, "validation split").integers(2**32))
    return stratified_split(train, n_second=task.validates(len(train)), seed=seed)


def _fold(train: Examples, task: SplitTaskParams) -> tuple[Examples, Examples]:
    """Return all folds but the member's, and its own; each round of members has new
    folds."""
    from sklearn.model_selection import StratifiedKFold

    from ..randomness import stream

    turn, number = divmod(task._number, task.folds)
    random = stream(getattr(task, "split_seed", 0), f"validation folds/{turn}")
    folds = StratifiedKFold(
        task.folds, shuffle=True, random_state=int(random.integers(2**32))
    )
    first, second = list(folds.split(train.label, train.label))[number]
    return train.take(first), train.take(second)

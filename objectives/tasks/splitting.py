"""How examples are split: stratified halves, and which part of them a protocol may see."""

from __future__ import annotations

from objectives.contract import Protocol
from objectives.tasks.data import Examples


def stratified_split(examples: Examples, *, n_second: int, seed: int) -> tuple[Examples, Examples]:
    """Two disjoint parts, the second of ``n_second`` examples, with equal shares of each class."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    first, second = train_test_split(
        np.arange(len(examples)), test_size=n_second, stratify=examples.label, random_state=seed
    )
    return examples.take(first), examples.take(second)


def for_member(
    train: Examples,
    test: Examples,
    *,
    protocol: Protocol,
    validation_fraction: float,
    member_seed: int,
) -> tuple[Examples, Examples]:
    """The examples that train and those that score the member ``member_seed``.

    Under ``Protocol.VALIDATION`` the training part is split again, differently for each member and
    in the same way in every trial; the test part stays untouched. Otherwise the whole training
    part trains and the test part scores.
    """
    from objectives.randomness import stream

    if protocol is not Protocol.VALIDATION:
        return train, test
    seed = int(stream(member_seed, "validation split").integers(2**32))
    return stratified_split(train, n_second=round(validation_fraction * len(train)), seed=seed)

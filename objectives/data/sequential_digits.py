"""Sequential digits: an 8 × 8 image of a handwritten digit, presented pixel by pixel.

The 1797 images of scikit-learn's ``load_digits``. Row by row, each becomes a time
series of 64 points with one value in [0, 1] (arXiv:2408.02835, section III). 898 images
train and 899 test; every split keeps the proportions of the ten digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hpo.contract import Protocol

from .splitting import SplitTaskParams

if TYPE_CHECKING:  # hpo validates the parameters without loading scikit-learn
    from .examples import Examples, Split

N_CLASSES, N_PIXELS = 10, 64
N_TRAIN = 898
MAX_PIXEL = 16.0


class SequentialDigitsParams(SplitTaskParams):
    """The ``[task]`` table of a study on sequential digits."""

    name: Literal["sequential-digits"] = "sequential-digits"
    split_seed: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            description="seed of the random half of the images that trains",
        ),
    ] = 0


def load(
    task: SequentialDigitsParams, *, protocol: Protocol, member_seed: int
) -> Split:
    """Return the examples that train and score the member ``member_seed``, of shape
    (64, 1).

    See ``splitting.for_member``.
    """
    from .examples import Split
    from .splitting import for_member

    train, score = for_member(
        *halves(task.split_seed),
        task=task,
        protocol=protocol,
        member_seed=member_seed,
    )
    return Split(train=train, score=score, n_classes=N_CLASSES)


def halves(split_seed: int) -> tuple[Examples, Examples]:
    """Return the training half, 898 images, and the test half, 899 images."""
    import numpy as np
    from sklearn.datasets import load_digits

    from .examples import Examples
    from .splitting import stratified_split

    images, labels = load_digits(return_X_y=True)
    x = (images / MAX_PIXEL).astype(np.float32)[:, :, np.newaxis]
    examples = Examples(x=x, label=labels.astype(np.int64))
    return stratified_split(examples, n_second=len(examples) - N_TRAIN, seed=split_seed)

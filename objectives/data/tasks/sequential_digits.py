"""Sequential digits: an 8 × 8 image of a handwritten digit, presented pixel by pixel.

The 1797 images of scikit-learn's ``load_digits``. Row by row, each becomes a time
series of 64 points with one value in [0, 1] (arXiv:2408.02835, section III). 898 images
train and 899 test; every split keeps the proportions of the ten digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from ..sizes import Contents, DataShape
from .fields import Seed
from .splitting import SplitTaskParams, stratified_split

if TYPE_CHECKING:  # hpo validates the parameters without loading scikit-learn
    from ..examples import Split

N_IMAGES = 1797
N_TRAIN = 898
N_PIXELS = 64
N_CLASSES = 10
MAX_PIXEL = 16.0


class SequentialDigitsParams(SplitTaskParams):
    """The ``[task]`` table of a study on sequential digits."""

    name: Literal["sequential-digits"] = "sequential-digits"
    split_seed: Seed = Field(
        default=0, description="seed of the random half of the images that trains"
    )

    def on_split(self, number: int) -> Self:
        """See ``TaskParams``."""
        return self.model_copy(update={"split_seed": self.split_seed + number})

    def check_splits(self) -> None:
        """See ``TaskParams``: its split is random."""

    def halves(self) -> Split:
        """See ``SplitTaskParams``: 898 images train, 899 score."""
        import numpy as np
        from sklearn.datasets import load_digits

        from ..examples import Examples, Split

        images, labels = load_digits(return_X_y=True)
        x = (images / MAX_PIXEL).astype(np.float32)[:, :, np.newaxis]
        train, test = stratified_split(
            Examples(x=x, label=labels.astype(np.int64)),
            n_second=N_IMAGES - N_TRAIN,
            seed=self.split_seed,
        )
        return Split(
            train=train, score=test, n_classes=N_CLASSES, pixel_scale=MAX_PIXEL
        )

    def contents(self) -> Contents:
        """See ``SplitTaskParams``; scikit-learn, slow to load, is not needed."""
        return Contents(
            series=N_IMAGES,
            points=N_PIXELS,
            shortest=N_PIXELS,
            channels=1,
            classes=N_CLASSES,
            validation=self.validates(N_TRAIN),
            rarest=N_TRAIN // N_CLASSES,
            folds=self.folds,
            test=N_IMAGES - N_TRAIN,
        )

    def shape(self) -> DataShape:
        """See ``SplitTaskParams``; without scikit-learn, too."""
        return DataShape(N_PIXELS, 1, N_CLASSES)

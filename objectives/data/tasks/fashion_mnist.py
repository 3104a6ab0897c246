"""Fashion-MNIST: a 28 × 28 image of a piece of clothing, presented pixel by pixel.

H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747: 60,000 images train, 10,000 test, of
ten classes. Pixels are values in [0, 1], row by row, or in one random order for all
images. The files are the authors' IDX files, compressed by gzip or not. Other images in
such files (MNIST) work, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...refusal import refuse
from .fields import Seed
from .recorded import FileParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from ..formats import Recording

    Bytes = NDArray[np.uint8]

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
PUBLISHED = "4d8e31d2057f6f938ff47097ba334038e7aafbaf24b67665d2dd1ecda01730a3"
"""Hash of the published files; their classes have names."""
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28
_REMEDY = (
    "Install Fashion-MNIST, `apt install dataset-fashion-mnist`, or download the four"
    " files of data/fashion from github.com/zalandoresearch/fashion-mnist and write"
    ' path = "DIRECTORY" in [task].'
)


class FashionMnistParams(FileParams):
    """The ``[task]`` table of a study on Fashion-MNIST."""

    name: Literal["fashion-mnist"] = "fashion-mnist"
    path: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "directory of the four IDX files, compressed or not; without it, that"
            " of the Debian package dataset-fashion-mnist"
        ),
    )
    side: Literal[28, 14] = Field(
        default=28,
        description="28, series of 784 points, or 14, of 196, each the mean of 2 × 2",
    )
    permutation_seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description=(
            "draws the order of the points, one for all images; row by row without it"
        ),
    )
    n_train: int | None = Field(
        default=None,
        ge=1,
        description=(
            "number of images of the training part, in the shares of their classes;"
            " without it, all"
        ),
    )
    split_seed: Seed = Field(
        default=0, description="chooses these images, with n_train"
    )

    def usual_place(self) -> Path:
        """Return the directory of the Debian package."""
        return PACKAGE

    @property
    def files(self) -> Sequence[Path]:
        """The four files.

        Raises:
            ValueError: one of them is missing.
        """
        from ..formats import idx

        return [idx.find(self.source, name, _REMEDY) for name in NAMES]

    def digest(self) -> str:
        """Return the hash of their contents, compressed or not."""
        from ..formats import idx

        return _digest(idx.unpack(path, _REMEDY) for path in self.files)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import numpy as np

        from ..formats import Raw, check, idx

        files = self.files
        contents = [idx.unpack(path, _REMEDY) for path in files]
        images, labels, test_images, test_labels = map(_array, files, contents)
        for k, classes, pixels in ((1, labels, images), (3, test_labels, test_images)):
            if len(classes) != len(pixels):
                got = f"{len(classes)} for {len(pixels)}"
                refuse(files[k], "a label for every image", got, _REMEDY)
        subset = self._choose(labels)
        y = np.concatenate([labels[subset], test_labels])
        x = self._series(np.concatenate([images[subset], test_images]))
        test = np.arange(len(y)) >= len(subset)
        sha256 = _digest(contents)
        recording = check(self.source, Raw(x=x, y=y, test=test, sha256=sha256))
        return replace(recording, classes=CLASSES) if sha256 == PUBLISHED else recording

    def _choose(self, labels: Bytes) -> NDArray[np.intp]:
        """Return the indices of the training images that train."""
        import numpy as np
        from sklearn.model_selection import train_test_split

        indices = np.arange(len(labels))
        if self.n_train is None:
            return indices
        if not len(labels):
            refuse(self.source, "images to train on", "none", "Take the whole files.")
        least = len(np.unique(labels))
        most = len(labels) - least
        if not least <= self.n_train <= most:
            refuse(
                self.source,
                f"`{least} <= n_train <= {most}`",
                f"n_train={self.n_train}",
                f"Choose such a part, or leave n_train out: all {len(labels)} train"
                " then.",
            )
        subset: NDArray[np.intp]
        subset, _ = train_test_split(
            indices,
            train_size=self.n_train,
            stratify=labels,
            random_state=self.split_seed,
        )
        return subset

    def _series(self, images: Bytes) -> NDArray[np.float32]:
        """Return the images, (n, 28, 28), as series, (n, points)."""
        import numpy as np

        from ...randomness import stream
        from ..formats import idx

        block = SIDE // self.side
        points = self.side**2
        blocks = images.reshape(-1, self.side, block, self.side, block)
        sums = blocks.sum(axis=(2, 4), dtype=np.uint16).reshape(-1, points)
        if self.permutation_seed is not None:
            random = stream(self.permutation_seed, "order of points")
            sums = sums[:, random.permutation(points)]
        brightest = np.float32(idx.MAX_BYTE * block**2)
        x: NDArray[np.float32] = sums.astype(np.float32) / brightest
        return x


def _digest(contents: Iterable[bytes]) -> str:
    from ..formats import raw

    return raw.join_hashes([hashlib.sha256(content) for content in contents])


def _array(path: Path, content: bytes) -> Bytes:
    """Return the array of an IDX file of bytes: images, or labels."""
    import numpy as np

    from ..formats import idx

    sizes: tuple[int, ...] = ()
    expected = "an IDX file of bytes, (n,)"
    if "images" in path.name:
        sizes = (SIDE, SIDE)
        expected = "an IDX file of bytes, (n, 28, 28)"
    pixels = idx.array(path, content, expected, _REMEDY)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != sizes:
        refuse(path, expected, f"shape={pixels.shape}, dtype={pixels.dtype}", _REMEDY)
    return pixels

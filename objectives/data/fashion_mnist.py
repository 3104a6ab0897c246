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
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from .recorded import FileParams

if TYPE_CHECKING:  # hpo validates the parameters without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from .recording import Recording

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
NAMES = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
PUBLISHED = "4d8e31d2057f6f938ff47097ba334038e7aafbaf24b67665d2dd1ecda01730a3"
"""Hash of the published files; their classes have names."""
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
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
    path: Annotated[
        str | None,
        Field(
            min_length=1,
            description=(
                "directory of the four IDX files, compressed or not; without it, that"
                " of the Debian package dataset-fashion-mnist"
            ),
        ),
    ] = None
    side: Annotated[
        Literal[28, 14],
        Field(
            description=(
                "28, series of 784 points, or 14, of 196, each the mean of 2 × 2"
            )
        ),
    ] = 28
    permutation_seed: Annotated[
        int | None,
        Field(
            ge=0,
            lt=2**32,
            description=(
                "draws the order of the points, one for all images; row by row"
                " without it"
            ),
        ),
    ] = None
    n_train: Annotated[
        int | None,
        Field(
            ge=1,
            description=(
                "number of images of the training part, in the shares of their classes;"
                " without it, all"
            ),
        ),
    ] = None
    split_seed: Annotated[
        int, Field(ge=0, lt=2**32, description="chooses these images, with n_train")
    ] = 0

    def usual_place(self) -> Path:
        """Return the directory of the Debian package."""
        return PACKAGE

    @property
    def files(self) -> Sequence[Path]:
        """The four files.

        Raises:
            ValueError: one of them is missing.
        """
        return [_file(self.source, name) for name in NAMES]

    def digest(self) -> str:
        """Return the hash of their contents, compressed or not."""
        from . import idx

        return _digest(idx.unpack(path, _REMEDY) for path in self.files)

    def read(self) -> Recording:
        """See ``RecordedParams.read``."""
        import numpy as np

        from . import idx
        from .raw import Raw, refuse
        from .recording import check

        contents = [idx.unpack(path, _REMEDY) for path in self.files]
        ranks = (3, 1, 3, 1)
        images, labels, test_images, test_labels = (
            _idx(path, content, rank)
            for path, content, rank in zip(self.files, contents, ranks, strict=True)
        )
        for k, classes, pixels in ((1, labels, images), (3, test_labels, test_images)):
            if len(classes) != len(pixels):
                got = f"{len(classes)} for {len(pixels)}"
                refuse(self.files[k], "a label for every image", got, _REMEDY)
        subset = self._choose(labels)
        y = np.concatenate([labels[subset], test_labels])
        x = self._series(np.concatenate([images[subset], test_images]))
        test = np.arange(len(y)) >= len(subset)
        sha256 = _digest(contents)
        recording = check(self.source, Raw(x=x, y=y, test=test, sha256=sha256))
        return replace(recording, classes=CLASSES) if sha256 == PUBLISHED else recording

    def _choose(self, labels: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the indices of the training images that train."""
        import numpy as np
        from sklearn.model_selection import train_test_split

        from .raw import refuse

        indices = np.arange(len(labels))
        if self.n_train is None:
            return indices
        if not len(labels):
            refuse(self.source, "images to train on", "none", "Take the whole files.")
        most = len(labels) - len(np.unique(labels))
        least = len(np.unique(labels))
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

    def _series(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the images, (n, 28, 28), as series, (n, points)."""
        import numpy as np

        from ..randomness import stream
        from . import idx

        block = SIDE // self.side
        n = len(images)
        blocks = images.reshape(n, self.side, block, self.side, block)
        sums = blocks.sum(axis=(2, 4), dtype=np.uint16).reshape(n, self.side**2)
        if self.permutation_seed is not None:
            order = stream(self.permutation_seed, "order of points").permutation(
                self.side**2
            )
            sums = sums[:, order]
        x: NDArray[np.float32] = sums.astype(np.float32) / np.float32(
            idx.MAX_BYTE * block**2
        )
        return x


def _file(directory: Path, name: str) -> Path:
    """Return the path of a file, or of its compressed copy."""
    from .raw import refuse

    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    refuse(directory, f"a file {name} or {name}.gz", "none", _REMEDY)


def _digest(contents: Iterable[bytes]) -> str:
    from .raw import join_hashes

    return join_hashes([hashlib.sha256(content) for content in contents])


def _idx(path: Path, content: bytes, rank: int) -> NDArray[np.uint8]:
    """Return the array of an IDX file of bytes: images, or labels."""
    import numpy as np

    from . import idx
    from .raw import refuse

    expected = f"an IDX file of bytes, {'(n, 28, 28)' if rank == 3 else '(n,)'}"
    pixels = idx.array(path, content, expected, _REMEDY)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (
        (SIDE, SIDE) if rank == 3 else ()
    ):
        refuse(path, expected, f"shape={pixels.shape}, dtype={pixels.dtype}", _REMEDY)
    return pixels

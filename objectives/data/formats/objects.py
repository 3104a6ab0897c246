"""Read labels that NumPy saved as Python objects, as it does with columns of pandas.

They are a pickle, and a pickle can run code. Here nothing is called but what is below:
the classes of NumPy are replaced by ones that keep their state, any other is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from .variables import Array

_ARRAY = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""What the pickle of an array of objects names."""


class _State:
    """Keeps what would be the state of an object."""

    def __init__(self, *arguments: Any) -> None:
        """Ignore the arguments."""
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


class _Reader(pickle.Unpickler):
    """Reads arrays of plain values."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class that does nothing, for those of an array.

        Raises:
            UnpicklingError: it is another one.
        """
        if (module, name) in _ARRAY:
            return _State
        raise pickle.UnpicklingError(f"an object of {module}.{name}")


def read_labels(npy: bytes) -> Array | None:
    """Return an array of texts or whole numbers that were saved as Python objects.

    Args:
        npy: content of an ``.npy`` file.

    Returns:
        the array, (n,); None if it holds anything else.
    """
    file = io.BytesIO(npy)
    try:
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        values = _Reader(file).load().state[-1]
    except Exception:  # a pickle that is damaged, or has other objects: any
        return None
    is_list = kind.hasobject and isinstance(values, list) and shape == (len(values),)
    if not is_list:
        return None
    for one in (str, bool, int, float):
        if values and all(isinstance(value, one) for value in values):
            return np.array(values)
    return None

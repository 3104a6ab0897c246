"""How the kernels are compiled: by numba, on first use, into a cache on disk.

numba's cache watches the file of the function that it holds, and no other; a kernel is made of many
files, whose change would go unnoticed. Here the sources of all of them are part of its key.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

F = TypeVar("F", bound=Callable[..., Any])
_njit: Any = numba.njit
_OPTIONS: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},
    "error_model": "numpy",
    # no kernel allocates; numba's counts of references would be calls within the loops, which
    # spill every vector: two chains in ``sparse.gather`` made a forward pass twice as slow
    "_nrt": False,
}


def digest(folder: Path) -> str:
    """Hash of the sources in ``folder``."""
    sources = sorted(folder.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


_SOURCES = digest(Path(__file__).parent)


class _Cache(FunctionCache):
    """numba's cache, with the sources of all kernels in its key."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        key: tuple[Any, ...] = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*key, _SOURCES)


def kernel(function: F) -> F:
    """Compile a kernel: cached on disk, and run without holding the interpreter lock."""
    compiled = _njit(nogil=True, **_OPTIONS)(function)
    try:
        # what numba's cache=True does
        compiled._cache = _Cache(function)  # type: ignore[no-untyped-call]
    except RuntimeError as error:  # neither here nor in the user's cache directory
        warnings.warn(
            f"{__name__}: a writable cache directory must exist, but got: {error}. Every process "
            "will compile its kernels anew, in seconds. Set NUMBA_CACHE_DIR to a writable one.",
            stacklevel=2,
        )
    return cast(F, compiled)


def inlined(function: F) -> F:
    """Compile a part of a kernel, to be inlined there."""
    return cast(F, _njit(forceinline=True, no_cpython_wrapper=True, **_OPTIONS)(function))

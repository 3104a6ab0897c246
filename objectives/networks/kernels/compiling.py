"""Compile the kernels with numba, on first use, into a cache on disk.

numba's cache watches only the file of a function. A kernel is made of many files, so
here the sources of all of them are part of the cache key.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

F = TypeVar("F", bound=Callable[..., Any])
_njit: Any = numba.njit
_OPTIONS: dict[str, Any] = {
    # no fast-math: only ``simd.fma`` fuses, and bits do not depend on the processor
    "error_model": "numpy",
    # no kernel allocates; numba's reference counting would call functions within the
    # loops and spill every vector: two chains in ``products.gather`` made a forward
    # pass twice as slow
    "_nrt": False,
}


def digest(folder: Path) -> str:
    """Return a hash of the sources in ``folder``."""
    sources = sorted(folder.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


_SOURCES = digest(Path(__file__).parent)


def _load_index(load: Callable[[], dict[Any, Any]]) -> dict[Any, Any]:
    """Load a cache's index; an empty one in place of one that names modules of another
    version."""
    try:
        return load()
    except ImportError:
        return {}


class _Cache(FunctionCache):
    """numba's cache, with the sources of all kernels and ``text`` in its key.

    A function generated from a text has no file; its cache files are those of this
    module.
    """

    def __init__(self, function: Callable[..., Any], text: str = "") -> None:
        self._digest = hashlib.sha256(text.encode()).hexdigest()
        if text:
            # numba distinguishes functions of a file by their first lines
            line = int(self._digest[:7], 16)
            code = function.__code__.replace(co_filename=__file__, co_firstlineno=line)
            function = FunctionType(code, {}, function.__name__)
        super().__init__(function)  # type: ignore[no-untyped-call]
        file: Any = self._cache_file
        file._load_index = partial(_load_index, file._load_index)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        key: tuple[Any, ...] = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*key, _SOURCES, self._digest)


def _cache_in(compiled: Any, function: Callable[..., Any], text: str = "") -> None:
    """Give a compiled function our cache, as ``cache=True`` gives it numba's."""
    try:
        compiled._cache = _Cache(function, text)
    except RuntimeError as error:  # neither here nor in the user's cache directory
        warnings.warn(
            f"{__name__}: no writable cache directory: {error}. Every process will"
            " compile its kernels again, in seconds. Set NUMBA_CACHE_DIR to a writable"
            " directory.",
            stacklevel=3,
        )


def kernel(function: F) -> F:
    """Compile a kernel into the cache on disk; it runs without the interpreter lock."""
    compiled = _njit(nogil=True, **_OPTIONS)(function)
    _cache_in(compiled, function)
    return cast(F, compiled)


_types: Any = numba.types
_STEP = (
    _types.UniTuple(_types.CPointer(_types.float32), 8),
    _types.UniTuple(_types.float32, 3),
    _types.UniTuple(_types.intp, 5),
    _types.UniTuple(_types.intp, 2),
)
"""Types of the arguments of a step: see ``driver``."""


def compile_step(function: Callable[..., None], text: str = "") -> CFunc:
    """Compile a step of a device, or its adjoint, as a C function for ``simd.call``.

    Args:
        function: a function of four tuples: see ``driver``.
        text: source of a generated function, constants included.

    Returns:
        A C function with ``address`` and ``ctypes``. Keep a reference: it owns the
        code.
    """
    compiled: Any = CFunc(function, (_STEP, _types.void), {}, _OPTIONS)
    _cache_in(compiled, function, text)
    compiled.compile()
    return cast(CFunc, compiled)


def inline(function: F) -> F:
    """Compile a part of a kernel for inlining."""
    compiled = _njit(forceinline=True, no_cpython_wrapper=True, **_OPTIONS)(function)
    return cast(F, compiled)

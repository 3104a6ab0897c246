"""What the code of a user may change in its process, and how to put it back."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ctypes import util
from dataclasses import dataclass
from functools import cache
from typing import Any

_FENV_BYTES = 256
"""More than the floating-point environment of any processor takes."""
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = tuple(
    getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_CORE"  # it changes no number
)


_AT_FIRST: Mapping[str, Any] = {
    "type": "float32",
    "device": "cpu",
    "precision": "highest",
    "deterministic": (False, False),
    "cudnn": (True, False, False),
}
"""Settings of PyTorch when it is imported; threads are those of the environment."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a module may set for its own computations."""

    rounding: bytes | None
    """The floating-point environment of this thread: rounding, denormal numbers."""
    recursion_limit: int
    directory: str | None
    """The working directory; None if it is gone."""
    environment: Mapping[str, str]
    filters: Sequence[Any]
    """Of warnings."""
    numpy_errors: Mapping[str, Any]
    torch: Mapping[str, Any]
    """Threads of PyTorch, default type and device, precision, determinism."""

    @classmethod
    def read(cls) -> Settings:
        """Return those of now."""
        directory = None
        with suppress(OSError):
            directory = os.getcwd()
        return cls(
            rounding=_read_rounding(),
            recursion_limit=sys.getrecursionlimit(),
            directory=directory,
            environment=dict(os.environ),
            filters=tuple(warnings.filters),
            numpy_errors=_read_numpy_errors(),
            torch=_read_torch(),
        )

    def apply(self) -> list[str]:
        """Set all of them; return what could not be set, in words."""
        library = _find_library()
        if self.rounding is not None and library is not None:
            library.fesetenv(ctypes.create_string_buffer(self.rounding, _FENV_BYTES))
        sys.setrecursionlimit(self.recursion_limit)
        _set_environment(self.environment)
        if tuple(warnings.filters) != self.filters:
            warnings.filters[:] = self.filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if self.numpy_errors:
            sys.modules["numpy"].seterr(**self.numpy_errors)
        _set_torch(self.torch)
        return _change_directory(self.directory)


@dataclass(frozen=True, kw_only=True)
class Interruptions:
    """What may interrupt a process: handlers of signals, timers, limits."""

    handlers: Mapping[int, Any]
    masked: frozenset[int]
    timers: Mapping[int, tuple[float, float]]
    limits: Mapping[int, tuple[int, int]]

    @classmethod
    def read(cls) -> Interruptions:
        """Return those of now."""
        return cls(
            handlers={n: signal.getsignal(n) for n in signal.valid_signals()},
            masked=frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            timers={timer: signal.getitimer(timer) for timer in _TIMERS},
            limits={limit: resource.getrlimit(limit) for limit in _LIMITS},
        )

    def apply(self) -> list[str]:
        """Put all of them back; return what could not be put back, in words."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.masked)
        left = []
        for timer, (next_s, _) in self.timers.items():
            if not next_s:
                signal.setitimer(timer, 0)
        for number, handler in self.handlers.items():
            if signal.getsignal(number) == handler:
                continue
            try:
                signal.signal(number, handler)
            except (TypeError, ValueError, OSError):  # set by C; not in this thread
                left.append(f"the handler of {signal.Signals(number).name}")
        for limit, allowed in self.limits.items():
            if resource.getrlimit(limit) == allowed:
                continue
            try:
                resource.setrlimit(limit, allowed)
            except (ValueError, OSError):
                left.append("a limit of resources")
        return left


def in_main_thread() -> bool:
    """Return whether this is the thread that handles signals."""
    return threading.current_thread() is threading.main_thread()


def _change_directory(directory: str | None) -> list[str]:
    with suppress(OSError):
        if directory is None or os.getcwd() == directory:
            return []
    try:
        os.chdir(directory or ".")
    except OSError:
        return [f"the working directory {directory}"]
    return []


def _set_environment(environment: Mapping[str, str]) -> None:
    """Change what differs alone: other threads read the environment meanwhile."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@cache
def _find_library() -> Any:
    """Return the library of mathematics of C; None where it has no environment."""
    library = ctypes.CDLL(util.find_library("m"))
    if not (hasattr(library, "fegetenv") and hasattr(library, "fesetenv")):
        return None
    return library


def _read_rounding() -> bytes | None:
    library = _find_library()
    if library is None:
        return None
    buffer = ctypes.create_string_buffer(_FENV_BYTES)
    library.fegetenv(buffer)
    return buffer.raw


def _read_numpy_errors() -> Mapping[str, Any]:
    numpy: Any = sys.modules.get("numpy")
    read: Callable[[], Mapping[str, Any]] | None = getattr(numpy, "geterr", None)
    return {} if read is None else dict(read())


def _read_torch() -> Mapping[str, Any]:
    """Return the settings of PyTorch; those that it begins with, if it is not
    imported."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):  # not imported, or not wholly
        threads = os.environ.get("OMP_NUM_THREADS", "")
        if threads.isdigit():
            return {**_AT_FIRST, "threads": int(threads)}
        return _AT_FIRST
    cudnn = torch.backends.cudnn
    return {
        "threads": torch.get_num_threads(),
        "type": str(torch.get_default_dtype()).removeprefix("torch."),
        "device": str(torch.get_default_device()),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
    }


def _set_torch(settings: Mapping[str, Any]) -> None:
    """Set what differs: some settings take a second when they are first set."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):
        return
    here = _read_torch()
    for name, value in settings.items():
        if here[name] != value:
            _SET_TORCH[name](torch, value)


def _set_determinism(torch: Any, value: tuple[bool, bool]) -> None:
    enabled, warn_only = value
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


def _set_cudnn(torch: Any, value: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = value


_SET_TORCH: Mapping[str, Callable[[Any, Any], None]] = {
    "threads": lambda torch, value: torch.set_num_threads(value),
    "type": lambda torch, value: torch.set_default_dtype(getattr(torch, value)),
    "device": lambda torch, value: torch.set_default_device(
        None if value == _AT_FIRST["device"] else value
    ),
    "precision": lambda torch, value: torch.set_float32_matmul_precision(value),
    "deterministic": _set_determinism,
    "cudnn": _set_cudnn,
}

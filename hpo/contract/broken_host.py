"""What tells a broken host from a broken trial."""

from __future__ import annotations

import errno
from types import FrameType, TracebackType

_OF_LOADER = ("failed to map segment", "cannot open shared object file")
"""What the dynamic loader says of a library that it cannot load."""
_OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE)
"""Errors of a full, broken or read-only disk, or one that is no longer there."""
_OF_ALLOCATOR = ("DefaultCPUAllocator: can't allocate memory", "std::bad_alloc")
"""What PyTorch says, which is not imported here."""
_OF_INTERPRETER = ("without setting an exception", "without exception set")
"""What Python says of a built-in function that has failed and does not say why, as some
do that get no memory."""
_OF_THREADS = "can't start new thread"


def explain_broken_host(error: Exception) -> str | None:
    """Return what is broken on this host, if an error says so; None of other errors.

    A package may be missing on one host, a library not fit into its memory, or its disk
    be full: that says nothing about a trial.
    """
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError) or _runs_module(error.__traceback__):
        return f"an import fails here: {said}"
    if isinstance(error, OSError):
        if any(words in str(error) for words in _OF_LOADER):
            return f"an import fails here: {said}"
        if error.errno in _OF_DISK:
            return f"a disk fails here: {said}"
    if isinstance(error, RuntimeError) and _OF_THREADS in str(error):
        return f"no thread can be started here: {said}"
    return None


def is_out_of_memory(error: Exception) -> bool:
    """Return whether Python, the system or PyTorch, on a GPU or not, ran out of
    memory."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, SystemError):
        return any(words in str(error) for words in _OF_INTERPRETER)
    if isinstance(error, OSError):  # as of a file that cannot be mapped
        return error.errno == errno.ENOMEM
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in _OF_ALLOCATOR
    )


def _runs_module(trace: TracebackType | None) -> bool:
    """Return whether the body of a module ran as it was imported.

    ``eval``, ``exec`` and ``runpy`` run bodies, too: those say something of the trial.
    """
    while trace is not None:
        if _is_imported(trace.tb_frame):
            return True
        trace = trace.tb_next
    return False


def _is_imported(frame: FrameType) -> bool:
    """Return whether a frame is the body of a module, called by the import system."""
    if frame.f_code.co_name != "<module>" or frame.f_back is None:
        return False
    return frame.f_back.f_code.co_filename.startswith("<frozen importlib")

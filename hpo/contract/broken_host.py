"""What tells a broken host from a broken trial."""

from __future__ import annotations

from types import FrameType, TracebackType

_OF_LOADER = ("failed to map segment", "cannot open shared object file")
"""What the dynamic loader says of a library that it cannot load."""


def explain_broken_import(error: Exception) -> str | None:
    """Return why an import failed, if an error comes from one; None of others.

    A package may be missing on one host, or a library not fit into its memory: that
    says nothing about a trial.
    """
    is_import = isinstance(error, ImportError) or _runs_module(error.__traceback__)
    if isinstance(error, OSError):
        is_import |= any(words in str(error) for words in _OF_LOADER)
    if not is_import:
        return None
    return f"an import fails here: {type(error).__name__}: {error}"


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

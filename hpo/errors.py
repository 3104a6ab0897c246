"""Errors that a user can fix: each says where, what is wrong, and what to do."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar

_FROM_PYTHON: ContextVar[bool] = ContextVar("hpo_from_python", default=False)


class HpoError(Exception):
    """Base of every error that command line and notebook show as one message, without
    traceback."""

    exit_status: ClassVar[int] = 1

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows."""
        return [f"error: {self}"]


class SpecError(HpoError):
    """A study file, or an override of it, breaks a rule."""


class StorageError(HpoError):
    """The database cannot be used: address, credentials, kind or version."""


class NothingYetError(StorageError):
    """There is no database yet, or it lacks our tables: no study was ever launched."""


class StudyError(HpoError):
    """The study in the database does not allow this operation."""


@contextmanager
def for_python() -> Iterator[None]:
    """Let errors raised inside advise what to write in Python; see ``advise``."""
    before = _FROM_PYTHON.set(True)
    try:
        yield
    finally:
        _FROM_PYTHON.reset(before)


def advise(line: str, python: str) -> str:
    """Return what a user would write: on the command line, or in Python.

    Every error whose remedy differs between them calls this.

    Examples:
        >>> with for_python():
        ...     advise("--name NEW", "name='other'")
        "name='other'"
        >>> advise("--name NEW", "name='other'")
        '--name NEW'
    """
    return python if _FROM_PYTHON.get() else line


OTHER_NAME = ("--name NEW", "name='other'")
"""How to give a study another name, for ``advise``."""


def printable(text: str, keep: str = "") -> str:
    r"""Replace control characters, which a terminal would obey, except those in
    ``keep``.

    Examples:
        >>> printable("\x1b[31mred\n"), printable("two\nlines", "\n")
        ('?[31mred?', 'two\nlines')
    """
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)


def expected(where: str, what: str, got: object, do: str) -> str:
    """Return the message for a value that breaks a rule.

    Args:
        where: the key; empty, or beginning with a dot, in a model that does not know
            its place.
        what: a noun phrase for the expected value.
        got: the value.
        do: what to do, one or two sentences.

    Examples:
        >>> expected("budget.trials", "a number above 0", -1, "Change it.")
        'budget.trials: expected a number above 0, got -1. Change it.'
    """
    return f"{where}{': ' if where else ''}expected {what}, got {got}. {do}"


def near_miss(word: str, valid: Iterable[str]) -> str:
    """Return ``Did you mean 'launch'? `` if a valid word is close to ``word``, else
    nothing."""
    close = difflib.get_close_matches(word, sorted(valid), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""


def traceback_text() -> str:
    """Return the end of the traceback of the error in hand, as a database stores
    texts."""
    text = traceback.format_exc()[-4000:].replace("\0", "\\0")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(error: object, longest: int = 300) -> str:
    """Return the text of an error on one line, cut at ``longest`` characters."""
    return " ".join(str(error).split())[:longest]

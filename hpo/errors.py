"""Errors that a user can mend: each says where, which rule, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HpoError(Exception):
    """Base of every error that command line and notebook show as one message, without traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it."""
        return [f"error: {self}"]


class SpecError(HpoError):
    """A study file, or an override of it, breaks a rule."""


class StorageError(HpoError):
    """The database cannot be used: address, credentials, kind or version."""


class StudyError(HpoError):
    """The study in the database does not allow what was asked."""


def printable(text: str, keep: str = "") -> str:
    r"""A text without control characters, which a terminal would obey; those to ``keep`` stay.

    Examples:
        >>> printable("\x1b[31mred\n"), printable("two\nlines", "\n")
        ('?[31mred?', 'two\nlines')
    """
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)


def near_miss(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'launch'? `` of a word that is close to a known one; empty of any other."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""

"""Errors that a user can mend: each says where, which rule, what was found and what to do."""

from __future__ import annotations


class HpoError(Exception):
    """Base of every error that the command line shows as one message, without a traceback."""


class SpecError(HpoError):
    """A study file, or an override of it, breaks a rule."""


class StorageError(HpoError):
    """The database cannot be used: address, credentials, kind or version."""


class StudyError(HpoError):
    """The study in the database does not allow what was asked."""

"""A question to the user: data that can be read in several ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hpo.errors import advise

Options = Mapping[str, str]
"""Options of ``look`` by name, such as ``{"task": "classify", "labels": "y"}``."""


class Reading(NamedTuple):
    """One way to read the data."""

    meaning: str
    options: Options
    """What chooses it."""


def _as_flags(options: Options) -> str:
    """Return options as on the command line."""
    return " ".join(f"--{name} {_quote(text)}" for name, text in options.items())


def _as_arguments(options: Options) -> str:
    """Return options as in a call from Python, where labels or targets say the task."""
    named = {name: text for name, text in options.items() if name != "task"}
    return ", ".join(f"{name}={text!r}" for name, text in named.items())


def _quote(text: str) -> str:
    """Return a word of a command line."""
    return f"'{text}'" if set(text) & set(' ();&|<>*?$"') else text


class QuestionError(ValueError):
    """Data that can be read in several ways; the message lists them."""

    def __init__(self, where: Path, found: str, readings: Sequence[Reading]) -> None:
        """Take what was found at a path, and its readings."""
        super().__init__(where, found, readings)
        self.where = where
        self.found = found
        self.readings = readings

    def __str__(self) -> str:
        """Return the question, with what chooses each reading."""
        lines = [f"{self.where}: {self.found}. Say how to read it:"]
        for reading in self.readings:
            how = advise(_as_flags(reading.options), _as_arguments(reading.options))
            lines.append(f"  {how}: {reading.meaning}")
        return "\n".join(lines)

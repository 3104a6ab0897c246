"""A question to the user: data that can be read in several ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Options = Mapping[str, str]
"""Options of ``look`` by name, such as ``{"task": "classify", "labels": "y"}``."""


class Reading(NamedTuple):
    """One way to read the data."""

    meaning: str
    options: Options
    """What chooses it."""


def as_flags(options: Options) -> str:
    """Return options as on the command line."""
    return " ".join(f"--{name} {_quote(text)}" for name, text in options.items())


def as_arguments(options: Options) -> str:
    """Return options as in a call from Python."""
    return ", ".join(f"{name}={text!r}" for name, text in options.items())


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

    def ask(self, write: Callable[[Options], str]) -> str:
        """Return the question, with the options of each reading as ``write`` puts
        them."""
        lines = [f"{self.where}: {self.found}. Say how to read it:"]
        for reading in self.readings:
            lines.append(f"  {write(reading.options)}: {reading.meaning}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the question for the command line."""
        return self.ask(as_flags)

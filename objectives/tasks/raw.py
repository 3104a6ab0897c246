"""What a task is read from, before it is split: series, labels, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What a file holds, before any check."""

    x: NDArray[Any]
    y: NDArray[Any]
    test: NDArray[Any] | None
    sha256: str
    """Hash of the content that the arrays were read from."""


def refuse(where: Path | str, rule: str, got: str, remedy: str) -> NoReturn:
    """Raise the project's form of an error.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{where}: {rule} must hold, but got {got}. {remedy}")

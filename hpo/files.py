"""Files that commands write: of the kind that their name says, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hpo.errors import HpoError


def check_ending(path: Path, *endings: str) -> None:
    """Check that a file is named as what is to be written, before anything is read or trained.

    Raises:
        HpoError: it is not.
    """
    if path.suffix not in endings:
        known = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise HpoError(f"{path}: the ending must be {known}, but got {path.suffix or 'none'}.")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a draft beside a file, which takes its place once it is whole, if it was made.

    Raises:
        HpoError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        if draft.exists():
            os.replace(draft, path)
    except OSError as error:
        raise HpoError(f"{path}: cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def check_writable(path: Path) -> None:
    """Check, before a training, that a file can be written.

    Raises:
        HpoError: it cannot.
    """
    with writing(path) as draft:
        draft.touch()
        draft.unlink()

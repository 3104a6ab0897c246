"""Helpers of all ``hpo`` commands: to open the database, and to print results."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.console import storage_option

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.connect import Storage
    from hpo.study.result import Result


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[Ledger]:
    """Open the ledger of the database that ``--storage`` names.

    Raises:
        StorageError: the database cannot be reached, or went away meanwhile.
    """
    from hpo.ledger.ledger import Ledger

    with opened_storage(arguments) as storage:
        yield Ledger(storage)


@contextmanager
def looking(arguments: argparse.Namespace) -> Iterator[LedgerReader]:
    """Open the ledger for a command that changes nothing, in half the time.

    Raises:
        NothingYetError: there is no study yet, and no table.
        StorageError: the database cannot be reached, or went away meanwhile.
    """
    from hpo.ledger.reader import LedgerReader

    with opened_storage(arguments, creates=False) as storage:
        yield LedgerReader(storage)


@contextmanager
def opened_storage(
    arguments: argparse.Namespace, *, creates: bool = True
) -> Iterator[Storage]:
    """Open the database that ``--storage`` names; ``creates`` as in ``open_storage``.

    Raises:
        NothingYetError: nothing may be created, and there is no embedded server.
        StorageError: it cannot be reached, or went away meanwhile.
    """
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import answering

    with (
        open_storage(arguments.storage, creates=creates) as storage,
        answering(storage.place()),
    ):
        yield storage


def terminal_width() -> int | None:
    """Return the width of the terminal in characters; None where stdout is not a
    terminal."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def tell(arguments: argparse.Namespace, record: dict[str, Any], *lines: object) -> int:
    """Print the result of a command, as JSON or in lines for people, and return exit
    status 0."""
    if arguments.json:
        from hpo.views.records import json_records

        lines = (json_records.dumps(record),)
    print("\n".join(map(str, lines)))
    return 0


def next_step(arguments: argparse.Namespace, result: Result) -> list[str]:
    """Return a line that says what to do with the study next, if anything."""
    from hpo.views.terminal import status

    step = status.next_step(result, storage_option(arguments.storage))
    if not step:
        return []
    return [f"next: {step}"]


def show(arguments: argparse.Namespace, path: Path) -> None:
    """Open a file in the browser if ``--open`` is set."""
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())

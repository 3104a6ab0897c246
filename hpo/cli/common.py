"""What the commands of ``hpo`` share: their database, and what they print."""

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
    """The ledger of the database that ``--storage`` names; use it within ``with``.

    Raises:
        StorageError: the database cannot be reached, or went away meanwhile.
    """
    from hpo.ledger.ledger import Ledger

    with opened_storage(arguments) as storage:
        yield Ledger(storage)


@contextmanager
def looking(arguments: argparse.Namespace) -> Iterator[LedgerReader]:
    """The same for a command that changes nothing: it starts in half the time.

    Raises:
        StorageError: the database cannot be reached, or went away meanwhile.
    """
    from hpo.ledger.reader import LedgerReader

    with opened_storage(arguments) as storage:
        yield LedgerReader(storage)


@contextmanager
def opened_storage(arguments: argparse.Namespace) -> Iterator[Storage]:
    """The database that ``--storage`` names, for use within ``with``.

    Raises:
        StorageError: it cannot be reached, or went away meanwhile.
    """
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import answering

    with open_storage(arguments.storage) as storage, answering(storage.place()):
        yield storage


def terminal_width() -> int | None:
    """Characters in a line of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def tell(arguments: argparse.Namespace, record: dict[str, Any], *lines: object) -> int:
    """Print what a command did, as JSON or in lines for people; returns the exit status."""
    if arguments.json:
        from hpo.views import json_records

        lines = (json_records.dumps(record),)
    print("\n".join(map(str, lines)))
    return 0


def next_step(arguments: argparse.Namespace, result: Result) -> list[str]:
    """A line that says what to do with the study now; none where there is nothing to do."""
    from hpo.views.terminal import status

    step = status.next_step(result, storage_option(arguments.storage))
    return [f"next: {step}"] if step else []


def show(arguments: argparse.Namespace, path: Path) -> None:
    """Open a file in the browser if ``--open`` was given."""
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())

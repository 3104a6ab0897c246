"""The commands of ``hpo``: each a module with its parser, light to import, and its work."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hpo.console import without_password
from hpo.errors import StorageError

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.postgres.connect import Storage


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
def opened_storage(arguments: argparse.Namespace) -> Iterator[Storage]:
    """The database that ``--storage`` names, for use within ``with``.

    Raises:
        StorageError: it cannot be reached, or went away meanwhile.
    """
    from hpo.postgres.connect import open_storage
    from hpo.postgres.retry import is_passing

    with open_storage(arguments.storage) as storage:
        try:
            yield storage
        except Exception as error:
            if not is_passing(error):
                raise
            words = " ".join(str(error).split())[:300]
            raise StorageError(
                f"{storage.place()}: the database must answer, but got: {words}. Try again."
            ) from error


def storage_option(arguments: argparse.Namespace) -> str:
    """What a command that is printed needs at its end to reach the same database, mostly empty."""
    given = arguments.storage
    return f" --storage {shlex.quote(without_password(given))}" if given else ""


def terminal_width() -> int | None:
    """Characters in a line of the terminal; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def tell(arguments: argparse.Namespace, record: dict[str, Any], *lines: str) -> int:
    """Print what a command did, as JSON or in words; returns the exit status."""
    from hpo.views import records

    print(records.dumps(record) if arguments.json else "\n".join(line for line in lines if line))
    return 0

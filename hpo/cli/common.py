"""What the commands of ``hpo`` share: how one is declared, its database, and what it prints."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from hpo.console import Parser, answer, storage_option, without_password

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.connect import Storage
    from hpo.study.result import Result

Run = Callable[[argparse.Namespace], int]
Check = Callable[[Parser, argparse.Namespace], None]
Add = Callable[[Any], object]
"""Adds an argument to a parser, or to a group of one."""


def argument(*names: str, **options: Any) -> Add:
    """An argument of a command; takes what ``add_argument`` of argparse does."""
    return lambda parser: parser.add_argument(*names, **options)


def one_of(*arguments: Add) -> Add:
    """Arguments of which one may be given."""

    def add(parser: Parser) -> None:
        group = parser.add_mutually_exclusive_group()
        for add_one in arguments:
            add_one(group)

    return add


STORAGE: Add = Parser.add_storage
JSON = argument("--json", action="store_true", help="strict JSON on stdout, for programs")
STUDY: Add = Parser.add_study


def study_or(default: str) -> Add:
    """A study that need not be named; ``default`` says what holds then."""
    return lambda parser: parser.add_study(f"name (default: {default})", required=False)


OPEN = argument("--open", action="store_true", help="open it in the browser")


@dataclass(frozen=True)
class Command:
    """A command ``hpo NAME``: called with the rest of its line, it returns the exit status."""

    run: Run
    """Gets the parsed arguments; it imports what is heavy itself, so that ``--help`` is fast.

    Its docstring is what ``--help`` shows, ending with ``Examples:``.
    """
    arguments: tuple[Add, ...]
    check: Check | None

    @property
    def name(self) -> str:
        """What is typed: the name of the function."""
        return f"hpo {self.run.__name__.rstrip('_').replace('_', '-')}"

    def parser(self) -> Parser:
        """Its command line."""
        about, _, examples = (getdoc(self.run) or "").partition("\n\nExamples:\n")
        parser = Parser(self.name, about, dedent(examples))
        for add in self.arguments:
            add(parser)
        return parser

    def __call__(self, argv: Sequence[str]) -> int:
        """Do what ``argv`` asks for; returns the exit status."""
        parser = self.parser()
        given = parser.parse_args(argv)
        given.command = without_password(f"{self.name} {shlex.join(argv)}")
        if self.check is not None:
            self.check(parser, given)
        return answer(lambda: self.run(given))


def command(*arguments: Add, check: Check | None = None) -> Callable[[Run], Command]:
    """Make a function a command; its docstring is the text of ``--help``.

    Args:
        arguments: in the order in which they are shown.
        check: refuses arguments that do not go together, with ``error`` of the parser.
    """
    return lambda run: Command(run, arguments, check)


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
    from hpo.views.terminal import tables

    step = tables.next_step(result, storage_option(arguments.storage))
    return [f"next: {step}"] if step else []


def show(arguments: argparse.Namespace, path: Path) -> None:
    """Open a file in the browser if ``--open`` was given."""
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())

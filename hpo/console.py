"""What every command of `hpo` is made of: its declaration, parser, errors and exit status.

Imports nothing heavy: `hpo --help` and a mistyped command answer at once.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from textwrap import dedent
from typing import Any, NoReturn

from hpo.errors import HpoError, near_miss, printable

EXIT_ERROR = 1
_MODULES = {
    "launch.__main__": ("launch",),
    "worker.__main__": ("worker",),
    "cli.status": ("studies", "status", "logs"),
    "cli.trials": ("trials", "best"),
    "cli.export": ("report", "export", "import"),
    "cli.dashboard": ("dashboard",),
    "cli.interventions": (
        *("stop", "resume", "extend", "enqueue", "retry", "exclude"),
        *("priority", "accept-code", "delete"),
    ),
    "cli.networks": ("trace",),
    "cli.objective": ("new", "params", "guide"),
    "cli.doctor": ("doctor", "completion"),
    "cli.storage": ("storage",),
}
COMMANDS = {name: module for module, names in _MODULES.items() for name in names}
"""Command -> the module of ``hpo`` where a function is declared as that command."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: the same wish as Ctrl-C, with another exit status."""


class Parser(argparse.ArgumentParser):
    """argparse that shows examples below the options and suggests what was meant.

    An option must be spelt out, so that a script never breaks when a new one is added.
    """

    def __init__(self, prog: str, description: str, examples: str) -> None:
        """A parser with its text of examples, given without indentation."""
        self._given: list[str] = []
        super().__init__(
            prog=prog,
            description=description,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Argparse's message, or the mistyped options, with the closest valid ones."""
        known = {name for name in self._option_string_actions if name[:2] == "--"} - {"--help"}
        wrong = [word for word in self._given if word[:2] == "--" and word not in known]
        if wrong:
            hints = "".join(near_miss(word, known) for word in wrong)
            message = f"unrecognized arguments: {' '.join(wrong)}. {hints}".rstrip()
        super().error(f"{message}\n{self.prog} --help shows every option, with examples")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse does, but refuse bytes that are no text: no database can hold them."""
        given = list(sys.argv[1:] if args is None else args)
        self._given = [word.partition("=")[0] for word in given if word != "--"]
        for text in given:
            if any("\ud800" <= character <= "\udfff" for character in text):
                self.error(f"every argument must be UTF-8 text, but got {text!r}")
        return super().parse_known_args(given, namespace)


Run = Callable[[argparse.Namespace], int]
Check = Callable[[Parser, argparse.Namespace], None]
Add = Callable[[Any], object]
"""Adds an argument to a parser, or to a group of one."""


def argument(*names: str, **options: Any) -> Add:
    """An argument of a command; takes what ``add_argument`` of argparse does."""
    return lambda parser: parser.add_argument(*names, **options)


def one_of(*arguments: Add, required: bool = False) -> Add:
    """Arguments of which one may be given, or must."""

    def add(parser: Parser) -> None:
        exclusive = parser.add_mutually_exclusive_group(required=required)
        for add_one in arguments:
            add_one(exclusive)

    return add


def group(title: str, *arguments: Add, about: str | None = None) -> Add:
    """Arguments that ``--help`` shows under a title."""

    def add(parser: Parser) -> None:
        titled = parser.add_argument_group(title, about)
        for add_one in arguments:
            add_one(titled)

    return add


def study_of(what: str, *, required: bool = True) -> Add:
    """The study, as an argument or as ``--study``; ``what`` is said of its name."""
    name = argument("study", nargs="?", default=argparse.SUPPRESS, metavar="STUDY", help=what)
    option = argument("--study", metavar="STUDY", help="the same")
    return one_of(name, option, required=required)


STUDY = study_of("name of the study")
STUDY_OR_ONLY = study_of("name (default: the only study of the database)", required=False)
STORAGE = argument(
    "--storage",
    metavar="URL",
    help="PostgreSQL database, as postgresql://user@host/database (default: $HPO_STORAGE, else the "
    "embedded server)",
)
JSON = argument("--json", action="store_true", help="strict JSON on stdout, for programs")
OPEN = argument("--open", action="store_true", help="open it in the browser")


def working_directory_last() -> None:
    """Let objectives of the user's own be imported, but from no file that is called as one of ours.

    ``python -m`` puts the working directory before all others.
    """
    here, ours = os.getcwd(), str(Path(__file__).parents[1])
    if sys.path[0] in ("", here):
        del sys.path[0]
    for path in (ours, here):  # an editable installation is found by no path, and after all paths
        if path not in sys.path:
            sys.path.append(path)


def without_password(text: str) -> str:
    """The text with the passwords of its URLs masked.

    Examples:
        >>> without_password("--storage postgresql://me:secret@host/hpo")
        '--storage postgresql://me:***@host/hpo'
        >>> without_password("postgresql://host/hpo?user=me&password=secret&port=5433")
        'postgresql://host/hpo?user=me&password=***&port=5433'
    """
    text = re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)
    return re.sub(r"([?&](?:ssl)?password=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)


def storage_option(given: str | None) -> str:
    """What a printed command needs at its end to reach the database ``given``, mostly empty."""
    return f" --storage {shlex.quote(without_password(given))}" if given else ""


def at_least(minimum: int, at_most: float = math.inf) -> Callable[[str], int]:
    """An argparse type: a whole number that is not below ``minimum``, nor above ``at_most``."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}") from None
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, but got {number}")
        if number > at_most:
            raise argparse.ArgumentTypeError(f"must be at most {at_most}, but got {number}")
        return number

    return convert


def seconds(text: str) -> float:
    """An argparse type: a positive, finite time in seconds."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"seconds are needed, not {text!r}") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, but got {text}")
    return value


def later(seconds: float, do: Callable[..., object], *arguments: object) -> None:
    """Do something so long from now, such as ``os._exit``, unless this process has ended."""
    timer = threading.Timer(seconds, do, arguments)
    timer.daemon = True
    timer.start()


def answer(run: Callable[[], int]) -> int:
    """Run a command; what a user can mend becomes one message on stderr, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Callable[..., Any] | None = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # a terminal without ± shows ? for it
    try:
        status = run()
        sys.stdout.flush()
    except HpoError as error:
        print(f"error: {printable(str(error), chr(10))}", file=sys.stderr)
        return EXIT_ERROR
    except Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `hpo trials | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


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

    @property
    def about(self) -> str:
        """What it does, in one line."""
        return str(getdoc(self.run)).partition("\n")[0].rstrip(".")

    def parser(self) -> Parser:
        """Its command line."""
        about, _, examples = str(getdoc(self.run)).partition("\n\nExamples:\n")
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

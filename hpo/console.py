"""The parts of every `hpo` command: its declaration, parser, errors and exit status.

Imports nothing heavy: `hpo --help` and a mistyped command answer at once.
"""

from __future__ import annotations

import _thread
import argparse
import io
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NoReturn

from hpo.errors import HpoError, near_miss, printable

EXIT_ERROR = 1
EXIT_NO_RESULT = 5
"""Exit status of a study that has ended without a complete trial."""
EXIT_CANCELLED = 6
"""Exit status of a launch whose jobs were all cancelled."""
COMMANDS = {
    "launch": "launch.__main__:launch",
    "worker": "worker.__main__:worker",
    "status": "cli.status:status",
    "trials": "cli.trials:trials",
    "best": "cli.trials:best",
    "report": "cli.report:report",
    "export": "cli.export:export",
    "import": "cli.importing:import_",
    "confirm": "launch.confirm:confirm",
    "tolerances": "cli.tolerances:tolerances",
    "trace": "cli.networks:trace",
    "dashboard": "cli.dashboard:dashboard",
    "ask": "cli.ask_tell:ask",
    "tell": "cli.ask_tell:tell",
    "stop": "cli.interventions:stop",
    "resume": "cli.interventions:resume",
    "enqueue": "cli.interventions:enqueue",
    "exclude": "cli.interventions:exclude",
    "delete": "cli.interventions:delete",
    "new": "cli.new:new",
    "params": "cli.params:params",
    "guide": "cli.guide:guide",
    "fit": "cli.fit:fit",
    "check": "cli.check:check",
    "doctor": "cli.doctor:doctor",
    "storage": "cli.storage:storage",
}
"""Command -> module of ``hpo`` and the function in it that is declared as the
command."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: the same wish as Ctrl-C, with another exit status."""


class Parser(argparse.ArgumentParser):
    """argparse with examples below the options and suggestions for mistyped words.

    Options cannot be abbreviated, so that a new option never breaks a script.
    """

    def __init__(self, prog: str, description: str, examples: str) -> None:
        """Make a parser; ``examples`` is not indented."""
        self._options_given: list[str] = []
        self.takes_values = False
        self.takes_more = False
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{indent(examples, '  ')}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._negative_number_matcher = re.compile(r"-\.?\d")  # -1e-9, too

    def error(self, message: str) -> NoReturn:
        """Exit with argparse's message, or with the mistyped options and the closest
        valid ones."""
        options = self._option_string_actions.keys() - {"-h", "--help"}
        wrong = [name for name in self._options_given if name not in options]
        if wrong:
            hints = "".join(near_miss(name, options) for name in wrong)
            if self.takes_more and not hints:
                hints = "Arguments of the script follow --, as in: -- --data x.csv"
            message = f"unrecognized arguments: {' '.join(wrong)}. {hints}".rstrip()
        elif self.takes_more and message.startswith("unrecognized arguments: "):
            given = message.removeprefix("unrecognized arguments: ")
            message += f". Arguments of the script follow --, as in: -- {given}"
        super().error(
            f"{message}\n{self.prog} --help shows every option, with examples"
        )

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as argparse does, but refuse bytes that are not text: no database holds
        them."""
        if args is None:
            args = sys.argv[1:]
        words = list(args)
        if self.takes_more and "--" in words:
            end = words.index("--")
            self.set_defaults(script_arguments=words[end + 1 :])
            words = words[:end]
        for word in words:
            if re.search("[\ud800-\udfff]", word):
                self.error(f"expected UTF-8 text, got {word!r}")
        if self.takes_values:
            words = [word for word in words if word != "--set"]  # may be written, too
            words = [re.sub(r"^[\w.]+=", r"--set=\g<0>", word) for word in words]
        options = [word for word in words if word.startswith("--") and word != "--"]
        self._options_given = [option.partition("=")[0] for option in options]
        return super().parse_known_args(words, namespace)


Run = Callable[[argparse.Namespace], int]
Check = Callable[[Parser, argparse.Namespace], None]
Add = Callable[[Any], object]
"""Adds an argument to a parser, or to a group of one."""


def argument(*names: str, **options: Any) -> Add:
    """Return an argument of a command; the parameters are those of argparse's
    ``add_argument``."""
    return lambda parser: parser.add_argument(*names, **options)


def values(parser: Parser) -> None:
    """Add NAME=VALUE words, anywhere in the line, as ``params``."""
    parser.add_argument(
        "--set",
        action="append",
        dest="params",
        required=True,
        help=argparse.SUPPRESS,
    )
    parser.add_argument("NAME=VALUE", nargs="?", help="parameters of the search")
    parser.takes_values = True


def script_arguments(parser: Parser) -> None:
    """Add the words after ``--``, as ``script_arguments``."""
    parser.set_defaults(script_arguments=[])
    parser.add_argument(
        "-- ARGUMENTS", action="store_true", help="arguments of the script"
    )
    parser.takes_more = True


def one_of(*arguments: Add, required: bool = False) -> Add:
    """Return mutually exclusive arguments."""

    def add(parser: Parser) -> None:
        exclusive = parser.add_mutually_exclusive_group(required=required)
        for add_one in arguments:
            add_one(exclusive)

    return add


def group(title: str, *arguments: Add, about: str | None = None) -> Add:
    """Return arguments that ``--help`` shows under a title."""

    def add(parser: Parser) -> None:
        titled = parser.add_argument_group(title, about)
        for add_one in arguments:
            add_one(titled)

    return add


def study_of(what: str, *, required: bool = True) -> Add:
    """Return the argument STUDY, which may also be written ``--study``; ``what`` is its
    help."""
    name = argument(
        "study", nargs="?", default=argparse.SUPPRESS, metavar="STUDY", help=what
    )
    option = argument("--study", metavar="STUDY", help="the same")
    return one_of(name, option, required=required)


STUDY = study_of("name of the study")
STUDY_OR_ONLY = study_of(
    "name (default: the only study of the database)", required=False
)
STORAGE = argument(
    "--storage",
    metavar="URL",
    help=(
        "PostgreSQL database, as postgresql://user@host/database (default:"
        " $HPO_STORAGE, else the embedded server)"
    ),
)
JSON = argument(
    "--json", action="store_true", help="strict JSON on stdout, for programs"
)
JSON_LINES = argument(
    "--json",
    action="store_true",
    help="JSON lines on stdout: one per finished trial, then the result",
)
REPORT = one_of(
    argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="HTML report (default: ./NAME-report.html)",
    ),
    argument("--no-report", action="store_true", help="write no report"),
)
OPEN = argument("--open", action="store_true", help="open it in the browser")


def working_directory_last() -> None:
    """Put the working directory last in ``sys.path``, so that no file there hides one
    of ours.

    Users keep their objectives there; ``python -m`` puts it first.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        sys.exit("error: the working directory was deleted. Go to another one: cd PATH")
    if sys.path[0] in ("", here):
        del sys.path[0]
    # an editable installation is found by no path, and after all paths
    ours = str(Path(__file__).parents[1])
    for path in (ours, here):
        if path not in sys.path:
            sys.path.append(path)


def without_password(text: str) -> str:
    """Mask the passwords of all URLs in a text.

    Examples:
        >>> without_password("--storage postgresql://me:secret@host/hpo")
        '--storage postgresql://me:***@host/hpo'
        >>> without_password("postgresql://host/hpo?user=me&password=secret&port=5433")
        'postgresql://host/hpo?user=me&password=***&port=5433'
    """
    text = re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)
    return re.sub(
        r"([?&](?:ssl)?password=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE
    )


def storage_option(url: str | None) -> str:
    """Return `` --storage URL`` for a command that is printed; nothing without a
    URL."""
    if not url:
        return ""
    return f" --storage {shlex.quote(without_password(url))}"


def at_least(minimum: int, at_most: float = math.inf) -> Callable[[str], int]:
    """Return an argparse type: a whole number from ``minimum`` to ``at_most``."""
    rule = f"from {minimum}"
    if at_most < math.inf:
        rule += f" to {at_most}"

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if not minimum <= number <= at_most:
            raise argparse.ArgumentTypeError(
                f"expected a whole number {rule}, got {text!r}"
            )
        return number

    return convert


def seconds(text: str) -> float:
    """Convert an argument to a positive, finite time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(
            f"expected a finite number of seconds above 0, got {text!r}"
        )
    return value


def later(seconds: float, do: Callable[..., object], *arguments: object) -> None:
    """Call a function after a delay, such as ``os._exit``, unless this process has
    ended; without memory for a thread, never.

    ``threading.Thread`` would wait for ever for a thread that starts without memory.
    """

    def wait() -> None:
        time.sleep(seconds)
        do(*arguments)

    with suppress(RuntimeError, MemoryError):
        _thread.start_new_thread(wait, ())


def answer(run: Callable[[], int]) -> int:
    """Run a command; an ``HpoError`` becomes one message on stderr, without a
    traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± shows ? for it
    try:
        status = run()
        sys.stdout.flush()
    except HpoError as error:
        text = printable(str(error), keep="\n")
        print(f"error: {text}", file=sys.stderr)
        return error.exit_status
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
    """A command ``hpo NAME``: call it with the rest of the line, and it returns the
    exit status."""

    run: Run
    """Takes the parsed arguments. It imports heavy modules itself, so that ``--help``
    is fast.

    Its docstring is the text of ``--help``, ending with ``Examples:``.
    """
    arguments: tuple[Add, ...]
    check: Check | None

    @property
    def name(self) -> str:
        """``hpo`` and the name of the function."""
        return f"hpo {self.run.__name__.rstrip('_')}"

    @property
    def about(self) -> str:
        """The first line of its help."""
        return str(getdoc(self.run)).partition("\n")[0].rstrip(".")

    def parser(self) -> Parser:
        """Return the parser of its command line."""
        about, _, examples = str(getdoc(self.run)).partition("\n\nExamples:\n")
        parser = Parser(self.name, about, dedent(examples))
        for add in self.arguments:
            add(parser)
        return parser

    def __call__(self, argv: Sequence[str]) -> int:
        """Run the command with ``argv``, and return the exit status."""
        parser = self.parser()
        arguments = parser.parse_args(argv)
        arguments.command = without_password(f"{self.name} {shlex.join(argv)}")
        if self.check is not None:
            self.check(parser, arguments)
        return answer(lambda: self.run(arguments))


def command(*arguments: Add, check: Check | None = None) -> Callable[[Run], Command]:
    """Make a function a command; its docstring is the text of ``--help``.

    Args:
        arguments: in the order of ``--help``.
        check: refuses arguments that do not go together, by ``error`` of the parser.
    """
    return lambda run: Command(run, arguments, check)

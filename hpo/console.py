"""What every command of `hpo` shares: its parser, its errors and its exit status.

Imports nothing heavy: `hpo --help` and a mistyped command answer at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hpo.errors import HpoError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141


class Terminated(KeyboardInterrupt):
    """SIGTERM: the same wish as Ctrl-C, with another exit status."""


class Parser(argparse.ArgumentParser):
    """argparse that shows examples below the options and suggests what was meant.

    An option must be spelt out, so that a script never breaks when a new one is added.
    """

    def __init__(self, prog: str, description: str, examples: str) -> None:
        """A parser with its text of examples, given without indentation."""
        super().__init__(
            prog=prog,
            description=description,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Argparse's message, with the closest valid option where one was mistyped."""
        options = set(re.findall(r"--[\w-]+", self.format_help()))
        wrong = re.findall(r"--[\w-]+", message) if "unrecognized" in message else []
        for word in wrong:
            if close := difflib.get_close_matches(word, options, n=1):
                message += f" (did you mean {close[0]}?)"
        super().error(f"{message}\n{self.prog} --help shows every option, with examples")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse does, but refuse bytes that are no text: no database can hold them."""
        given = list(sys.argv[1:] if args is None else args)
        for text in given:
            if any("\ud800" <= character <= "\udfff" for character in text):
                self.error(f"every argument must be UTF-8 text, but got {text!r}")
        return super().parse_known_args(given, namespace)

    def add_study(self) -> None:
        """The study, as an argument or as ``--study``; see ``parse_with_study``."""
        self.add_argument("study", nargs="?", metavar="STUDY", help="name of the study")
        self.add_argument("--study", dest="study_option", metavar="NAME", help="the same")

    def parse_with_study(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse a command line whose study is given in one of the two ways."""
        arguments = self.parse_args(argv)
        given = [name for name in (arguments.study, arguments.study_option) if name is not None]
        if not given:
            self.error("the following arguments are required: STUDY")
        if len(given) > 1:
            self.error("argument --study: not allowed with argument STUDY")
        arguments.study = given[0]
        return arguments

    def add_storage(self) -> None:
        """``--storage``, the same wherever a database is used."""
        self.add_argument(
            "--storage",
            metavar="URL",
            help="PostgreSQL database, as postgresql://user@host/database "
            "(default: $HPO_STORAGE, else the embedded server)",
        )


def working_directory_last() -> None:
    """Let objectives of the user's own be imported, but from no file that is called as one of ours.

    ``python -m`` puts the working directory before all others.
    """
    here = os.getcwd()
    if sys.path[0] in ("", here):
        del sys.path[0]
    if here not in sys.path:
        sys.path.append(here)


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


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse type: a whole number that is not below ``minimum``."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}") from None
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, but got {number}")
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
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except Terminated:
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `hpo trials | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return status

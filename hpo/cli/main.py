"""The console script ``hpo``: finds the command and hands the rest of the line to it.

The module of a command is imported when it is asked for.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from importlib import import_module

from hpo.console import COMMANDS, Command, Parser, working_directory_last
from hpo.errors import near_miss

_HELP = """\
usage: hpo COMMAND [options]

Hyper-parameter optimisation of trainable dynamical hardware. A study is a file; its results depend
on that file alone, not on how many workers ran it, nor on stops and crashes.

commands:
{commands}

examples:
  hpo launch seqdigits
      run a study; again to go on
  hpo status seqdigits
      look at it, from anywhere
  hpo best seqdigits --top 3
      what it found, beside the reported optimum

hpo COMMAND --help shows the options of a command, with examples. Every command that uses a
database takes --storage URL (default: $HPO_STORAGE, else a server of its own).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hpo`` and return its exit status."""
    gc.set_threshold(50_000)  # imports make much that stays: to look through it again and again,
    atexit.register(gc.freeze)  # and at the end once more, is a third of what `hpo status` takes
    working_directory_last()
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("--help", "-h", "help"):
        return main([rest[0], "--help"]) if rest else _say(_help())
    if command == "--version":
        from importlib.metadata import version

        return _say(f"hpo {version('hpo-dynamics')}\n")
    if command not in COMMANDS:
        return _unknown(command)
    return run_of(command)(rest)


def run_of(command: str) -> Command:
    """What does a command."""
    declared = vars(import_module(f"hpo.{COMMANDS[command]}")).values()
    return next(c for c in declared if isinstance(c, Command) and c.name == f"hpo {command}")


def parser_of(command: str) -> Parser:
    """The command line of a command."""
    return run_of(command).parser()


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = (f"  {name:{width}}{run_of(name).about}" for name in COMMANDS)
    return _HELP.format(commands="\n".join(lines))


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _unknown(command: str) -> int:
    hint = near_miss(command, COMMANDS)
    what = "option" if command.startswith("-") else "command"
    print(
        f"hpo: error: unknown {what} {command!r}. {hint}Commands: {', '.join(COMMANDS)}.\n"
        "hpo --help shows what they do",
        file=sys.stderr,
    )
    return 2

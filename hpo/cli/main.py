"""The console script ``hpo``: find the command and pass it the rest of the line.

The module of a command is imported only when the command runs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from hpo.console import COMMANDS, Command, Parser, answer, working_directory_last
from hpo.errors import near_miss

_HELP = """\
usage: hpo COMMAND [options]

Hyper-parameter optimisation of trainable dynamical hardware. A study is a file. Its
results depend on that file alone, not on the number of workers, nor on stops and
crashes.

commands:
{commands}

examples:
  hpo launch seqdigits
      run a study, or resume it
  hpo status seqdigits
      show its progress, from any host
  hpo best seqdigits --top 3
      compare the best trials with the reported optimum

hpo COMMAND --help shows the options of a command, with examples. Every command that
uses a database takes --storage URL (default: $HPO_STORAGE, else the embedded server).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hpo`` and return its exit status; let this process collect garbage less
    often."""
    # Objects made by imports stay alive: collecting them repeatedly, and once more at
    # exit, takes a third of the time of `hpo status`.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    working_directory_last()
    if argv is None:
        argv = sys.argv[1:]
    command, *rest = argv or ["--help"]
    if command in ("--help", "-h", "help"):
        if rest:
            return main([rest[0], "--help"])
        return _say(_help())
    if command == "--version":
        from importlib.metadata import version

        return _say(f"hpo {version('hpo-dynamics')}\n")
    if command not in COMMANDS:
        return _refuse_unknown(command)
    # Ctrl-C may come before the command runs
    return answer(lambda: run_of(command)(rest))


def run_of(command: str) -> Command:
    """Import a command and return it."""
    found: Command = resolve_name(f"hpo.{COMMANDS[command]}")
    return found


def parser_of(command: str) -> Parser:
    """Return the parser of a command."""
    return run_of(command).parser()


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = (f"  {name:{width}}{run_of(name).about}" for name in COMMANDS)
    return _HELP.format(commands="\n".join(lines))


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _refuse_unknown(command: str) -> int:
    hint = near_miss(command, COMMANDS)
    what = "option" if command.startswith("-") else "command"
    print(
        f"hpo: error: unknown {what} {command!r}. {hint}Commands:"
        f" {', '.join(COMMANDS)}.\nhpo --help shows what they do",
        file=sys.stderr,
    )
    return 2

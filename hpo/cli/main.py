"""The console script ``hpo``: finds the command and hands the rest of the line to it.

The module of a command is imported when it is asked for.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hpo.console import working_directory_last

COMMANDS = {
    "launch": ("launch.__main__:main", "run a study: search, confirm, report"),
    "worker": ("worker.__main__:main", "work for the studies of a database"),
    "studies": ("cli.status:studies", "studies in the database, and study files to launch"),
    "status": ("cli.status:status", "how far a study is, and who works"),
    "trials": ("cli.trials:trials", "every trial of a study, as a table"),
    "best": ("cli.trials:best", "the best configurations beside the reported one"),
    "report": ("cli.report:report", "write a study as one HTML file"),
    "dashboard": ("cli.dashboard:dashboard", "show the studies in the browser"),
    "publish": ("cli.report:publish", "show a study on the dashboard as it is now"),
    "export": ("cli.export:export", "write trials as a table, a study as a backup, or a network"),
    "import": ("cli.backup:import_", "bring a study from a backup into the database"),
    "retry": ("cli.interventions:retry", "run failed trials again"),
    "exclude": ("cli.interventions:exclude", "take a bad trial out of a study"),
    "stop": ("cli.interventions:stop", "stop a study everywhere, losing nothing"),
    "resume": ("cli.interventions:resume", "let workers go on with a stopped or failed study"),
    "extend": ("cli.interventions:extend", "more trials for a study"),
    "accept-code": ("cli.interventions:accept_code", "go on with a changed objective"),
    "delete": ("cli.interventions:delete", "delete a study"),
    "artifacts": ("cli.networks:artifacts", "what is kept of a finished study: network, curves"),
    "trace": ("cli.trace:trace", "draw the time series of a trained network's neurons"),
    "guide": ("cli.guide:guide", "design rules of the paper, with your numbers"),
    "doctor": ("cli.doctor:doctor", "is this machine ready: kernels, storage, versions"),
    "storage": ("cli.storage:storage", "the database: where it is, its URL, stop it"),
}
"""Command -> the function of ``hpo`` that does it, and what that is in one line."""


_HELP = """\
usage: hpo COMMAND [options]

Hyper-parameter optimisation of trainable dynamical hardware. A study is a file; its results depend
on that file alone, not on how many workers ran it, nor on stops and crashes.

commands:
{commands}

examples:
  hpo studies                                what can be launched, and what is there
  hpo launch --study seqdigits               run a study; again to go on
  hpo status seqdigits                       look at it, from anywhere
  hpo best seqdigits --top 3                 what it found, beside the reported optimum

hpo COMMAND --help shows the options of a command, with examples. Every command that uses a
database takes --storage URL (default: $HPO_STORAGE, else a server of its own).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hpo`` and return its exit status."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("--help", "-h", "help"):
        return main([rest[0], "--help"]) if rest else _say(_help())
    if command == "--version":
        from importlib.metadata import version

        return _say(f"hpo {version('hpo-dynamics')}\n")
    if command not in COMMANDS:
        return _unknown(command)
    working_directory_last()
    return int(run_of(command)(rest))


def run_of(command: str) -> Any:
    """What does a command: a ``Command``, or the ``main`` of a launch or a worker.

    Called with the rest of the command line, it returns the exit status.
    """
    module, _, name = COMMANDS[command][0].partition(":")
    return getattr(import_module(f"hpo.{module}"), name)


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = (f"  {name:{width}}{help_}" for name, (_, help_) in COMMANDS.items())
    return _HELP.format(commands="\n".join(lines))


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _unknown(command: str) -> int:
    close = difflib.get_close_matches(command, COMMANDS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    what = "option" if command.startswith("-") else "command"
    print(
        f"hpo: error: unknown {what} {command!r}.{hint} Commands: {', '.join(COMMANDS)}.\n"
        f"hpo --help shows what they do",
        file=sys.stderr,
    )
    return 2

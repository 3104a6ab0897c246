"""The command lines of ``hpo``, asked of the real parsers: they are what `--help` would print.

No module of a command is named here: whatever prints its help hands over its parser.
"""

from __future__ import annotations

import argparse
import io
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from typing import Any

CREW = "hpo.launch.executors.crew"
MODULES = ("hpo.launch", "hpo.worker", CREW)
"""What else is run with ``python -m``."""


class _HelpAskedError(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def _run(module: str, *arguments: str) -> None:
    """Do what ``python -m MODULE ARGUMENTS`` does."""
    given, sys.argv = sys.argv, [module, *arguments]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # it was imported before
            runpy.run_module(module, run_name="__main__")
    except SystemExit:
        pass
    finally:
        sys.argv = given


@cache
def summaries() -> dict[str, str]:
    """Command -> what it does in one line, in the order of ``hpo --help``."""
    with redirect_stdout(io.StringIO()) as printed:
        _run("hpo", "--help")
    listed = printed.getvalue().partition("\ncommands:\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^  (\S+) +(.+)$", listed, re.MULTILINE))


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of ``hpo COMMAND``, or of ``python -m MODULE`` where ``command`` is a module.

    Raises:
        LookupError: there is no such command.
    """

    def hand_over(self: argparse.ArgumentParser, file: Any = None) -> None:
        raise _HelpAskedError(self)

    print_help, argparse.ArgumentParser.print_help = argparse.ArgumentParser.print_help, hand_over  # type: ignore[method-assign]
    try:
        _run(*([command] if command in MODULES else ["hpo", command]), "--help")
    except _HelpAskedError as asked:
        return asked.parser
    finally:
        argparse.ArgumentParser.print_help = print_help  # type: ignore[method-assign]
    raise LookupError(f"unknown command {command!r}")


def page() -> str:
    """Every command as Markdown: what it does, its usage, its options, its examples."""
    rows = [
        f"| [`hpo {name}`](#hpo-{name}) | {_escaped(text)} |" for name, text in summaries().items()
    ]
    parts = ["\n".join(["| command | what it does |", "|---|---|", *rows])]
    for name in summaries():
        parts += [f"## `hpo {name}`", *_described(parser_of(name))]
    parts += [f"## `python -m {CREW}`", *_described(parser_of(CREW))]
    return "\n\n".join(parts)


def _described(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _escaped(parser.description or "")
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)
    usage = re.sub(r"\n +", "\n    ", parser.format_usage().removeprefix("usage: ").strip())
    yield f"```console\n{usage}\n```"
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help is not argparse.SUPPRESS]
        actions = [a for a in actions if not isinstance(a, argparse._HelpAction)]
        if not actions:
            continue
        if group.title not in ("options", "positional arguments"):
            about = f": {group.description}" if group.description else ""
            yield f"**{_escaped(str(group.title))}**{_escaped(about)}"
        rows = "\n".join(f"| {_option(a)} | {_help(parser, a)} |" for a in actions)
        yield f"| option | meaning |\n|---|---|\n{rows}"
    title, _, examples = (parser.epilog or "").partition("\n")
    if examples:
        lines = [line.removeprefix("  ") for line in examples.splitlines()]
        yield f"{title.capitalize()}\n\n```text\n" + "\n".join(lines).strip() + "\n```"


def _option(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter("")
    text = formatter._format_action_invocation(action)
    if action.option_strings and action.nargs != 0:
        value = formatter._format_args(action, action.dest.upper())
        text = f"{', '.join(action.option_strings)} {value}"
    return f"`{text}`".replace("|", "\\|")


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    known = {**vars(action), "prog": parser.prog}
    text = " ".join(((action.help or "") % known).split())
    return _escaped(text) + (" **Required.**" if action.required and action.option_strings else "")


def _escaped(text: str) -> str:
    return re.sub(r"([*_\[\]<>|\\])", r"\\\1", text)

"""The command lines of ``hpo`` as Markdown, from the parsers that read them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from hpo.cli import main
from hpo.console import COMMANDS


def summaries() -> dict[str, str]:
    """Command -> what it does in one line, in the order of ``hpo --help``."""
    return {name: main.run_of(name).about for name in COMMANDS}


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of ``hpo COMMAND``.

    Raises:
        LookupError: there is no such command.
    """
    command = command.removeprefix("hpo.")
    if command not in COMMANDS:
        raise LookupError(f"unknown command {command!r}")
    return main.parser_of(command)


def page() -> str:
    """Every command as Markdown: what it does, its options, its examples."""
    rows = [
        f"| [`hpo {name}`](#hpo-{name}) | {_escaped(text)} |"
        for name, text in summaries().items()
    ]
    parts = ["\n".join(["| command | what it does |", "|---|---|", *rows])]
    for name in summaries():
        parts += [f"## `hpo {name}`", *_described(parser_of(name))]
    return "\n\n".join(parts)


def _described(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _escaped(parser.description or "")
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
    return _escaped(text) + (
        " **Required.**" if action.required and action.option_strings else ""
    )


def _escaped(text: str) -> str:
    return re.sub(r"([*_\[\]<>|\\])", r"\\\1", text)

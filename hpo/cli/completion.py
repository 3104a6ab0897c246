"""``hpo completion``: what a shell offers after TAB, made by shtab from the parsers."""

from __future__ import annotations

import argparse
from pathlib import Path

from hpo.cli import main
from hpo.console import ALIASES, COMMANDS, argument, command

_NAMES = "studies"


@command(
    argument("shell", choices=["bash", "zsh", "fish", _NAMES], help="the shell"),
)
def completion(arguments: argparse.Namespace) -> int:
    """Print what a shell needs to complete commands, options and names of studies.

    Examples:
        eval "$(hpo completion bash)"
            in ~/.bashrc; in ~/.zshrc, after compinit: eval "$(hpo completion zsh)"
        hpo completion fish > ~/.config/fish/completions/hpo.fish
            for fish
        hpo completion studies
            names of study files and of studies launched here, which the three ask for
    """
    if arguments.shell == _NAMES:
        print("\n".join(_studies()))
        return 0
    import shtab

    print(shtab.complete(_every_command(), arguments.shell))
    return 0


def _every_command() -> argparse.ArgumentParser:
    """One parser of all commands, whose arguments know what a shell may offer for them."""
    import shtab

    every = argparse.ArgumentParser("hpo", add_help=False)
    commands = every.add_subparsers(parser_class=argparse.ArgumentParser)
    for name in [*COMMANDS, *ALIASES]:
        parser = main.parser_of(ALIASES.get(name, name))
        about = COMMANDS[ALIASES.get(name, name)][1]
        commands.add_parser(name, help=about, parents=[parser], add_help=False)
        for action in parser._actions:
            if action.dest == "study":
                action.complete = shtab.cmd(f"hpo completion {_NAMES}")  # type: ignore[attr-defined]
            elif action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return every


def _studies() -> list[str]:
    """Study files, by name or here by path, and studies that were launched on this machine."""
    from hpo import settings
    from hpo.study import file

    launched = [path.name for path in settings.home().glob("logs/*")]
    return sorted({*file.available(), *launched, *map(str, Path().glob("*.toml"))})

"""``hpo completion``: what a shell offers after TAB; it asks ``hpo`` itself, through ``words``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import argument, command
from hpo.console import ALIASES, ASKED_BY_SHELLS, COMMANDS, Parser

_SCRIPTS = {
    "bash": f"""\
_hpo() {{
    local IFS=$'\\n'
    COMPREPLY=($("$1" {ASKED_BY_SHELLS} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o default -F _hpo hpo
""",
    "zsh": f"""\
_hpo() {{
    local -a found
    found=("${{(@f)$($words[1] {ASKED_BY_SHELLS} "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    [[ -n $found ]] && compadd -- $found || _files
}}
compdef _hpo hpo
""",
    "fish": f"""\
function __hpo
    set -l line (commandline -opc)
    $line[1] {ASKED_BY_SHELLS} $line[2..] (commandline -ct) 2>/dev/null
end
complete -c hpo -a '(__hpo)'
""",
}


@command(
    "Print what a shell needs to complete commands, options and names of studies.",
    """\
eval "$(hpo completion bash)"
    in ~/.bashrc; in ~/.zshrc, after compinit: eval "$(hpo completion zsh)"
hpo completion fish > ~/.config/fish/completions/hpo.fish
    for fish""",
    argument("shell", choices=list(_SCRIPTS), help="bash, zsh or fish"),
)
def completion(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[arguments.shell], end="")
    return 0


def words(line: Sequence[str], parser: Parser | None) -> list[str]:
    """What may stand in place of the last word of a line; empty where it is a file, say.

    Args:
        line: the words after ``hpo``, the last one as far as it is typed.
        parser: of its command; None while that is what is typed.
    """
    *before, typed = line or [""]
    if parser is None:
        found = [] if before else [*COMMANDS, *ALIASES]
    else:
        found = _of_command(parser, before[1:], typed)
    return sorted(word for word in found if word.startswith(typed))


def _of_command(parser: Parser, before: Sequence[str], typed: str) -> list[str]:
    options = {name: action for action in parser._actions for name in action.option_strings}
    if typed.startswith("-"):
        return [name for name in options if name.startswith("--")]
    last = options.get(before[-1]) if before else None
    if last is not None and last.dest == "study_option":
        return _studies()
    if last is not None and last.nargs != 0:
        return [str(choice) for choice in last.choices or ()]
    positional = next((action for action in parser._actions if not action.option_strings), None)
    if positional is None or set(before) & set(map(str, positional.choices or ())):
        return []
    return _studies() if positional.dest == "study" else list(map(str, positional.choices or ()))


def _studies() -> list[str]:
    """Study files by name, and studies that were launched on this machine."""
    from hpo import settings
    from hpo.study import file

    return [*file.available(), *(path.name for path in settings.home().glob("logs/*"))]

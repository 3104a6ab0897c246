"""``hpo new``: files to begin an objective of one's own with, which run as they are."""

from __future__ import annotations

import argparse
import keyword
from pathlib import Path

from hpo.console import argument, command
from hpo.errors import HpoError

_FILES = {
    "{}.py": "objective.py.j2",
    "{}.toml": "objective.toml.j2",
    "test_{}.py": "objective_test.py.j2",
}
_OURS = ("hpo", "objectives", "studies")


@command(
    argument("what", choices=["objective"], help="what to write"),
    argument("name", metavar="NAME", help="of its module and study, such as gru"),
)
def new(arguments: argparse.Namespace) -> int:
    """Write an objective of your own, its study and its test, into the working directory.

    Examples:
        hpo new objective gru
            gru.py, gru.toml and test_gru.py: a convolutional network that reads digits, to be
            changed
        hpo launch gru.toml
            it runs as it is; docs/how-to/own-objective.md explains each part
    """
    from jinja2 import Environment, PackageLoader

    name = arguments.name
    if not name.isidentifier() or keyword.iskeyword(name) or name in _OURS:
        raise HpoError(
            f"hpo new: NAME must be that of a Python module, and not {', '.join(_OURS)}, but got "
            f"{name!r}. Take one of letters, digits and underscores, such as my_network."
        )
    paths = [Path(pattern.format(name)) for pattern in _FILES]
    for path in paths:
        if path.exists():
            raise HpoError(f"{path}: no file of this name must be there, but one is. Move it.")
    templates = Environment(loader=PackageLoader("hpo.cli"), keep_trailing_newline=True)
    title = "".join(word.title() for word in name.split("_"))
    for path, template in zip(paths, _FILES.values(), strict=True):
        text = templates.get_template(template).render(name=name, title=title)
        path.write_text(text, encoding="utf-8")
    print(f"{', '.join(map(str, paths))}: run it with hpo launch {paths[1]}")
    return 0

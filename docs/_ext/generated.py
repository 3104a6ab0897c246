"""Puts what is generated from the code in place of its marks: ``<!-- generated: WHAT
-->``.

``commands``: every command of ``hpo``; ``keys of X``: a table of a study file; ``costs
of X``.
"""

from __future__ import annotations

import re
from typing import Any

import commands
import study_file

MARK = re.compile(r"<!-- generated: (.+?) -->")


def part(what: str) -> str:
    """The Markdown that stands for a mark."""
    kind, _, name = what.partition(" of ")
    if kind == "commands":
        return commands.page()
    return {"keys": study_file.keys, "costs": study_file.costs}[kind](name)


def fill(text: str) -> str:
    """The page with every mark replaced."""
    return MARK.sub(lambda mark: part(mark[1]), text)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect(
        "source-read",
        lambda _app, _name, source: source.__setitem__(0, fill(source[0])),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}

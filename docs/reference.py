"""Write the generated tables of the reference into its pages.

``python docs/reference.py`` puts tables of commands, keys and costs between the marks
``<!-- generated: WHAT -->`` and ``<!-- end -->``. ``WHAT`` is ``commands``, every
command of ``hpo``; ``keys of X``, a table of a study file; ``costs of X``; or ``objects
of N``, those of block N of the Python interface. A test compares the committed pages
with the code.
"""

from __future__ import annotations

import re
from pathlib import Path

import commands
import python_api
import study_file

PAGES = sorted((Path(__file__).parent / "reference").glob("*.md"))
MARK = re.compile(r"<!-- generated: (.+?) -->\n(?:.*?)<!-- end -->", re.DOTALL)


def part(what: str) -> str:
    """Return the Markdown that stands between the marks."""
    kind, _, name = what.partition(" of ")
    if kind == "commands":
        return commands.page()
    tables = {
        "keys": study_file.keys,
        "costs": study_file.costs,
        "objects": python_api.table,
    }
    return tables[kind](name)


def fill(text: str) -> str:
    """Return a page with all that is generated written anew."""
    return MARK.sub(
        lambda mark: f"<!-- generated: {mark[1]} -->\n{part(mark[1])}\n<!-- end -->",
        text,
    )


def main() -> None:
    """Write all pages anew."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(fill(text), encoding="utf-8")


if __name__ == "__main__":
    main()

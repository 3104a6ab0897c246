"""A study's note as optuna-dashboard stores it, shared by this service and people.

What stands above the marker line is ours, and written anew when it changes; what stands below it,
and a note without the line, is somebody's, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

VERSION = "dashboard:note_ver"
_TEXT = "dashboard:note_str:"
MARKER = "*Everything above this line is written by hpo; what you write below it is kept.*"


def is_part(key: str) -> bool:
    """Whether a study's system attribute is a part of its note."""
    return key == VERSION or key.startswith(_TEXT)


def read(attrs: Mapping[str, str]) -> str:
    """The note among a study's system attributes, given as JSON by key."""
    parts = {key.removeprefix(_TEXT): text for key, text in attrs.items() if key.startswith(_TEXT)}
    numbers = sorted((number for number in parts if number.isdecimal()), key=int)
    return "".join(str(json.loads(parts[number])) for number in numbers)


def written(attrs: Mapping[str, str], body: str) -> dict[str, str]:
    """The attributes that hold a note in place of the one in ``attrs``: one row, the next version.

    optuna-dashboard cuts notes into rows for the sake of MySQL; one row is never read by
    halves. An editor that is open there is told of the new version, and overwrites nothing.
    """
    version = int(json.loads(attrs.get(VERSION, "0"))) + 1
    return {VERSION: json.dumps(version), f"{_TEXT}0": json.dumps(body)}


def without_ours(attrs: Mapping[str, str]) -> dict[str, str]:
    """Attributes with the note, if there is one, as people wrote it; its version stays."""
    others = {key: text for key, text in attrs.items() if not is_part(key)}
    body = of_people(read(attrs))
    if not body:
        return others
    return others | {VERSION: attrs.get(VERSION, "1"), f"{_TEXT}0": json.dumps(body)}


def of_people(note: str) -> str:
    """What people wrote: below the marker line, or all of a note without it.

    Examples:
        >>> of_people("Ask Ann."), of_people(with_ours("ours", "Ask Ann."))
        ('Ask Ann.', 'Ask Ann.')
    """
    lines = note.splitlines()
    marks = [i for i, line in enumerate(lines) if line.strip() == MARKER]
    return "\n".join(lines[marks[0] + 1 :]).strip("\n") if marks else note


def with_ours(ours: str, note: str) -> str:
    """A note with our part replaced, or put above what people wrote."""
    below = of_people(note)
    return f"{ours}\n\n---\n\n{MARKER}\n" + (f"\n{below}\n" if below.strip() else "")

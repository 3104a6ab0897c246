"""``hpo studies``: what is in the database, and what can be launched."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, terminal_width
from hpo.console import Parser, answer

_EXAMPLES = """\
hpo studies
    studies of the database, and study files in ./studies and of this installation
hpo studies --files
    study files alone, without a database
hpo studies --json
    the same for a program"""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo studies", "List the studies in the database and the study files.", _EXAMPLES)
    p.add_argument("--files", action="store_true", help="study files alone; opens no database")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, list, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    from hpo.study import file
    from hpo.views import records
    from hpo.views.terminal import status

    files = [
        {"name": name, "file": path, "description": file.describe(path)}
        for name, path in file.available().items()
    ]
    summaries = []
    if not arguments.files:
        with opened(arguments) as ledger:
            summaries = ledger.studies()
    if arguments.json:
        known = {} if arguments.files else {"studies": [records.summary(s) for s in summaries]}
        print(records.dumps({**known, "files": files}))
        return 0
    if not arguments.files:
        lines = status.study_lines(summaries, width=terminal_width())
        print("\n".join(lines if summaries else ["The database holds no study yet."]), end="\n\n")
    _show_files(files)
    return 0


def _show_files(files: Sequence[dict[str, object]]) -> None:
    from hpo.views.terminal import tables

    rows = [["study file", "path", "what it is"]]
    rows += [[str(f["name"]), str(f["file"]), str(f["description"])] for f in files]
    print("\n".join(tables.columns(rows)))
    print("\nLaunch one with: hpo launch --study NAME")

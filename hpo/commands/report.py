"""``hpo report``: a study as one HTML file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hpo.arguments import Parser, answer
from hpo.commands import opened
from hpo.errors import HpoError

_EXAMPLES = """\
hpo report seqdigits
    writes ./seqdigits-report.html, which needs no network, and prints its path
hpo report seqdigits --open
    and opens it in the browser
hpo report seqdigits -o results/seqdigits.html
    somewhere else; running studies have reports, too"""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo report", "Write a study as one HTML file and print its path.", _EXAMPLES)
    p.add_argument("study", metavar="STUDY", help="name of the study")
    p.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: ./STUDY-report.html")
    p.add_argument("--open", action="store_true", help="open it in the browser")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, write, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Write it.

    Raises:
        HpoError: the file cannot be written.
    """
    with opened(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study, curves=True)
    from hpo import records, report, words

    target = arguments.output or Path(f"{arguments.study}-report.html")
    try:
        path = report.write(snapshot, target)
    except OSError as error:
        raise HpoError(f"{target}: the report cannot be written: {error.strerror}.") from error
    if arguments.json:
        print(records.dumps({"report": path, "verdict": words.verdict(snapshot)}))
    else:
        print(path)
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return 0

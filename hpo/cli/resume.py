"""``hpo resume``: workers go on with a stopped or failed study."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer

_EXAMPLES = """\
hpo resume seqdigits
    after `hpo stop`, or after too many trials failed: the failures so far are accepted as such
hpo retry seqdigits
    instead, if the cause of the failures is mended: runs the failed trials again"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo resume", "Let workers go on with a study that was stopped, or that failed.", _EXAMPLES
    )
    p.add_study()
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Resume it."""
    from hpo.ledger import interventions
    from hpo.views.terminal import tables

    with opened(arguments) as ledger:
        was = interventions.resume(ledger, arguments.study)
        snapshot = ledger.snapshot(arguments.study)
    name = arguments.study
    done = {
        "open": "is open as it is",
        "done": "is done; for more trials: hpo extend",
        "stopped": "open again",
        "failed": "open again; the failures so far count no longer against it",
    }[was]
    record = {"study": name, "was": was, "state": snapshot.state}
    step = tables.next_step(snapshot, storage_option(arguments))
    return tell(arguments, record, f"{name}: {done}", f"next: {step}" if step else "")

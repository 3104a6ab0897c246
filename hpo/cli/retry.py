"""``hpo retry``: failed trials are run again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer, at_least

_EXAMPLES = """\
hpo retry seqdigits --trial 7
    trial 7, and its confirmation if that failed; a study that failed is open again
hpo retry seqdigits
    all that failed

Results stay reproducible: a trial that was claimed before the retry goes on seeing the failure;
those after it wait for the new result and learn from it. `hpo trials --json` shows from which
trial on."""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo retry", "Run failed trials again, with the parameters they had.", _EXAMPLES)
    p.add_study()
    p.add_argument("--trial", type=at_least(0), metavar="K", help="default: all that failed")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Open them again."""
    from hpo.ledger import interventions
    from hpo.views.terminal import tables

    name = arguments.study
    with opened(arguments) as ledger:
        opened_ = interventions.retry(ledger, name, arguments.trial)
        snapshot = ledger.snapshot(name)
    slots = {(slot.phase, slot.number): slot for slot in (*snapshot.search, *snapshot.confirm)}
    names = [tables.slot_name(snapshot, slots[key]) for key in opened_]
    record = {
        "study": name,
        "state": snapshot.state,
        "retried": [{"phase": phase, "number": number} for phase, number in opened_],
    }
    step = tables.next_step(snapshot, storage_option(arguments))
    text = f"to be run again: {'; '.join(names)}" if names else "nothing has failed"
    if not names and arguments.trial is not None:
        text = f"trial {arguments.trial} is to be run, or running, already"
    return tell(arguments, record, f"{name}: {text}", f"next: {step}" if step else "")

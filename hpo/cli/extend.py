"""``hpo extend``: more trials for a study."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer, at_least

_EXAMPLES = """\
hpo extend seqdigits --trials 200
    200 trials in all; what is there is kept, and what is confirmed is chosen from all of them
hpo launch --study seqdigits --trials 200
    the same, with workers that run them at once"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo extend",
        "Enlarge the budget of a study, as a larger budget.trials in its file does.",
        _EXAMPLES,
    )
    p.add_study()
    p.add_argument("--trials", type=at_least(1), required=True, metavar="N", help="trials in all")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Extend it."""
    from hpo.ledger import interventions
    from hpo.views import verdict
    from hpo.views.terminal import tables

    name, trials = arguments.study, arguments.trials
    with opened(arguments) as ledger:
        how = interventions.extend(ledger, name, trials)
        snapshot = ledger.snapshot(name)
    record = {"study": name, "trials": trials, "extended": how == "extended"}
    step = tables.next_step(snapshot, storage_option(arguments))
    head = "extended" if how == "extended" else "has that budget already"
    line = f"{name}: {head}; {verdict.progress(snapshot)}"
    return tell(arguments, record, line, f"next: {step}" if step else "")

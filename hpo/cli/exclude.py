"""``hpo exclude``: a bad trial leaves the search."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer, at_least

_EXAMPLES = """\
hpo exclude seqdigits --trial 7 --reason "wrong data on host b"
    it leaves the ranking, the confirmation, and the history that later suggestions see; every
    view shows it as excluded, with the reason
hpo exclude --study seqdigits --trial 7 --json
    what happened, for scripts

Results stay reproducible: a trial that was claimed before goes on seeing it, those after it do not.
From which trial on is stored with it."""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo exclude",
        "Take a bad trial out of a study: no ranking and no later suggestion sees it.",
        _EXAMPLES,
    )
    p.add_study()
    p.add_argument("--trial", type=at_least(0), required=True, metavar="K", help="its number")
    p.add_argument("--reason", default="", metavar="TEXT", help="shown with it, for ever")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Exclude it."""
    from hpo.ledger import interventions
    from hpo.views.terminal import tables

    name, trial = arguments.study, arguments.trial
    with opened(arguments) as ledger:
        since = interventions.exclude(ledger, name, trial, arguments.reason)
        snapshot = ledger.snapshot(name)
    record = {"study": name, "trial": trial, "since": since, "state": snapshot.state}
    step = tables.next_step(snapshot, storage_option(arguments))
    line = f"{name}: trial {trial} is excluded; trials from {since} on do not see it"
    return tell(arguments, record, line, f"next: {step}" if step else "")

"""``hpo best``: the best configurations beside the reported one."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from hpo.cli.common import opened
from hpo.console import Parser, answer, at_least
from hpo.errors import StudyError

_EXAMPLES = """\
hpo best seqdigits
    the best configuration, its confirmation, and the reported optimum
hpo best seqdigits --top 5
    the best five, side by side
hpo best seqdigits-energy --top 3
    of a study with a [cost]: the front, then the cheapest that holds the reported score, and others
hpo best seqdigits --json | jq .best[0].params
    its parameters, for a program"""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo best", "Show the best configurations beside the reported one.", _EXAMPLES)
    p.add_argument("study", metavar="STUDY", help="name of the study")
    p.add_argument("--top", type=at_least(1), default=1, metavar="N", help="how many (default: 1)")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, show, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Show them.

    Raises:
        StudyError: the study selects nothing.
    """
    with opened(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study)
    if not snapshot.spec.selects:
        raise StudyError(
            f"study {arguments.study!r}: it must search for a best trial, but it measures every "
            f"point and selects none. See `hpo trials {shlex.quote(arguments.study)}`."
        )
    from hpo.views import records
    from hpo.views.terminal import chart as terminal_chart
    from hpo.views.terminal import tables

    if arguments.json:
        best = [records.trial(slot) for slot in snapshot.ranking[: arguments.top]]
        print(records.dumps({**records.study(snapshot), "best": best}))
        return 0
    print(f"{arguments.study}: {tables.verdict(snapshot)}")
    if snapshot.best is not None:
        if front := tables.front_table(snapshot):
            print("\n".join(["", *front]))
        print("\n".join(["", *tables.best_table(snapshot, arguments.top)]))
        named = snapshot.confirmed  # of which the first line says it
        if warnings := tables.warnings(snapshot, but=named.source if named else None):
            print("\n".join(["", *warnings]))
        if chart := terminal_chart.chart(snapshot):
            print("\n".join(["", *chart]))
    return 0

"""``hpo trials``: every slot of a study, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpo.cli.common import opened
from hpo.console import Parser, answer

if TYPE_CHECKING:
    from hpo.study.snapshot import StudySnapshot
    from hpo.study.trials import Slot


_EXAMPLES = """\
hpo trials seqdigits
    search and confirmation, with parameters, scores and times
hpo trials seqdigits --state failed
    what failed, and the last line of each error
hpo trials seqdigits --csv > trials.csv
    one row per trial, for a spreadsheet
hpo trials seqdigits --json | jq '.trials[] | select(.state == "complete") | .score'
    everything that is known, for a program"""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo trials", "List every trial of a study.", _EXAMPLES)
    p.add_argument("study", metavar="STUDY", help="name of the study")
    p.add_argument(
        "--state",
        choices=["running", "complete", "pruned", "failed", "excluded"],
        help="trials in this state only",
    )
    form = p.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="comma-separated, one row per trial")
    form.add_argument("--json", action="store_true", help="strict JSON on stdout, for programs")
    p.add_storage()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, list, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    with opened(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study)
    from hpo.views import records
    from hpo.views.terminal import tables

    slots = [
        slot
        for slot in (*snapshot.search, *snapshot.confirm)
        if arguments.state in (None, slot.state)
    ]
    if arguments.json:
        trials = [records.trial(slot) for slot in slots]
        print(records.dumps({"study": arguments.study, "trials": trials}))
    elif arguments.csv:
        _print_csv(snapshot, slots)
    else:
        print("\n".join(tables.columns(_rows(snapshot, slots), right=[2, 3, 4])))
    return 0


def _rows(snapshot: StudySnapshot, slots: Sequence[Slot]) -> list[list[str]]:
    from hpo.views import formatting
    from hpo.views.terminal import tables

    spec = snapshot.spec
    rows = [["trial", "state", "score", "members", "seconds", *spec.parameters, ""]]
    sources = {slot.number: slot.params for slot in snapshot.search}
    for slot in slots:
        params = slot.params or (sources.get(slot.source, {}) if slot.source is not None else {})
        name = tables.slot_name(snapshot, slot)
        rows.append(
            [
                name.removeprefix("trial ").replace("fresh seed", "seed"),
                "waiting" if slot.state == "running" and not slot.held else slot.state,
                tables.score_cell(spec, slot),
                str(len(slot.members)),
                f"{sum(member.seconds for member in slot.members):.1f}",
                *(
                    formatting.value_text(params[key]) if key in params else "–"
                    for key in spec.parameters
                ),
                tables.last_line(slot.message) if slot.message else "",
            ]
        )
    return rows


def _print_csv(snapshot: StudySnapshot, slots: Sequence[Slot]) -> None:
    import csv
    import statistics
    import sys

    from hpo.study.confirmation import SOLVED_SCORE

    names = list(snapshot.spec.parameters)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    costs = ["cost"] if snapshot.spec.cost else []
    solved = [SOLVED_SCORE] if any(m.solved for slot in slots for m in slot.members) else []
    head = ["phase", "trial", "source", "state", "score", *costs, "members", "seconds"]
    writer.writerow([*head, *names, *solved])
    for slot in slots:
        seconds = sum(member.seconds for member in slot.members)
        facts = [slot.phase, slot.number, slot.source, slot.state, slot.score]
        facts += [slot.cost] if snapshot.spec.cost else []
        params = [slot.params.get(name) for name in names]
        found = [m.solved.score for m in slot.members if m.solved]
        means = [statistics.fmean(found) if found else None] if solved else []
        writer.writerow([*facts, len(slot.members), seconds, *params, *means])

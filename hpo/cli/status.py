"""``hpo status``: how far a study is, who works, and what to do next."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hpo.cli.common import opened, opened_storage, storage_option, terminal_width
from hpo.console import Parser, answer, seconds

if TYPE_CHECKING:
    from hpo.study.snapshot import StudySnapshot


_EXAMPLES = """\
hpo status
    the studies of the database that are not finished, the last ten that are, and the workers:
    host, the slot that each holds, how long ago it gave its last sign of life
hpo status seqdigits
    one study: progress, how far its best is from the reported optimum, workers, reason of a failure
hpo status --watch
    the same again and again, every 2 seconds; also of one study: hpo status seqdigits --watch 10
hpo status --json | jq '.studies[] | select(.gap > 0) | .name'
    studies that are above what is reported; of one study: hpo status seqdigits --json | jq .gap

In --json, `gap` is a score minus the reported one, in the unit of the score (an accuracy as a
fraction): of the confirmed mean if `gap_of` says "confirmed", else of the best of the search.
Both are null where nothing is reported, or nothing is complete yet. `workers` have `name`, `host`,
`pid`, `alive`, `seconds_silent`, `doing` in words, `log` (the file of its output) and `job` (of a
cluster) where they are known, and of the slot that they hold `study`, `phase` and `trial`, else
null."""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo status", "Show how far studies are and who works for them.", _EXAMPLES)
    p.add_argument("study", nargs="?", metavar="STUDY", help="name (default: an overview)")
    p.add_argument(
        "--watch",
        type=seconds,
        nargs="?",
        const=2.0,
        metavar="SECONDS",
        help="draw it again after so many seconds (default: 2), until Ctrl-C",
    )
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, show, and return the exit status."""
    p = parser()
    arguments = p.parse_args(argv)
    if arguments.watch is not None and arguments.json:
        p.error("argument --json: not allowed with argument --watch")
    if arguments.watch is not None and not sys.stdout.isatty():
        p.error("argument --watch: stdout must be a terminal, but it is not. Leave --watch out")
    return answer(lambda: run(arguments) if arguments.watch is None else watch(arguments))


def watch(arguments: argparse.Namespace) -> int:
    """Show it until Ctrl-C, the usual end."""
    from rich.console import Console

    from hpo.cli import watch as watching
    from hpo.ledger.ledger import Ledger

    with opened_storage(arguments) as storage, suppress(KeyboardInterrupt):
        watching.watch(
            Ledger(storage),
            arguments.study,
            every_s=arguments.watch,
            where=storage.place(),
            console=Console(),
        )
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Show one study, or all."""
    with opened(arguments) as ledger:
        if arguments.study is None:
            studies, workers = ledger.studies(), ledger.workers()
        else:
            snapshot = ledger.snapshot(arguments.study)
    from hpo.views import records
    from hpo.views.terminal import status

    if arguments.study is None:
        if arguments.json:
            print(
                records.dumps(
                    {"studies": [records.summary(s) for s in studies], "workers": workers}
                )
            )
        else:
            print("\n".join(status.overview(studies, workers, width=terminal_width())))
    elif arguments.json:
        print(records.dumps({**records.study(snapshot), "workers": snapshot.workers}))
    else:
        print("\n".join(_lines(snapshot, storage_option(arguments))))
    return 0


def _lines(snapshot: StudySnapshot, storage: str) -> list[str]:
    from hpo.study.snapshot import StudyState
    from hpo.views import verdict
    from hpo.views.terminal import status, tables
    from hpo.views.terminal.lines import confirmations_wanted

    spec = snapshot.spec
    lines = [f"{spec.name}: {snapshot.state}, {tables.verdict(snapshot)}"]
    if snapshot.state in (StudyState.FAILED, StudyState.STOPPED):
        lines[0] = f"{spec.name}: {tables.verdict(snapshot)}"
    if gap := status.gap(snapshot):
        lines.append(gap)
    lines.append(verdict.progress(snapshot))
    if snapshot.confirm:
        settled = sum(len(c.scores) + c.failed for c in snapshot.confirmations)
        lines.append(f"{settled} of {confirmations_wanted(snapshot)} confirmations settled")
    if snapshot.best is not None:
        lines += ["", *tables.best_table(snapshot, 1)]
    lines += ["", *status.worker_lines(snapshot.workers, width=terminal_width())]
    if failures := tables.failures(snapshot, storage):
        lines += ["", *failures]
    if snapshot.reason and snapshot.state == StudyState.FAILED:
        lines += ["", "why it failed:", *(f"  {line}" for line in snapshot.reason.splitlines())]
    if step := tables.next_step(snapshot, storage):
        lines += ["", f"next: {step}"]
    return lines

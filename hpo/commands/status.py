"""``hpo status``: how far a study is, who works, and what to do next."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpo.arguments import Parser, answer
from hpo.commands import opened, storage_option

if TYPE_CHECKING:
    from hpo.reading import StudySummary
    from hpo.snapshot import StudySnapshot, WorkerInfo

_EXAMPLES = """\
hpo status
    every study of the database, and its workers
hpo status seqdigits
    one study: progress, best against reported, workers, reason of a failure
watch -n 2 hpo status seqdigits
    the same, again and again
hpo status seqdigits --json | jq .best.score
    one number for a program"""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo status", "Show how far a study is and who works for it.", _EXAMPLES)
    p.add_argument("study", nargs="?", metavar="STUDY", help="name (default: an overview)")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, show, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Show one study, or all."""
    with opened(arguments) as ledger:
        if arguments.study is None:
            return _overview(ledger.studies(), ledger.workers(), arguments.json)
        snapshot = ledger.snapshot(arguments.study)
    from hpo import records

    if arguments.json:
        print(records.dumps({**records.study(snapshot), "workers": snapshot.workers}))
    else:
        print("\n".join(_lines(snapshot, storage_option(arguments))))
    return 0


def _overview(studies: Sequence[StudySummary], workers: Sequence[WorkerInfo], json: bool) -> int:
    from hpo import records
    from hpo.commands.studies import show_studies

    if json:
        print(records.dumps({"studies": studies, "workers": workers}))
        return 0
    show_studies(studies)
    print()
    print("\n".join(worker_lines(workers)))
    return 0


def _lines(snapshot: StudySnapshot, storage: str) -> list[str]:
    from dataclasses import replace

    from hpo import results, words
    from hpo.snapshot import StudyState
    from hpo.view import confirmations_wanted

    spec = snapshot.spec
    lines = [f"{spec.name}: {snapshot.state}, {results.verdict(snapshot)}"]
    if snapshot.state in (StudyState.FAILED, StudyState.STOPPED):
        lines[0] = f"{spec.name}: {results.verdict(snapshot)}"
    lines.append(words.progress(snapshot))
    if snapshot.confirm:
        settled = sum(len(c.scores) + c.failed for c in snapshot.confirmations)
        lines.append(f"{settled} of {confirmations_wanted(snapshot)} confirmations settled")
    if snapshot.best is not None:
        lines += ["", *results.best_table(snapshot, 1)]
    workers = [replace(w, doing=results.doing(snapshot, w)) for w in snapshot.workers]
    lines += ["", *worker_lines(workers)]
    if failures := results.failures(snapshot, storage):
        lines += ["", *failures]
    if snapshot.reason and snapshot.state == StudyState.FAILED:
        lines += ["", "why it failed:", *(f"  {line}" for line in snapshot.reason.splitlines())]
    if step := results.next_step(snapshot, storage):
        lines += ["", f"next: {step}"]
    return lines


def worker_lines(workers: Sequence[WorkerInfo]) -> list[str]:
    """Workers that live or were lost lately: name, host, what they do, how long silent."""
    from hpo import results, words

    present = [worker for worker in workers if worker.alive or worker.doing != "ended"]
    if not present:
        return ["No worker is alive."]
    rows = [["worker", "host", "doing", "silent"]]
    for worker in present:
        said = worker.alive or worker.doing.startswith("refuses ")
        doing = worker.doing if said else f"lost: {worker.doing}"
        rows.append([worker.name, worker.host, doing, words.duration_text(worker.seconds_silent)])
    return results.columns(rows, right=[3])

"""``hpo import``: a study from a backup file, into this database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli.common import opened_storage, storage_option, tell
from hpo.console import Parser, answer

if TYPE_CHECKING:
    from hpo.ledger.backup.check import Backup


_EXAMPLES = """\
hpo import seqdigits.jsonl.gz
    bring a study into the database, as `hpo export seqdigits --backup seqdigits.jsonl.gz` wrote it
hpo worker --study seqdigits
    ... and go on with it, if it was not finished: its table ends as if it had never moved
hpo import seqdigits.jsonl.gz --name seqdigits-copy
    under another name
hpo import seqdigits.jsonl.gz --dry-run
    check that the file is whole and sound, without a database
hpo import seqdigits.jsonl.gz --storage postgresql://me@server/hpo
    from your own machine to the shared database
hpo import seqdigits.jsonl.gz --json | jq .settled
    what was imported, for scripts

All of it is imported, or nothing: a file that was cut short or changed is refused."""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo import", "Bring a study from a backup file into the database.", _EXAMPLES)
    p.add_argument("file", type=Path, metavar="FILE", help="a backup; see `hpo export --help`")
    p.add_argument("--name", metavar="NEW", help="another name for the study")
    p.add_argument("--dry-run", action="store_true", help="check the file, touch no database")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, import, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Import a study, or check its file.

    Raises:
        HpoError: the file cannot be trusted, or the database holds a study of this name.
    """
    from hpo.ledger.backup import check, study
    from hpo.ledger.ledger import Ledger
    from hpo.views.terminal import tables

    if arguments.dry_run:
        found = check.check(arguments.file, arguments.name)
        return tell(arguments, _record(found), f"{arguments.file} is sound: {_told(found)}")
    with opened_storage(arguments) as storage:
        found = study.restore(storage, arguments.file, arguments.name)
        snapshot = Ledger(storage).snapshot(found.spec.name)
    step = tables.next_step(snapshot, storage_option(arguments))
    return tell(
        arguments,
        _record(found),
        f"imported {_told(found)}",
        f"look at it: hpo status {found.spec.name}{storage_option(arguments)}",
        f"next: {step}" if step else "",
    )


def _record(found: Backup) -> dict[str, Any]:
    from hpo.study.trials import SlotState

    return {
        "study": found.spec.name,
        "state": found.study["state"],
        "trials": found.spec.budget.trials,
        "settled": found.states.total() - found.states["running"],
        **{str(state): found.states[state] for state in SlotState},
    }


def _told(found: Backup) -> str:
    settled = found.states.total() - found.states["running"]
    kinds = ", ".join(f"{count:,} {state}" for state, count in sorted(found.states.items()))
    trials = found.spec.budget.trials
    return f"{found.spec.name}, {settled:,} of {trials:,} trials settled ({kinds or 'none begun'})"

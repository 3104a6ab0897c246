"""``hpo import``: a whole study from a backup file into a database."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli.common import next_step, opened_storage, tell
from hpo.console import JSON, STORAGE, argument, command, storage_option

if TYPE_CHECKING:
    from hpo.ledger.backup import Backup


@command(
    argument("file", type=Path, metavar="FILE", help="a backup; see `hpo export --help`"),
    argument("--name", metavar="NEW", help="another name for the study"),
    argument("--dry-run", action="store_true", help="check the file, touch no database"),
    STORAGE,
    JSON,
)
def import_(arguments: argparse.Namespace) -> int:
    """Bring a study from a backup file into the database, as `hpo export --backup` wrote it.

    All of it is imported, or nothing: a file that was cut short or changed is refused. A study that
    was not finished goes on there: its table ends as if it had never moved.

    Examples:
        hpo import seqdigits.jsonl.gz --storage postgresql://me@server/hpo
            from your own machine to the shared database
        hpo import seqdigits.jsonl.gz --name seqdigits-copy
            under another name
        hpo import seqdigits.jsonl.gz --dry-run
            check that the file is whole and sound, without a database
    """
    from hpo.ledger import backup
    from hpo.ledger.ledger import Ledger

    if arguments.dry_run:
        found = backup.check(arguments.file, arguments.name)
        return tell(arguments, _record(found), f"{arguments.file} is sound: {_told(found)}")
    with opened_storage(arguments) as storage:
        found = backup.restore(storage, arguments.file, arguments.name)
        result = Ledger(storage).result(found.spec.name)
    return tell(
        arguments,
        _record(found),
        f"imported {_told(found)}",
        f"look at it: hpo status {found.spec.name}{storage_option(arguments.storage)}",
        *next_step(arguments, result),
    )


def _record(found: Backup) -> dict[str, Any]:
    from hpo.study.trials import SlotState

    return {
        "study": found.spec.name,
        "state": found.header.study.state,
        "trials": found.spec.budget.trials,
        "settled": found.states.total() - found.states["running"],
        **{str(state): found.states[state] for state in SlotState},
    }


def _told(found: Backup) -> str:
    settled = found.states.total() - found.states["running"]
    kinds = ", ".join(f"{count:,} {state}" for state, count in sorted(found.states.items()))
    trials = found.spec.budget.trials
    return f"{found.spec.name}, {settled:,} of {trials:,} trials settled ({kinds or 'none begun'})"

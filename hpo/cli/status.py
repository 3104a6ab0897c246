"""``hpo status``, ``hpo studies``, ``hpo logs``: progress, workers, and their logs."""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import looking, opened_storage, tell, terminal_width
from hpo.console import (
    JSON,
    STORAGE,
    Parser,
    argument,
    at_least,
    command,
    one_of,
    seconds,
    storage_option,
    study_of,
)
from hpo.errors import HpoError

_EVENTS = 5
"""Number of events shown of a study, the newest."""
_ENDS = "Ctrl-C ends this view; workers continue"

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hpo.ledger.reader import LedgerReader


@command(
    argument(
        "--files", action="store_true", help="list only study files, without a database"
    ),
    argument(
        "--tag",
        metavar="TAG",
        help="only studies with this word in `tags` of their file",
    ),
    STORAGE,
    JSON,
)
def studies(arguments: argparse.Namespace) -> int:
    """List the studies in the database and the study files.

    Examples:
        hpo studies list the studies of the database, and the study files in ./studies
            and of the installation
        hpo studies --files
            list only study files, without a database
        hpo studies --tag paper
            list the studies of the database that have `tags = ["paper"]` in their files
        hpo studies --json
            print the same for a program
    """
    from hpo.study import file
    from hpo.views.records import json_records
    from hpo.views.terminal import status

    files = [
        {"name": name, "file": path, "description": file.describe(path)}
        for name, path in ({} if arguments.tag else file.available()).items()
    ]
    if arguments.files:
        return tell(arguments, {"files": files}, *_file_lines(files))
    with looking(arguments) as ledger:
        known = ledger.results()
    tag, none = arguments.tag, ["The database has no such study yet."]
    results = [one for one in known if not (tag and one[1]) or tag in one[1].spec.tags]
    lines = status.study_lines(results, width=terminal_width()) if results else none
    record = {
        "studies": [json_records.summary(*result) for result in results],
        "files": files,
    }
    return tell(
        arguments, record, *lines, *(["", *_file_lines(files)] if files else [])
    )


def _file_lines(files: Sequence[dict[str, object]]) -> list[str]:
    from hpo.views.terminal import text_tables

    rows = [["study file", "path", "what it is"]]
    rows += [[str(f["name"]), str(f["file"]), str(f["description"])] for f in files]
    return [*text_tables.columns(rows), "", "Launch one with: hpo launch NAME"]


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and not sys.stdout.isatty():
        parser.error("argument --watch: stdout is not a terminal. Leave out --watch")


@command(
    study_of("name (default: an overview)", required=False),
    one_of(
        argument(
            "--watch",
            type=seconds,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="refresh every SECONDS (default: 2), until Ctrl-C",
        ),
        JSON,
    ),
    STORAGE,
    check=_check,
)
def status(arguments: argparse.Namespace) -> int:
    """Show the progress of studies and their workers.

    In --json, `gap` is a score minus the reported score, in the unit of the score (an
    accuracy is a fraction). The score is the confirmed mean if `gap_of` is "confirmed",
    else the best of the search. Both are null without a reported score or a complete
    trial. `edges` lists bounds of the space at which the best trials lie, each with a
    wider bound, `widen`. `workers` have `name`, `host`, `pid`, `alive`,
    `seconds_silent` (null: unknown), `doing` (text), and where they are known `log`
    (output file) and `job` (of a cluster). Workers that hold a trial have its `study`,
    `phase` and `trial`, else null. `events` are recent interventions: `at`, `who`,
    `what`.

    Examples:
        hpo status show unfinished studies, the last ten finished ones, and all workers
            with their trial and the time since their last heartbeat
        hpo status seqdigits --watch show one study every 2 seconds: progress, gap to
            the reported optimum, workers, cause of a failure
        hpo status --json | jq '.studies[] | select(.gap > 0) | .name'
            list studies above the reported score
    """
    from hpo.views.records import json_records
    from hpo.views.terminal import status as views

    if arguments.watch is not None:
        return _watch(arguments)
    with looking(arguments) as ledger:
        if arguments.study is None:
            results = ledger.results(None if arguments.json else views.FINISHED)
            if arguments.json:
                summaries = [json_records.summary(*result) for result in results]
                return tell(
                    arguments, {"studies": summaries, "workers": ledger.workers()}
                )
            print(
                *views.overview(results, ledger.workers(), width=terminal_width()),
                sep="\n",
            )
            return 0
        result, events = (
            ledger.result(arguments.study),
            ledger.events(_EVENTS, arguments.study),
        )
    if arguments.json:
        extra = {"workers": result.snapshot.workers, "events": events}
        return tell(arguments, {**json_records.study(result), **extra})
    lines = views.of_study(result, storage_option(arguments.storage), terminal_width())
    print(*lines, *[""] * bool(events), *views.event_lines(events), sep="\n")
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    """Show one study or all until Ctrl-C, and retry while the database is
    unreachable."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.retry import retry

    with opened_storage(arguments) as storage, suppress(KeyboardInterrupt):
        ledger, where = LedgerReader(storage), storage.place()
        shown: RenderableType = ""
        with Live(auto_refresh=False, screen=True) as live:

            def note_outage(waited_s: float, _: Exception) -> None:
                note = f"database unreachable for {waited_s:.0f} s, retrying"
                live.update(Group(shown, Text(note, "bold yellow")), refresh=True)

            def draw() -> RenderableType:
                return _draw(ledger, arguments.study, where, live.console)

            while True:
                shown = retry(draw, patience_s=math.inf, on_wait=note_outage)
                live.update(shown, refresh=True)
                time.sleep(arguments.watch)
    return 0


def _draw(
    ledger: LedgerReader, study: str | None, where: str, console: Console
) -> RenderableType:
    """Draw one study, or all of the database ``where``, and leave one line free
    below."""
    from rich.text import Text

    from hpo.views.terminal import live, status

    if study is not None:
        room = {"width": console.width, "height": console.height - 1}
        return live.screen(ledger.result(study), storage=where, notes=[_ENDS], **room)
    room = {"width": console.width, "height": console.height - 3}
    lines = status.overview(ledger.results(status.FINISHED), ledger.workers(), **room)
    return Text(
        "\n".join([f"{where}; {_ENDS}", "", *lines]), no_wrap=True, overflow="ellipsis"
    )


@command(
    study_of("name (default: the one launched last)", required=False),
    argument(
        "--lines",
        type=at_least(1),
        default=5,
        metavar="N",
        help="lines each (default: 5)",
    ),
)
def logs(arguments: argparse.Namespace) -> int:
    """Show the last log lines of the workers of a study.

    Examples:
        hpo logs seqdigits
            show the workers or jobs of the last launch on this machine
        hpo logs
            show the study that was launched last
        hpo logs seqdigits --lines 50 show more lines; `hpo status seqdigits` lists all
            workers and their log files
    """
    from hpo import settings

    home = settings.home() / "logs"
    files = list(home.glob(f"{arguments.study or '*'}/**/*.log"))
    if not files:
        what = "a study" if arguments.study is None else f"study {arguments.study!r}"
        raise HpoError(
            f"{home}: no log of a worker of {what}: none was started on this machine. "
            f"`hpo status` shows where workers run."
        )
    for path in _of_last_launch(files):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [
            "(nothing yet)"
        ]
        print(f"== {path}", *lines[-arguments.lines :], sep="\n")
    return 0


def _of_last_launch(files: list[Path]) -> list[Path]:
    """Return the files with the prefix of the newest: the time of its launch, or its
    job number."""
    newest = max(files, key=lambda path: path.stat().st_mtime)
    launch = re.match(r".*?_|.*-|", newest.name)
    prefix = launch[0] if launch else ""
    return sorted(
        path for path in newest.parent.glob("*.log") if path.name.startswith(prefix)
    )

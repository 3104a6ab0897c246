"""``hpo status``, ``hpo studies``, ``hpo logs``: how far studies are, who works, what is told."""

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
"""So many are told of a study, the newest."""
_ENDS = "Ctrl-C ends the watching; workers go on"

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from hpo.ledger.reader import LedgerReader


@command(
    argument("--files", action="store_true", help="study files alone; opens no database"),
    STORAGE,
    JSON,
)
def studies(arguments: argparse.Namespace) -> int:
    """List the studies in the database and the study files.

    Examples:
        hpo studies
            studies of the database, and study files in ./studies and of this installation
        hpo studies --files
            study files alone, without a database
        hpo studies --json
            the same for a program
    """
    from hpo.study import file
    from hpo.views import json_records
    from hpo.views.terminal import status

    files = [
        {"name": name, "file": path, "description": file.describe(path)}
        for name, path in file.available().items()
    ]
    if arguments.files:
        return tell(arguments, {"files": files}, *_file_lines(files))
    with looking(arguments) as ledger:
        found = ledger.results()
    none = ["The database holds no study yet."]
    lines = status.study_lines(found, width=terminal_width()) if found else none
    record = {"studies": [json_records.summary(*known) for known in found], "files": files}
    return tell(arguments, record, *lines, "", *_file_lines(files))


def _file_lines(files: Sequence[dict[str, object]]) -> list[str]:
    from hpo.views.terminal import text_tables

    rows = [["study file", "path", "what it is"]]
    rows += [[str(f["name"]), str(f["file"]), str(f["description"])] for f in files]
    return [*text_tables.columns(rows), "", "Launch one with: hpo launch NAME"]


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and not sys.stdout.isatty():
        parser.error(
            "argument --watch: stdout must be a terminal, but it is not. Leave --watch out"
        )


@command(
    study_of("name (default: an overview)", required=False),
    one_of(
        argument(
            "--watch",
            type=seconds,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="draw it again after so many seconds (default: 2), until Ctrl-C",
        ),
        JSON,
    ),
    STORAGE,
    check=_check,
)
def status(arguments: argparse.Namespace) -> int:
    """Show how far studies are and who works for them.

    In --json, `gap` is a score minus the reported one, in the unit of the score (an accuracy as a
    fraction): of the confirmed mean if `gap_of` says "confirmed", else of the best of the search.
    Both are null where nothing is reported, or nothing is complete yet. `edges` are the bounds of
    the space at which the best trials lie, each with a next bound, `widen`. `workers` have `name`,
    `host`, `pid`, `alive`, `seconds_silent` (null: unknown), `doing` in words, `log` (the file of
    its output) and `job` (of a cluster) where they are known, and of the slot that they hold
    `study`, `phase` and `trial`, else null. `events` of a study are what people did to it lately:
    `at`, `who`, `what`.

    Examples:
        hpo status
            the studies of the database that are not finished, the last ten that are, and the
            workers: host, the slot that each holds, how long ago it gave its last sign of life
        hpo status seqdigits --watch
            one study: progress, how far its best is from the reported optimum, workers, reason of a
            failure; again and again, every 2 seconds
        hpo status --json | jq '.studies[] | select(.gap > 0) | .name'
            studies that are above what is reported
    """
    from hpo.views import json_records
    from hpo.views.terminal import status as views

    if arguments.watch is not None:
        return _watch(arguments)
    with looking(arguments) as ledger:
        if arguments.study is None:
            found = ledger.results(None if arguments.json else views.FINISHED)
            if arguments.json:
                summaries = [json_records.summary(*known) for known in found]
                return tell(arguments, {"studies": summaries, "workers": ledger.workers()})
            print(*views.overview(found, ledger.workers(), width=terminal_width()), sep="\n")
            return 0
        result, events = ledger.result(arguments.study), ledger.events(_EVENTS, arguments.study)
    if arguments.json:
        own = {"workers": result.snapshot.workers, "events": events}
        return tell(arguments, {**json_records.study(result), **own})
    lines = views.of_study(result, storage_option(arguments.storage), terminal_width())
    print(*lines, *[""] * bool(events), *views.event_lines(events), sep="\n")
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    """Show a study, or all, until Ctrl-C, the usual end; a database that is away is waited for."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from hpo.ledger.reader import LedgerReader
    from hpo.postgres.retry import retry

    with opened_storage(arguments) as storage, suppress(KeyboardInterrupt):
        ledger, where = LedgerReader(storage), storage.place()
        shown: RenderableType = ""
        with Live(auto_refresh=False, screen=True) as live:

            def away(waited_s: float, _: Exception) -> None:
                note = f"database unreachable for {waited_s:.0f} s, retrying"
                live.update(Group(shown, Text(note, "bold yellow")), refresh=True)

            def draw() -> RenderableType:
                return _drawn(ledger, arguments.study, where, live.console)

            while True:
                shown = retry(draw, patience_s=math.inf, on_wait=away)
                live.update(shown, refresh=True)
                time.sleep(arguments.watch)
    return 0


def _drawn(ledger: LedgerReader, study: str | None, where: str, console: Console) -> RenderableType:
    """The study as it is now, or all of the database that is ``where``; a line is left below."""
    from rich.text import Text

    from hpo.views.terminal import live, status

    if study is not None:
        room = {"width": console.width, "height": console.height - 1}
        return live.screen(ledger.result(study), storage=where, notes=[_ENDS], **room)
    room = {"width": console.width, "height": console.height - 3}
    lines = status.overview(ledger.results(status.FINISHED), ledger.workers(), **room)
    return Text("\n".join([f"{where}; {_ENDS}", "", *lines]), no_wrap=True, overflow="ellipsis")


@command(
    study_of("name (default: the one launched last)", required=False),
    argument("--lines", type=at_least(1), default=5, metavar="N", help="of each (default: 5)"),
)
def logs(arguments: argparse.Namespace) -> int:
    """Show the last lines that the workers of a study wrote.

    Examples:
        hpo logs seqdigits
            of every worker that the last launch on this machine started, or its jobs
        hpo logs
            of the study that was launched last
        hpo logs seqdigits --lines 50
            more of them; `hpo status seqdigits` says who works, and where the files are
    """
    from hpo import settings

    home = settings.home() / "logs"
    files = list(home.glob(f"{arguments.study or '*'}/**/*.log"))
    if not files:
        what = "a study" if arguments.study is None else f"study {arguments.study!r}"
        raise HpoError(
            f"{home}: workers of {what} must have been started on this machine, but it holds no "
            f"log of theirs. `hpo status` says where they work."
        )
    for path in _of_last_launch(files):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or ["(nothing yet)"]
        print(f"== {path}", *lines[-arguments.lines :], sep="\n")
    return 0


def _of_last_launch(files: list[Path]) -> list[Path]:
    """Those that begin as the newest does: with the time of the launch, or the number of a job."""
    newest = max(files, key=lambda path: path.stat().st_mtime)
    launch = re.match(r".*?_|.*-|", newest.name)
    prefix = launch[0] if launch else ""
    return sorted(path for path in newest.parent.glob("*.log") if path.name.startswith(prefix))
